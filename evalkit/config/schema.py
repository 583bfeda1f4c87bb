"""The typed schema of every setting. Hydra needs these classes mutable; what is made of them is frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

OPEN = (
    *("dataset.input", "dataset.labels", "dataset.metrics", "dataset.options"),
    "dataset.preprocess",
    *("prompt.variables", "model.extra", "model.options", "metrics", "retrieval.options", "gate.margins"),
    "sweep",
)
"""Mappings with free names (dataset.input.question=column); everything else is closed."""


@dataclass
class TaskConfig:
    """What kind of question is asked, and how answers are read."""

    name: str = ""
    postprocess: list[Any] = field(default_factory=list)
    vary: Any = None  # another form of each sample at each trial: {permute: {field: choices}}


@dataclass
class DatasetConfig:
    """A source of rows and which columns are used."""

    _target_: str = ""
    name: str | None = None
    path: Any = None  # a file, a glob, a list of them, "-", a folder, or a hub id
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    encoding: str = "utf-8"
    records: str | None = None
    input: dict[str, Any] = field(default_factory=dict)  # a column for each field, or a list of columns
    target: str | None = None
    labels: dict[Any, str] = field(default_factory=dict)  # keys: also numbers, true, false
    unanswerable: bool = False  # whether an empty target means that there is no answer
    id: str | None = None
    group: str | None = None
    where: str | None = None
    shuffle: int | None = None
    limit: int | None = None
    preprocess: dict[str, Any] = field(default_factory=dict)  # field -> steps that its text goes through
    metrics: dict[str, Any] = field(default_factory=dict)  # options that its metrics start from
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class ChunkConfig:
    """How long documents are cut into passages; null: not at all."""

    tokens: int | None = None  # of a passage, at most
    overlap: int = 0  # tokens that a passage repeats of the one before


@dataclass
class RetrievalConfig:
    """Passages looked up for each question: where they come from, and who finds them (nobody: none)."""

    _target_: str | None = None
    path: Any = None  # a knowledge base: a file, a folder of text files, a pattern, a list of them
    passages: str | None = None  # or the column with passages that each sample brings
    text: str = "text"  # columns of the knowledge base, or of passages that are objects
    title: str | None = None
    id: str | None = None
    encoding: str = "utf-8"
    k: int = 5
    query: str | None = None  # the input field that is looked up
    relevant: str | None = None  # the dataset's column with the ids of the right documents
    chunk: ChunkConfig = field(default_factory=ChunkConfig)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class PromptConfig:
    """Templates; `file` holds the template when it is long."""

    name: str = "custom"
    system: str | None = None
    messages: list[Any] = field(default_factory=list)
    template: str | None = None
    file: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    answer_schema: Any = None  # a JSON schema, or the field that holds each sample's
    history: str | None = None  # the field with the messages before the question
    images: Any = None  # the field (or fields) with images that are shown with the question
    tools: Any = None  # definitions of tools, or the field that holds each sample's
    turns: str | None = None  # the field with what the user says one after the other


@dataclass
class FewShotConfig:
    """Solved examples before the question: how many, from which rows, and how they are shown."""

    k: int = 0
    path: Any = None  # the dataset's own where null
    split: str | None = None
    limit: int | None = None
    seed: int = 0
    balanced: bool = False
    form: str = "chat"
    answer: str | None = None
    cue: str = "Answer:"


@dataclass
class ParamsConfig:
    """Sampling parameters, sent only when set."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None  # Responses
    n: int | None = None  # answers asked for in one request, each a trial
    stop: Any = None
    seed: int | None = None
    logprobs: Any = None  # true, or for legacy completions a number
    top_logprobs: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Any = None  # a mapping; OmegaConf cannot set an optional one from the command line
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    tool_choice: Any = None  # auto, none, required, or a function's name
    parallel_tool_calls: bool | None = None
    suffix: str | None = None  # this and the next two: legacy completions
    echo: bool | None = None
    best_of: int | None = None


