"""Typed settings -> the objects that a run is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import search_path
from evalkit.cache.base import Mode
from evalkit.config.labels import check_labels
from evalkit.config.passages import build_lookup
from evalkit.config.pictures import pictures_of, with_pictures
from evalkit.config.pool import pool_of
from evalkit.config.schema import (
    DatasetConfig,
    ExecutorConfig,
    ModelConfig,
    PromptConfig,
    RetrievalConfig,
    RunConfig,
)
from evalkit.errors import ConfigError, PromptError, ReplayMiss, did_you_mean
from evalkit.plugins import check_options, construct, named, plugin, takes
from evalkit.prompts import Prompt
from evalkit.records import text_of

if TYPE_CHECKING:
    from evalkit.cache.sqlite import SqliteCache
    from evalkit.client.base import Model, Prices
    from evalkit.client.parameters import Abilities
    from evalkit.datasets.base import Dataset, Source
    from evalkit.datasets.fields import Field
    from evalkit.executors.base import Budget, Executor
    from evalkit.metrics.base import Metric
    from evalkit.postprocess import Pipeline
    from evalkit.retrieval.lookup import Lookup
    from evalkit.task import Task
    from evalkit.variations import Variation

RESERVED = {
    *("model", "messages", "prompt", "input", "instructions"),
    *("stream", "stream_options", "response_format", "tools"),
}
ENDPOINTS = ("chat", "completions", "responses")
OF_DATASET = ("path", "encoding", "records", "subset", "split", "revision")
"""What loaders take from settings of their own, and not from dataset.options."""
# What the runner calls; a class without these would fail in the middle of a run.
MODEL = ("check", "request", "parse", "send", "close")


def build_task(config: RunConfig) -> Task:
    """Return the task: its data read, its templates and metrics ready."""
    from evalkit.task import Task

    metrics = metrics_of(config)
    check_trials(metrics, trials_of(config))
    if config.prompt.images is not None and config.fewshot.k:
        raise ConfigError(f"fewshot.k={config.fewshot.k}: examples cannot show images; set fewshot.k=0")
    lookup = build_lookup(config.retrieval)
    dataset = build_data(config)
    prompt, fewshot = build_fewshot(config, dataset, build_prompt(config.prompt), lookup)
    dataset, retrieval = build_passages(dataset, config.retrieval, lookup)
    postprocess, metrics = build_postprocess(config.task.postprocess), metrics_of(config)
    check_labels(dataset, postprocess, metrics.values())
    vary = build_variation(config.task.vary)
    n = config.model.params.n or 1
    if n > 1 and (vary is not None or prompt.turns is not None):
        setting = "prompt.turns" if vary is None else "task.vary"
        raise ConfigError(
            f"model.params.n={n}: {setting} needs a request for every answer; set trials={n} instead"
        )
    return Task(
        name=config.task.name,
        dataset=dataset,
        prompt=prompt,
        postprocess=postprocess,
        metrics=metrics,
        fewshot=fewshot,
        vary=vary,
        retrieval=retrieval,
    )


def build_data(config: RunConfig) -> Dataset:
    """Read the data with the images that its rows name."""
    pictures = pictures_of(config.prompt.images)
    return with_pictures(build_dataset(config.dataset), pictures, config.dataset.path)


def build_passages(
    dataset: Dataset, config: RetrievalConfig, lookup: Lookup | None
) -> tuple[Dataset, Mapping[str, Any] | None]:
    """Return the data with what was found for each sample, and how it was found; None without retrieval."""
    from dataclasses import replace

    if lookup is not None:
        found = lookup.apply(dataset.samples)
        return replace(dataset, samples=found.samples, notes=(*dataset.notes, *found.notes)), found.facts
    if config.path or config.passages or config.relevant:
        from evalkit.retrieval.lookup import without_passages

        # There are passages and none is shown: so recall is 0, and comparable.
        return replace(dataset, samples=without_passages(dataset.samples, config.relevant)), None
    return dataset, None


def build_dataset(config: DatasetConfig) -> Dataset:
    """Read the data; DatasetError names file, line and remedy."""
    from dataclasses import replace

    from evalkit.datasets.base import FieldMap, load
    from evalkit.datasets.fields import with_fields
    from evalkit.datasets.paths import name_of
    from evalkit.datasets.where import Where

    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"dataset.limit={config.limit}: must be at least 1 (null for all)")
    where = None if config.where is None else Where(config.where)
    source = build_source(config)
    labels = {text_of(spelling): label for spelling, label in config.labels.items()}
    columns = _columns(config.input)
    fields = FieldMap(columns, config.target, config.id, config.group, labels, config.unanswerable)
    dataset = load(source, fields, config.limit, where=where, shuffle=config.shuffle)
    origin = dataset.origin or ({} if config.path is None else {"path": config.path})
    made = build_fields(config.preprocess)
    return replace(
        dataset,
        name=config.name or getattr(source, "title", None) or name_of(config.path),
        origin=origin,
        samples=with_fields(dataset.samples, made) if made else dataset.samples,
        preprocess={name: one.told(name) for name, one in made.items()},
    )


def build_fields(config: Mapping[str, Any]) -> dict[str, Field]:
    """Return the fields that pre-processing adds: `{field: steps}`, `{field: {from: …, steps: …}}`."""
    from evalkit.datasets.fields import SETTING, Field
    from evalkit.preprocess.steps import build

    made = {}
    for name, value in config.items():
        setting, source, steps = f"{SETTING}.{name}", name, value
        if isinstance(value, Mapping):
            if set(value) != {"from", "steps"}:
                raise ConfigError(
                    f"{setting}: a list of steps, or {{from: <field>, steps: […]}} for a field of another; "
                    f"got {value!r}"
                )
            source, steps = str(value["from"]), value["steps"]
        made[name] = Field(source, build(steps, setting))
    return made


def _columns(fields: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return the column of each field, or its columns; numbers are names too, as JSON and CSV have them."""
    found: dict[str, str | list[str]] = {}
    for name, path in fields.items():
        parts = path if isinstance(path, list) else [path]
        if not parts or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in parts):
            raise ConfigError(f"dataset.input.{name}: a column's name or a list of names, got {path!r}")
        found[name] = [str(one) for one in parts] if isinstance(path, list) else str(path)
    return found


