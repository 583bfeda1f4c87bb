"""What a check is given and what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.reading import generate
from evalkit.records import Generation, Outcome, Sample
from evalkit.report.base import Report, bound_metrics
from evalkit.report.line import generation_of, outcome_of, sample_of
from evalkit.scoring import Resampling

if TYPE_CHECKING:
    from evalkit.client.base import Model
    from evalkit.datasets.base import Dataset
    from evalkit.metrics.base import Metric
    from evalkit.postprocess import Pipeline

RELATIVE = 1e-9
"""Sums of the same numbers in another order, on another processor, differ in their last digits."""


@dataclass(frozen=True)
class AtHand:
    """What a run was made with, as far as it could be built again; `lacking` says why a part is None."""

    postprocess: Pipeline | None = None
    model: Model | None = None
    dataset: Dataset | None = None
    passages: Mapping[str, Sequence[str]] | None = None
    """Ids of the documents found now for each sample, by its id; None where there is no retrieval."""
    batch: bool = False
    """Whether its requests had the batch discount."""
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing looked at: what differs (nothing, when all is well), or why it could not be looked at."""

    name: str
    looked_at: str
    differences: Sequence[str] = ()
    skipped: str | None = None
    remark: str | None = None

    @property
    def status(self) -> str:
        """In a word or two."""
        if self.skipped is not None:
            return "not checked"
        return "different" if self.differences else "same"


@dataclass(frozen=True)
class Stored:
    """A run's lines, and what several checks make of them."""

    report: Report
    lines: Sequence[Mapping[str, Any]]
    at_hand: AtHand

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """Each sample once, by id."""
        found: dict[str, Sample] = {}
        for line in self.lines:
            found.setdefault(line["id"], sample_of(line))
        return found

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """What became of each line's request."""
        return [outcome_of(line) for line in self.lines]

    @cached_property
    def answered(self) -> list[Mapping[str, Any]]:
        """The lines with an output."""
        return [line for line in self.lines if "failure" not in line]

    @cached_property
    def generations(self) -> list[Generation]:
        """The stored outputs as post-processing reads them now; as they were read where it is not at hand."""
        steps = self.at_hand.postprocess
        answered = [one for one in self.outcomes if one.response is not None]
        if steps is not None:
            return [generate(one, steps, form) for one, form in zip(answered, self.forms, strict=True)]
        return [generation_of(line) for line in self.answered]

    @cached_property
    def forms(self) -> list[Sample]:
        """The samples of the answered lines, as they were asked."""
        return [sample_of(line) for line in self.answered]

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """As bound to the samples: a signature may count their references."""
        bound = bound_metrics(self.report)
        return {name: one.bind(list(self.samples.values())) for name, one in bound.items()}

    @property
    def resampling(self) -> Resampling:
        """As the run's intervals were drawn."""
        usual, config, seeds = Resampling(), self.report.config, self.report.seeds
        return Resampling(
            config.get("confidence", usual.confidence),
            config.get("resamples", usual.resamples),
            seeds.get("bootstrap", usual.seed),
        )


def place_of(line: Mapping[str, Any]) -> str:
    """Name a line in a sentence."""
    return f'sample "{line["id"]}", trial {line["trial"]}'


def unlike(where: str, stored: Any, made: Any) -> Iterator[str]:
    """Yield a sentence for each leaf that differs; numbers may differ in their last digits."""
    if isinstance(stored, Mapping) and isinstance(made, Mapping):
        for name in dict.fromkeys((*stored, *made)):
            yield from unlike(f"{where}.{name}", stored.get(name), made.get(name))
    elif isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        for place, (one, other) in enumerate(zip(stored, made, strict=True)):
            yield from unlike(f"{where}[{place}]", one, other)
    elif not _alike(stored, made):
        yield f"{where}: stored is {stored}, recomputed {made}"


def _alike(stored: Any, made: Any) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (stored, made))
    return math.isclose(stored, made, rel_tol=RELATIVE, abs_tol=1e-12) if numbers else stored == made
