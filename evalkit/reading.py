"""Outcomes -> generations: each answer read by the task's post-processing, in dataset order."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from evalkit.datasets.base import Dataset
from evalkit.metrics.base import BATCH
from evalkit.postprocess import Context, Pipeline, Unparsed
from evalkit.records import Generation, Outcome, Response, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import Metric

Answer = TypeVar("Answer", Outcome, Generation)

Hear = Callable[[Sample, Outcome, Generation | None], None]
"""Is told of an outcome, with its sample as it was asked and with what was read: None for a failure."""


def unheard(sample: Sample, outcome: Outcome, generation: Generation | None) -> None:
    """Nobody wants to know."""


class Scorable(Protocol):
    """What scoring needs of a task: the samples, how answers are read, and the metrics."""

    @property
    def dataset(self) -> Dataset:
        """The samples."""
        ...

    @property
    def postprocess(self) -> Pipeline:
        """How answers are read."""
        ...

    def asked(self, sample: Sample, trial: int) -> Sample:
        """Return the sample in the form that it was asked in at a trial."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metric families by name."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Samples scored, samples all of whose trials failed, and samples with an unparsed answer."""

    n: int
    failed: int
    unparsed: int


def in_order(samples: Iterable[Sample], answers: Iterable[Answer]) -> Iterator[tuple[Sample, Answer]]:
    """Yield each answer with its sample; answers stand in dataset order, those to one sample together."""
    rest = iter(samples)
    sample: Sample | None = None
    for answer in answers:
        while sample is None or sample.id != answer.sample_id:
            sample = next(rest, None)
            if sample is None:
                raise ValueError(f"the answer to sample {answer.sample_id} does not stand in dataset order")
        yield sample, answer


class Reading:
    """Reads a task's answers a batch at a time; what was counted is complete after the last batch.

    `hear` is told of every outcome in turn. By each answer that was read, `unparsed` has whether it has no
    prediction, and `numbers` that of its sample among those with an answer; None as long as none has two.
    """

    def __init__(self, hear: Hear = unheard) -> None:
        self.numbers: array[int] | None = None
        self.unparsed = bytearray()
        self._hear = hear
        self._groups: list[str | None] | None = None  # None as long as no sample has one
        self._samples = self._numbered = 0
        self._unparsed = 0
        self._last_unparsed = -1

    @property
    def counts(self) -> Counts:
        """How many samples there were."""
        return Counts(self._numbered, self._samples - self._numbered, self._unparsed)

    @property
    def groups(self) -> Sequence[str | None]:
        """The groups of the numbered samples; empty where none has one."""
        return self._groups or ()

    def batches(
        self, task: Scorable, outcomes: Iterable[Outcome]
    ) -> Iterator[tuple[Sequence[Generation], Sequence[Sample]]]:
        """Yield generations and their samples, each in the form that it was asked in."""
        generations: list[Generation] = []
        forms: list[Sample] = []
        last, numbered = None, False
        for sample, outcome in in_order(task.dataset.samples, outcomes):
            if sample is not last:
                last, numbered = sample, False
                self._samples += 1
            form = task.asked(sample, outcome.trial)
            if outcome.response is None:
                self._hear(form, outcome, None)
                continue
            if not numbered:
                numbered = True
                self._number(sample.group)
            elif self.numbers is None:
                self.numbers = array("i", range(self._numbered))
            generation = generate(outcome, task.postprocess, form)
            self._note(generation)
            self._hear(form, outcome, generation)
            generations.append(generation)
            forms.append(form)
            if len(generations) == BATCH:
                yield generations, forms
                generations, forms = [], []
        if generations:
            yield generations, forms

    def _number(self, group: str | None) -> None:
        if group is not None and self._groups is None:
            self._groups = [None] * self._numbered
        if self._groups is not None:
            self._groups.append(group)
        self._numbered += 1

    def _note(self, generation: Generation) -> None:
        number = self._numbered - 1
        if self.numbers is not None:
            self.numbers.append(number)
        self.unparsed.append(generation.unparsed is not None)
        if generation.unparsed is not None and number != self._last_unparsed:
            self._unparsed += 1
            self._last_unparsed = number


def generate(outcome: Outcome, postprocess: Pipeline, sample: Sample | None = None) -> Generation:
    """Return the generation of an answered outcome: its prediction, or why there is none.

    `sample` is the one that was asked, in the form of the trial; without it, steps see the text alone.
    """
    if outcome.response is None:
        raise ValueError(f"outcome of sample {outcome.sample_id} is a failure")
    earlier = tuple(one.response for one in outcome.earlier if one.response is not None)
    prediction, unparsed = _read(outcome.response, postprocess, sample, outcome.trial)
    return Generation(
        outcome.sample_id,
        outcome.trial,
        outcome.response,
        prediction,
        unparsed,
        earlier,
        tuple(_read(one, postprocess, sample, outcome.trial)[0] for one in earlier),
    )


def _read(
    response: Response, postprocess: Pipeline, sample: Sample | None, trial: int
) -> tuple[Any, str | None]:
    """Return the prediction in a response, or None and why there is none."""
    if response.refusal and not postprocess.reads_refusals:
        return None, f"the model refused: {response.refusal}"
    context = None if sample is None else Context(response, sample, trial)
    try:
        return postprocess(response.text, context), None
    except Unparsed as reason:
        return None, str(reason)