def pinned(config: RunConfig) -> RunConfig:
    """Return the settings with the data named so that it can be found again: `latest` moves on."""
    from dataclasses import replace

    pin = getattr(plugin(config.dataset._target_, "dataset", ("rows",)), "pin", None)
    if pin is None:
        return config
    path = pin(config.dataset.path, **config.dataset.options)
    return replace(config, dataset=replace(config.dataset, path=path))


def build_source(config: DatasetConfig) -> Source:
    """Return the loader that `_target_` names, with the options that it takes; several files make one."""
    from evalkit.datasets.paths import Several, expand

    cls = plugin(config._target_, "dataset", ("rows",))
    if getattr(cls, "whole", False):
        return _loader(cls, config, config.path)
    files = expand(_data_path(config.path))
    if len(files) > 1:
        sources = [_loader(cls, config, one) for one in files]
        return Several(", ".join(config.path) if isinstance(config.path, list) else config.path, sources)
    return _loader(cls, config, files[0] if files else None)


def _loader(cls: type[Any], config: DatasetConfig, path: Any) -> Source:
    taken = takes(cls)
    check_options(config.options, [one for one in taken if one not in OF_DATASET], cls, "dataset.options")
    always: dict[str, Any] = {"path": path, "encoding": config.encoding}
    # A third party's loader may have no file and no encoding.
    options = {name: value for name, value in always.items() if name in taken} | config.options
    for name in OF_DATASET[2:]:
        value = getattr(config, name)
        if value is not None and name not in taken:
            kind = getattr(cls, "format", cls.__name__)
            raise ConfigError(f"dataset.{name}={value}: dataset={kind} has none; leave dataset.{name} out")
        if value is not None:
            options[name] = value
    return construct(cls, options, "dataset")  # type: ignore[no-any-return]


