"""Typed settings -> the objects that a run is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import search_path
from evalkit.cache.base import Mode
from evalkit.config.schema import DatasetConfig, ModelConfig, PromptConfig, RunConfig
from evalkit.errors import ConfigError, PromptError, did_you_mean
from evalkit.plugins import construct, plugin, takes
from evalkit.prompts import Prompt

if TYPE_CHECKING:
    from evalkit.cache.sqlite import SqliteCache
    from evalkit.client.base import Model, Prices
    from evalkit.datasets.base import Dataset, Source
    from evalkit.executors.base import Executor
    from evalkit.metrics.base import Metric
    from evalkit.postprocess import Pipeline, Step
    from evalkit.task import Task

RESERVED = {"model", "messages", "prompt", "input", "stream", "n", "response_format"}
ENDPOINTS = ("chat",)
# What the runner calls; a class without these would fail in the middle of a run.
METRIC = ("bind", "statistics", "combine", "aggregate")
MODEL = ("check", "request", "parse", "send", "close")


def build_task(config: RunConfig) -> Task:
    """Return the task: its data read, its templates and metrics ready."""
    from evalkit.task import Task

    return Task(
        name=config.task.name,
        dataset=build_dataset(config.dataset),
        prompt=build_prompt(config.prompt),
        postprocess=build_postprocess(config.task.postprocess),
        metrics=build_metrics(config.metrics),
    )


def build_dataset(config: DatasetConfig) -> Dataset:
    """Read the data; DatasetError names file, line and remedy."""
    from dataclasses import replace

    from evalkit.datasets.base import FieldMap, load

    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"dataset.limit={config.limit}: must be at least 1 (null for all)")
    source = build_source(config)
    fields = FieldMap(dict(config.input), config.target, config.id, config.group)
    dataset = load(source, fields, config.limit)
    return replace(dataset, name=config.name or Path(config.path or "").stem)


def build_source(config: DatasetConfig) -> Source:
    """Return the loader that `_target_` names, with the options that it takes."""
    cls = plugin(config._target_, "dataset", ("rows",))
    always: dict[str, Any] = {"path": search_path.data_path(config.path), "encoding": config.encoding}
    # A third party's loader may have no file and no encoding.
    options = {name: value for name, value in always.items() if name in takes(cls)} | config.options
    if config.records is not None:
        options["records"] = config.records
    return construct(cls, options, "dataset")  # type: ignore[no-any-return]


def build_prompt(config: PromptConfig) -> Prompt:
    """Return the templates; `prompt.file` is read now: a missing file shows before anything is sent."""
    template = config.template
    if config.file is not None:
        try:
            template = Path(config.file).expanduser().read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"prompt.file={config.file}: cannot be read ({error})") from None
    schema = config.answer_schema
    if schema is not None and not isinstance(schema, Mapping):
        raise ConfigError(f"prompt.answer_schema must be a JSON schema (a mapping) or null, got {schema!r}")
    if not template:
        raise PromptError("no prompt: set prompt.template='…{{ field }}…', prompt.file=PATH or prompt=<name>")
    return Prompt(
        name=config.name,
        template=template,
        system=config.system,
        messages=config.messages,
        variables=config.variables,
        answer_schema=schema or None,
    )


def build_postprocess(steps: list[Any]) -> Pipeline:
    """Return the steps: each a name, a name with options, or a class by `_target_`."""
    from evalkit.postprocess import Pipeline

    return Pipeline([_step(one, f"task.postprocess[{place}]") for place, one in enumerate(steps)], steps)


def _step(one: Any, setting: str) -> Step:
    from evalkit.postprocess import STEPS

    name, options = (one, {}) if isinstance(one, str) else (None, {})
    if isinstance(one, Mapping) and "_target_" in one:
        options = {key: value for key, value in one.items() if key != "_target_"}
        cls = plugin(one["_target_"], setting, ("__call__", "name"))
        return construct(cls, options, setting)  # type: ignore[no-any-return]
    if isinstance(one, Mapping) and len(one) == 1:
        name, options = next(iter(one.items()))
    if name is None:
        raise ConfigError(f"{setting}: write a step's name, or {{name: {{option: value}}}}, got {one!r}")
    if name not in STEPS:
        raise ConfigError(
            f'{setting}: no step "{name}"{did_you_mean(name, STEPS)}; there are {", ".join(STEPS)}'
        )
    return construct(STEPS[name], options or {}, f"{setting}.{name}")  # type: ignore[no-any-return]


def build_metrics(config: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metric families by name."""
    if not config:
        raise ConfigError("no metrics: set metrics=[accuracy] or others (evalkit list metrics)")
    if "_target_" in config:
        raise ConfigError(
            "metrics._target_: a metric's file nests its own name: `my_metric:`, then `_target_: …` indented"
        )
    metrics = {}
    for family, value in config.items():
        if not isinstance(value, Mapping) or "_target_" not in value:
            raise ConfigError(
                f"metrics.{family}: no metric of that name was chosen; write metrics=[{family}] to select it"
            )
        options = {key: one for key, one in value.items() if key != "_target_"}
        cls = plugin(value["_target_"], f"metrics.{family}", METRIC)
        metrics[family] = construct(cls, options, f"metrics.{family}")
    return metrics


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
    for setting in ("path", "output", "id"):
        if getattr(model, setting) is not None:
            raise ConfigError(f"model.{setting} belongs to recorded outputs: add model=recorded")
    if issubclass(cls, LocalModel) and model.base_url is not None:
        raise ConfigError("model.base_url: the embedded model has its own server; add model=openai")
    common = {"endpoint": _endpoint(model.endpoint), "name": model.name, "params": _params(model)}
    if issubclass(cls, LocalModel):
        return cls(**common, timeout=model.timeout, say=say)
    options = {
        **common,
        "base_url": model.base_url,
        "api_key_env": model.api_key_env,
        "enforce_schema": model.enforce_schema,
        "prices": build_prices(model),
        "timeout": model.timeout,
        "connections": config.executor.concurrency,
        **model.options,
    }
    if cls is not ApiModel:  # a third party's: it gets what it takes
        taken = takes(cls)
        options = {key: value for key, value in options.items() if key in taken or key in model.options}
    return construct(cls, options, "model")  # type: ignore[no-any-return]


