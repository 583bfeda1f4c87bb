"""The records of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class Verdict(StrEnum):
    """What a comparison says of one metric."""

    REGRESSED = "REGRESSED"
    """Significantly worse, by more than the margin."""
    PASSED = "PASSED"
    """A loss larger than the margin is ruled out."""
    IMPROVED = "IMPROVED"
    """Significantly better."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The samples are too few to say."""
    INVALID = "INVALID"
    """Failed requests could turn the verdict round."""
    NOT_COMPARABLE = "NOT COMPARABLE"
    """The two sides did not measure the same."""


@dataclass(frozen=True)
class Family:
    """A metric family as a report stores it: enough to aggregate its statistics again."""

    name: str
    target: str
    options: Mapping[str, Any]
    names: tuple[str, ...]
    headline: tuple[str, ...]
    key: str
    signature: str
    higher_is_better: bool
    maximum: float
    unit: str | None = None


@dataclass(frozen=True)
class Measured:
    """One sample of one side: what was scored, and the statistics of each answered trial.

    `rows` maps a family to (t, k) statistics; `bounds` to the worst and best (k,) that a failed sample could
    have had. `failed` counts trials without an answer.
    """

    hash: str
    group: str | None
    rows: Mapping[str, FloatArray]
    failed: int = 0
    bounds: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    request_keys: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether any trial was."""
        return any(len(one) for one in self.rows.values())


@dataclass(frozen=True)
class Side:
    """One run, or one task of a baseline, ready to be compared."""

    label: str
    case: str
    facts: Mapping[str, Any]
    """Task, dataset, model, prompt, usage, cost, latency: what is told beside the numbers."""
    families: Mapping[str, Family]
    samples: Mapping[str, Measured]
    folder: Path | None = None
    """The run's folder, where the texts are at hand."""
    baseline: str | None = None
    """The baseline's name, when the side is one."""


@dataclass(frozen=True)
class Effect:
    """The difference candidate minus baseline of one value, with its test; all in the metric's own unit.

    `p_worse` is one-sided, small when the candidate is worse (whichever direction that is); `bound` is the
    one-sided confidence bound of the difference at its worse end.
    """

    baseline: float
    candidate: float
    difference: float
    low: float
    high: float
    p_value: float
    p_exact: float | None
    p_worse: float
    p_better: float
    bound: float
    se: float
    n: int
    units: int
    test: str
    interval: str


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one case: effect, adjusted p-values and verdict."""

    metric: str
    family: str
    effect: Effect | None
    margin: float
    gated: bool
    higher_is_better: bool
    maximum: float
    signature: str
    p_adjusted: float | None
    p_better_adjusted: float | None
    detectable: float | None
    """Smallest loss found with 80% power at this n."""
    needed_n: int | None
    """Samples that would settle an INCONCLUSIVE verdict, were the difference as observed."""
    verdict: Verdict
    reason: str
    trials: tuple[float, float] = (1.0, 1.0)
    """Answers to a sample on each side, on average; they are combined before samples are compared."""
    unit: str | None = None


@dataclass(frozen=True)
class Slice:
    """A metric on the samples with one value of a metadata column; shown, never gating."""

    column: str
    value: str
    metric: str
    baseline: float
    candidate: float
    difference: float
    p_value: float
    p_adjusted: float
    n: int


@dataclass(frozen=True)
class CaseComparison:
    """Everything about one task: the metrics, and what the reader should know beside them."""

    case: str
    baseline: Mapping[str, Any]
    candidate: Mapping[str, Any]
    metrics: Sequence[MetricComparison]
    n_paired: int
    failed: tuple[int, int]
    fixed: Sequence[str]
    broken: Sequence[str]
    slices: Sequence[Slice]
    notes: Sequence[str]
    problem: str | None = None
    """Why the two sides cannot be compared; then there are no metrics."""


@dataclass(frozen=True)
class Comparison:
    """All cases of two sides, with the policy that judged them."""

    baseline: str
    candidate: str
    policy: Mapping[str, Any]
    cases: Sequence[CaseComparison]
    notes: Sequence[str] = ()

    def _repr_html_(self) -> str:
        """Show sentence, table and remarks in a notebook."""
        from html import escape

        from evalkit.comparison.render import metric_grid, remarks, sentence
        from evalkit.report.renderers.fragment import fragment

        notes = "".join(f"<li>{escape(note)}</li>" for note in remarks(self))
        return f"<p><b>{escape(sentence(self))}</b></p>{fragment(metric_grid(self))}<ul>{notes}</ul>"