@dataclass
class PricesConfig:
    """US dollars per million tokens, and the day they were recorded; null where nothing is known."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    batch_discount: float | None = None
    recorded: str = ""
    model: str | None = None  # whose they are: for another model.name, no dated snapshot of it, none is known


@dataclass
class ModelConfig:
    """Who answers."""

    _target_: str = ""
    name: str = ""
    endpoint: str = "chat"  # or completions, responses
    stream: bool = False  # have answers sent bit by bit, to know the time to the first token
    base_url: str | None = None
    api_key_env: str | None = "OPENAI_API_KEY"
    params: ParamsConfig = field(default_factory=ParamsConfig)
    extra: dict[str, Any] = field(default_factory=dict)
    enforce_schema: bool = True
    timeout: float = 120.0
    prices: PricesConfig = field(default_factory=PricesConfig)
    prices_file: str | None = None
    accepts: Any = None  # what the model takes (see evalkit.client.parameters); null: anything
    context: int | None = None  # tokens, prompt and answer together
    max_output: int | None = None  # tokens of one answer
    start: str | None = None  # the command that starts the server, told when nothing listens
    api_version: str | None = None  # Azure's; null: its v1 API
    token_env: str | None = None  # the variable with a Microsoft Entra token, for Azure
    path: str | None = None
    id: str | None = None
    output: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class CacheConfig:
    """Where answers are kept, and how they are used."""

    mode: str = "rw"
    path: str = ".evalkit/cache.sqlite"


@dataclass
class ExecutorConfig:
    """How requests are run."""

    _target_: str = ""
    concurrency: int = 16  # requests in flight, at most
    attempts: int = 10  # of one request
    deadline: float = 600.0  # seconds in which a request is tried, the server's own wishes apart
    run_deadline: float = 86_400.0  # seconds after which a run sends nothing more
    grace: float = 10.0  # seconds for what is in flight when the run is interrupted or stopped
    adaptive: bool = True  # fewer requests in flight where the server calls it too much


@dataclass
class LimitsConfig:
    """What may be sent in any 60 seconds; null: what the server's headers say."""

    rpm: int | None = None  # requests
    tpm: int | None = None  # tokens, prompts and answers together


@dataclass
class BudgetConfig:
    """What a run may spend, answers from the cache apart; null: no limit."""

    usd: float | None = None  # US dollars
    tokens: int | None = None  # prompts and answers together


@dataclass
class GateConfig:
    """What a gate asks for (see evalkit.comparison.policy)."""

    kind: str = "no_regression"
    alpha: float = 0.05
    margin: float = 0.01
    margins: dict[str, float] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)
    on_inconclusive: str = "warn"
    resamples: int = 10_000
    intersect: bool = False
    critical: str | None = None
    confirm: int = 3


@dataclass
class RunConfig:
    """Everything that a run is made of."""

    task: TaskConfig = field(default_factory=TaskConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    fewshot: FewShotConfig = field(default_factory=FewShotConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    metrics: dict[str, Any] = field(default_factory=dict)
    cache: CacheConfig = field(default_factory=CacheConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    sweep: dict[str, Any] = field(default_factory=dict)  # a study: setting -> the values to run it with
    trials: int = 1
    seed: int = 0
    confidence: float = 0.95
    resamples: int = 1000
    max_failed: float = 0.01
    slices: list[str] = field(default_factory=list)
    suite: str | None = None
    sandbox: str = "bubblewrap"  # what a model's code runs in; "none" only by hand (see config.trust)
    results_dir: str = "results"


def schema() -> DictConfig:
    """Return a new schema as Hydra composes on it, which makes copies of it."""
    from omegaconf import OmegaConf

    # OmegaConf would copy each class's node into the one around it, and that one again.
    node: DictConfig = OmegaConf.structured(RunConfig, flags={"no_deepcopy_set_nodes": True})
    for path in OPEN:
        OmegaConf.set_struct(OmegaConf.select(node, path), value=False)
    return node


open_schema = cache(schema)
"""Return the schema that nobody changes."""