def _recorded(cls: type[Any], config: RunConfig) -> Model:
    from evalkit.datasets.files import source_for

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
        partial=config.dataset.limit is not None,
        trials=config.trials,
    )


def _endpoint(name: str) -> Any:
    from evalkit.client.chat import ChatCompletions

    if name not in ENDPOINTS:
        raise ConfigError(
            f'model.endpoint="{name}"{did_you_mean(name, ENDPOINTS)}: there is {", ".join(ENDPOINTS)}'
        )
    return ChatCompletions()


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
    """Return what the model costs; None when no price is recorded."""
    from evalkit.client.base import Prices

    found = model.prices
    if found.input is None and found.output is None:
        return None
    if found.input is None or found.output is None:
        raise ConfigError("model.prices: set both model.prices.input and model.prices.output")
    return Prices(found.input, found.output, found.cached_input, found.recorded)


def build_executor(config: RunConfig) -> Executor:
    """Return the executor."""
    settings = config.executor
    for name in ("concurrency", "attempts"):
        if getattr(settings, name) < 1:
            raise ConfigError(f"executor.{name}={getattr(settings, name)}: must be at least 1")
    options = {"concurrency": settings.concurrency, "attempts": settings.attempts, "seed": config.seed}
    cls = plugin(settings._target_, "executor", ("run",))
    return construct(cls, options, "executor")  # type: ignore[no-any-return]


def build_mode(config: RunConfig) -> Mode:
    """Return how the cache is used."""
    try:
        return Mode(config.cache.mode)
    except ValueError:
        raise ConfigError(f"cache.mode={config.cache.mode}: must be {', '.join(Mode)}") from None


def build_cache(config: RunConfig) -> SqliteCache | None:
    """Open the cache; None when it is off."""
    from evalkit.cache.sqlite import SqliteCache

    return None if build_mode(config) is Mode.OFF else SqliteCache(config.cache.path)