def _data_path(path: Any) -> Any:
    """Return the setting with `benchmark:<name>` replaced by the file."""
    if isinstance(path, list):
        return [_data_path(one) for one in path]
    return search_path.data_path(path) if isinstance(path, str) else path


def build_prompt(config: PromptConfig) -> Prompt:
    """Return the templates; `prompt.file` is read now: a missing file shows before anything is sent."""
    template = config.template
    if config.file is not None:
        try:
            template = Path(config.file).expanduser().read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"prompt.file={config.file}: cannot be read ({error})") from None
    schema = config.answer_schema
    if schema is not None and not isinstance(schema, Mapping | str):
        raise ConfigError(
            "prompt.answer_schema must be a JSON schema (a mapping), the name of a field with one, or null; "
            f"got {schema!r}"
        )
    if not template and config.turns is not None:
        template = "{{ turn }}"
    if not template and config.history is None:
        raise PromptError("no prompt: set prompt.template='…{{ field }}…', prompt.file=PATH or prompt=<name>")
    pictures = pictures_of(config.images)
    return Prompt(
        name=config.name,
        template=template or "",
        system=config.system,
        messages=config.messages,
        variables=config.variables,
        answer_schema=schema or None,
        history=config.history,
        images=None if pictures is None else pictures.wanted,
        tools=config.tools,
        turns=config.turns,
    )


def build_fewshot(
    config: RunConfig, dataset: Dataset, prompt: Prompt, lookup: Lookup | None = None
) -> tuple[Prompt, Mapping[str, Any] | None]:
    """Return the prompt with its examples and how they were chosen; the prompt itself for fewshot.k=0.

    The samples have no passages yet, so that an example that asks the same is known; with `lookup` each
    example gets its own.
    """
    from evalkit.datasets.fewshot import Shots, choose

    settings = config.fewshot
    if settings.k == 0:
        return prompt, None
    pool_config = pool_of(config.dataset, settings)
    pool = build_dataset(pool_config)
    shots = Shots(settings.k, settings.seed, settings.balanced)
    chosen = choose(pool, dataset.samples, prompt.question, shots)
    shown = chosen if lookup is None else lookup.apply(chosen).samples
    examples = [{"input": one.fields, "answer": prompt.answer(settings.answer, one)} for one in shown]
    used = {
        "k": settings.k,
        "seed": settings.seed,
        "balanced": settings.balanced,
        "form": settings.form,
        "split": pool_config.split,
        "pool": pool.name,
        "fingerprint": pool.fingerprint,
        "origin": dict(pool.origin),
        "ids": [one.id for one in chosen],
    }
    return prompt.with_examples(examples, settings.cue if settings.form == "inline" else None), used


def build_postprocess(steps: list[Any]) -> Pipeline:
    """Return the steps: each a name, a name with options, or a class by `_target_`."""
    from evalkit.postprocess import STEPS, Pipeline

    made = [named(one, STEPS, f"task.postprocess[{place}]") for place, one in enumerate(steps)]
    return Pipeline(made, steps)


def build_variation(config: Any) -> Variation | None:
    """Return how samples differ from trial to trial; None where they do not."""
    from evalkit.variations import VARIATIONS

    return None if config is None else named(config, VARIATIONS, "task.vary", ("apply", "name"))


def metrics_of(config: RunConfig) -> dict[str, Metric]:
    """Return a run's metric families; one of costs gets the model's prices, unless it has its own."""
    from evalkit.config.spending import in_batches

    def priced(metric: Metric) -> Metric:
        take = getattr(metric, "priced", None)
        if take is None:
            return metric
        prices = build_prices(config.model)
        found: Metric = take(None if prices is None else asdict(prices), batch=in_batches(config))
        return found

    return {name: priced(metric) for name, metric in build_metrics(config.metrics).items()}


