"""Outcomes -> generations: each answer read by the task's post-processing, in dataset order."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from evalkit.datasets.base import Dataset
from evalkit.metrics.base import BATCH
from evalkit.postprocess import Context, Pipeline, Unparsed
from evalkit.records import Generation, Outcome, Response, Sample
from evalkit.spool import Spool

if TYPE_CHECKING:
    from evalkit.metrics.base import Metric

Answer = TypeVar("Answer", Outcome, Generation)


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

    `generations` are all that were read; by each, `numbers` has that of its sample among those with an
    answer, and `unparsed` whether it has no prediction. `groups` are those of the numbered samples.
    """

    def __init__(self) -> None:
        self.generations: Spool[Generation] = Spool()
        self.numbers = array("i")
        self.unparsed = bytearray()
        self.groups: list[str | None] = []
        self._samples = 0
        self._unparsed = 0
        self._last_unparsed = -1

    @property
    def counts(self) -> Counts:
        """How many samples there were."""
        return Counts(len(self.groups), self._samples - len(self.groups), self._unparsed)

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
            if outcome.response is None:
                continue
            if not numbered:
                numbered = True
                self.groups.append(sample.group)
            form = task.asked(sample, outcome.trial)
            generation = generate(outcome, task.postprocess, form)
            self._note(generation)
            generations.append(generation)
            forms.append(form)
            if len(generations) == BATCH:
                yield generations, forms
                generations, forms = [], []
        if generations:
            yield generations, forms

    def _note(self, generation: Generation) -> None:
        number = len(self.groups) - 1
        self.generations.append(generation)
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
