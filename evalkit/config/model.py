"""Settings of a model -> whoever answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from evalkit import search_path
from evalkit.config.schema import ModelConfig, RunConfig
from evalkit.errors import ConfigError, did_you_mean
from evalkit.plugins import Classes, construct, plugin, takes

if TYPE_CHECKING:
    from evalkit.client.base import Model, Prices
    from evalkit.client.parameters import Abilities

RESERVED = {
    *("model", "messages", "prompt", "input", "instructions"),
    *("stream", "stream_options", "response_format", "tools"),
}
ENDPOINTS: Mapping[str, type[Any]] = Classes(
    "evalkit.client",
    {
        "chat": "chat.ChatCompletions",
        "completions": "completions.Completions",
        "responses": "responses.Responses",
    },
)
# What the runner calls; a class without these would fail in the middle of a run.
MODEL = ("check", "request", "parse", "send", "close")


def build_model(config: RunConfig, say: Callable[[str], None] = lambda _: None) -> Model:
    """Return the model; nothing is started, opened or asked yet."""
    from evalkit.client.api import ApiModel, LocalModel
    from evalkit.client.recorded import RecordedModel

    cls = plugin(config.model._target_, "model", MODEL)
    model = config.model
    if not model.name:
        raise ConfigError("model.name is missing; set it to the name that the server knows")
    if issubclass(cls, RecordedModel):
        return _recorded(cls, config)
    _check_misplaced(model, azure=cls not in (ApiModel, LocalModel))
    if issubclass(cls, LocalModel) and model.base_url is not None:
        raise ConfigError("model.base_url: the embedded model has its own server; add model=openai")
    common = {
        "endpoint": _endpoint(model.endpoint),
        "name": model.name,
        "params": _params(model),
        "abilities": build_abilities(model),
        "stream": model.stream,
    }
    if issubclass(cls, LocalModel):
        if (model.params.n or 1) > 1:
            raise ConfigError(
                f"model.params.n={model.params.n}: the embedded model gives one answer a request; set "
                f"trials={model.params.n}"
            )
        if model.endpoint == "responses":
            raise ConfigError(
                "model.endpoint=responses: there the embedded model's server takes no schema and does not "
                "say where it cuts answers; set model.endpoint=chat"
            )
        return cls(**common, timeout=model.timeout, say=say)
    options = {
        **common,
        "base_url": model.base_url,
        "api_key_env": model.api_key_env,
        "enforce_schema": model.enforce_schema,
        "prices": build_prices(model),
        "timeout": model.timeout,
        "connections": config.executor.concurrency,
        "start": model.start,
        "api_version": model.api_version,
        "token_env": model.token_env,
        **model.options,
    }
    # A third party's class, and each of ours, gets what it takes.
    taken = takes(cls)
    options = {key: value for key, value in options.items() if key in taken or key in model.options}
    return construct(cls, options, "model")  # type: ignore[no-any-return]


def _check_misplaced(model: ModelConfig, *, azure: bool) -> None:
    """Refuse an empty address, and settings of other kinds of model; a third party's may take Azure's."""
    if model.base_url == "":
        raise ConfigError("model.base_url is missing; set it to the address, like http://127.0.0.1:8000/v1")
    for setting in ("path", "output", "id"):
        if getattr(model, setting) is not None:
            raise ConfigError(f"model.{setting} belongs to recorded outputs: add model=recorded")
    for setting in ("api_version", "token_env"):
        if not azure and getattr(model, setting) is not None:
            raise ConfigError(f"model.{setting} belongs to Azure: add model=azure")


def _recorded(cls: type[Any], config: RunConfig) -> Model:
    from evalkit.datasets.formats import source_for

    model = config.model
    if model.path is None or model.output is None:
        missing = "model.path=FILE" if model.path is None else "model.output=<column>"
        raise ConfigError(f"model=recorded scores outputs from a file: set {missing}")
    source = source_for(search_path.data_path(model.path) or "", config.dataset.encoding)
    return cls(  # type: ignore[no-any-return]
        source,
        name=model.name if model.name != "recorded" else f"recorded:{model.output}",
        output=model.output,
        id_column=model.id or config.dataset.id,
        partial=config.dataset.limit is not None or config.dataset.where is not None,
        trials=trials_of(config),
        turns=config.prompt.turns is not None,
    )


def trials_of(config: RunConfig) -> int:
    """Return how many answers each sample gets: `trials`, or the `n` of one request."""
    n = 1 if config.model.params.n is None else config.model.params.n
    if n < 1:
        raise ConfigError(f"model.params.n={n}: must be at least 1")
    if config.trials == 1:
        return n
    if config.trials % n:
        raise ConfigError(
            f"trials={config.trials} is no multiple of model.params.n={n}: every request brings {n} answers"
        )
    return config.trials


def _endpoint(name: str) -> Any:
    if name not in ENDPOINTS:
        raise ConfigError(
            f'model.endpoint="{name}"{did_you_mean(name, ENDPOINTS)}: there is {", ".join(ENDPOINTS)}'
        )
    return ENDPOINTS[name]()


def build_endpoints() -> dict[str, Any]:
    """Return every endpoint by the name that requests carry."""
    return {one.name: one for one in map(_endpoint, ENDPOINTS)}


def _params(model: ModelConfig) -> dict[str, Any]:
    """Return what is sent beside model and messages: declared parameters that are set, and `extra`."""
    from dataclasses import fields

    sent = {
        one.name: getattr(model.params, one.name)
        for one in fields(model.params)
        if getattr(model.params, one.name) is not None
    }
    if "stop" in sent:
        sent["stop"] = _stops(sent["stop"])
    if "logit_bias" in sent:
        bias = sent["logit_bias"]
        if not isinstance(bias, Mapping):
            raise ConfigError(f"model.params.logit_bias must map tokens to numbers, got {bias!r}")
        sent["logit_bias"] = {str(token): number for token, number in bias.items()}
    for name in model.extra:
        if name in RESERVED:
            raise ConfigError(f"model.extra.{name}: evalkit sets {name} itself")
        if hasattr(model.params, name):
            raise ConfigError(f"model.extra.{name}: set model.params.{name} instead")
    return {**sent, **model.extra}


def _stops(value: Any) -> list[str]:
    r"""Decode \n, \t and \r: on a command line `stop=["\n"]` arrives as a backslash and an n."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"model.params.stop must be a text or a list of texts, got {value!r}")
    return [one.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r") for one in value]


def build_prices(model: ModelConfig) -> Prices | None:
    """Return what the model costs, by the user's price list or its config; None when nothing is known."""
    from evalkit.client.base import Prices
    from evalkit.config import prices

    if (listed := prices.listed(model.name, model.prices_file)) is not None:
        return listed
    found = model.prices
    if found.input is None and found.output is None:
        return None
    if found.input is None or found.output is None:
        raise ConfigError("model.prices: set both model.prices.input and model.prices.output")
    if found.model is not None and not prices.is_of(found.model, model.name):
        return None
    known = Prices(found.input, found.output, found.cached_input, found.recorded, found.batch_discount)
    return prices.checked(known, "model.prices")


def build_abilities(model: ModelConfig) -> Abilities:
    """Return what the model is declared to take."""
    from evalkit.client.parameters import Abilities

    accepts = model.accepts
    if accepts is not None and not isinstance(accepts, Mapping):
        raise ConfigError(
            f"model.accepts must map parameters to what they may be, or be null; got {accepts!r}"
        )
    for name, rule in (accepts or {}).items():
        if not isinstance(rule, bool | list | Mapping):
            raise ConfigError(
                f"model.accepts.{name}: true, false, a list of values or {{other: value}}, got {rule!r}"
            )
    for name in ("context", "max_output"):
        size = getattr(model, name)
        if size is not None and size < 1:
            raise ConfigError(f"model.{name}={size}: tokens, at least 1")
    return Abilities(accepts, model.max_output)