def build_metrics(config: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metric families by name."""
    from evalkit.metrics.prepared import metric_from

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
        metrics[family] = metric_from(value["_target_"], options, f"metrics.{family}")
    return metrics


def asked_by(task: Task, model: Model) -> Task:
    """Return the task whose metrics know who is asked, and by which prompt."""
    from dataclasses import replace

    prompt = task.prompt.sha256 if model.needs_prompt else None
    return replace(task, metrics=asked(task.metrics, model.name, prompt))


def asked(metrics: Mapping[str, Metric], model: str, prompt: str | None) -> dict[str, Metric]:
    """Return the metrics knowing who was asked, and by which prompt: a judge's are part of their key."""
    # A third party's metric need not have it.
    return {name: one.asked(model, prompt) if hasattr(one, "asked") else one for name, one in metrics.items()}


def check_trials(metrics: Mapping[str, Metric], trials: int) -> None:
    """Raise ConfigError for a metric that needs more answers to a sample than there are (pass@10)."""
    for metric in metrics.values():
        # A third party's metric need not have it.
        least = getattr(metric, "least_trials", 1)
        if least > trials:
            raise ConfigError(
                f"{metric.names[-1]} needs {least} answers to each sample, and there are {trials}; set "
                f"trials={least} (or model.params.n={least}, answers of one request)"
            )


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
    from evalkit.client.chat import ChatCompletions
    from evalkit.client.completions import Completions
    from evalkit.client.responses import Responses

    if name not in ENDPOINTS:
        raise ConfigError(
            f'model.endpoint="{name}"{did_you_mean(name, ENDPOINTS)}: there is {", ".join(ENDPOINTS)}'
        )
    made = {"chat": ChatCompletions, "completions": Completions, "responses": Responses}
    return made[name]()


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


def build_executor(
    config: RunConfig, say: Callable[[str], None] = lambda _: None, budget: Budget | None = None
) -> Executor:
    """Return the executor; `say` hears of long waits, `budget` is asked before every attempt."""
    settings, limits = config.executor, config.limits
    for name in ("concurrency", "attempts"):
        if getattr(settings, name) < 1:
            raise ConfigError(f"executor.{name}={getattr(settings, name)}: must be at least 1")
    for name in ("deadline", "run_deadline"):
        if not getattr(settings, name) > 0:
            raise ConfigError(f"executor.{name}={getattr(settings, name)}: seconds, more than 0")
    if not settings.grace >= 0:
        raise ConfigError(f"executor.grace={settings.grace}: seconds, 0 or more")
    for name in ("rpm", "tpm"):
        limit = getattr(limits, name)
        if limit is not None and limit < 1:
            raise ConfigError(f"limits.{name}={limit}: at least 1 a minute (null: as the server says)")
    cls = plugin(settings._target_, "executor", ("run", "timing"))
    common = {"concurrency": settings.concurrency, "attempts": settings.attempts, "seed": config.seed}
    # A class of the user's own need not know of these, as long as nobody asks for them.
    usual = ExecutorConfig()
    asked = {
        name: getattr(settings, name)
        for name in ("deadline", "run_deadline", "grace", "adaptive")
        if name in takes(cls) or getattr(settings, name) != getattr(usual, name)
    }
    asked |= {name: limit for name, limit in vars(limits).items() if limit is not None}
    asked |= {} if budget is None else {"budget": budget}
    asked |= {"say": say} if "say" in takes(cls) else {}
    return construct(cls, common | asked, "executor")  # type: ignore[no-any-return]


def build_mode(config: RunConfig) -> Mode:
    """Return how the cache is used."""
    try:
        return Mode(config.cache.mode)
    except ValueError:
        raise ConfigError(f"cache.mode={config.cache.mode}: must be {', '.join(Mode)}") from None


def build_cache(config: RunConfig, say: Callable[[str], None] = lambda _: None) -> SqliteCache | None:
    """Open the cache, for reading only where nothing is kept; None when it is off."""
    from evalkit.cache.sqlite import SqliteCache

    mode = build_mode(config)
    if mode is Mode.REPLAY and not Path(config.cache.path).expanduser().exists():
        raise ReplayMiss(
            f"cache=replay: there is no cache at {config.cache.path}; run once with cache=rw, or fetch one: "
            "evalkit cache import FILE"
        )
    return None if mode is Mode.OFF else SqliteCache(config.cache.path, read_only=not mode.writes, say=say)
