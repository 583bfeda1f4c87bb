"""Multiple choice: accuracy, what the shown position does to answers, and agreement between orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from evalkit.choices import CHOICES, LETTERS, letter_of, letters_of, order_of, place_named, question_in
from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.base import MeanMetric, Metric, options_text
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


class ChoiceAccuracy(MeanMetric):
    """Share of answers in [0, 1] that are a right choice; over trials, the mean of a sample's answers first.

    A prediction is the letter that the choice has in the data, whatever the order it was shown in (the steps
    `choice` and `choice_logprobs` give it). The target may be a place from 0, a letter, the text of the right
    choice, or a list of them; each sample's is read when the metric is bound. `choices` names the field.
    """

    names = ("choice_accuracy",)

    def __init__(self, *, choices: str = CHOICES) -> None:
        self.choices = choices

    @property
    def signature(self) -> str:
        """For example `answer:letter`; the field's name is no part of it."""
        return options_text({"answer": "letter"})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Check that every sample has choices, and a target that names some of them."""
        for sample in samples:
            _question(sample, self.choices, "choice_accuracy")
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): correct, count."""
        rows = np.zeros((len(generations), 2))
        rows[:, 1] = 1.0
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            choices, right = _question(sample, self.choices, "choice_accuracy")
            row[0] = float(place_named(generation.prediction, len(choices)) in right)
        return rows

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `chose C (the Nile), right is B (the Danube)`."""
        choices, right = _question(sample, self.choices, "choice_accuracy")
        named = f"right is {letters_of(right)} ({' or '.join(choices[one] for one in sorted(right))})"
        place = place_named(generation.prediction, len(choices))
        if place is None:
            return f"no choice ({generation.unparsed or generation.text}), {named}"
        return f"chose {letter_of(place)} ({choices[place]}), {named}"


class PositionBias(Metric):
    """What the position at which a choice is shown does to the answers; all values in [0, 1], 0 the best.

    `position_bias` is the total variation distance, ½ Σ |chosen[p] - right[p]|, between where the answers
    stand and where the right choices stood: 0 when they are spread alike, as of a model that is always right,
    and the share of right choices elsewhere for a model that always takes one place. `recall_std` is the
    standard deviation of the recalls of the positions, the share of right answers among questions with the
    right choice there (RStd of Zheng et al. 2024, arXiv 2309.03882). `chosen[A]`, `right[A]`, … are the
    shares themselves (`shares: false` leaves them out).

    All are of sums over answers: each trial, that is each order, counts alike. An unparsed answer stands
    nowhere, and is a miss for the recall. Few answers differ from an even spread by chance alone: compare
    with the interval of a model known to be fair, or ask several orders.
    """

    higher_is_better = False

    def __init__(self, *, choices: str = CHOICES, shares: bool = True, positions: int | None = None) -> None:
        if positions is not None and not 1 < positions <= len(LETTERS):
            raise MetricError(f"position_bias: positions must be 2 to {len(LETTERS)}, got {positions!r}")
        self.choices, self.shares, self.positions = choices, shares, positions
        letters = LETTERS[: positions or 0] if shares else ""
        each = (f"{kind}[{letter}]" for letter in letters for kind in ("chosen", "right"))
        self.names = ("position_bias", "recall_std", *each)

    @property
    def signature(self) -> str:
        """For example `expected:target|positions:4`."""
        return options_text({"expected": "target", "shares": self.shares, "positions": self.positions})

    @property
    def headline(self) -> tuple[str, ...]:
        """The distance alone."""
        return self.names[:1]

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Freeze the number of positions to that of the longest question, unless given."""
        longest = _longest(samples, self.choices, "position_bias", self.positions)
        return type(self)(choices=self.choices, shares=self.shares, positions=longest)

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 3 * positions): chosen at, right choice at, and answered right at each position.

        Of several right choices each counts for its share.
        """
        rows = np.zeros((len(generations), 3, self._positions))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            choices, right = _question(sample, self.choices, "position_bias")
            shown = {place: position for position, place in enumerate(order_of(sample, len(choices)))}
            place = place_named(generation.prediction, len(choices))
            if place is not None:
                row[0, shown[place]] = 1.0
            for one in right:
                row[1, shown[one]] += 1.0 / len(right)
                row[2, shown[one]] += float(place in right) / len(right)
        return rows.reshape(len(generations), -1)

    def combine(self, trials: FloatArray) -> FloatArray:
        """Add up a sample's trials: every answer counts once."""
        return np.asarray(trials.sum(axis=0), dtype=np.float64)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Map (r, 3 * positions) sums to the values; NaN where nothing was answered."""
        taken, right, hits = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            taken_shares = taken / taken.sum(axis=1, keepdims=True)
            right_shares = right / right.sum(axis=1, keepdims=True)
            recalls = hits / right  # NaN at a position where no right choice stood
        distance = 0.5 * np.abs(taken_shares - right_shares).sum(axis=1)
        values = [distance, _deviation(recalls)]
        if self.shares:
            values += [one for pair in zip(taken_shares.T, right_shares.T, strict=True) for one in pair]
        return np.stack(values, axis=1)

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """For example `chose position A, the right choice stood at C`."""
        choices, right = _question(sample, self.choices, "position_bias")
        shown = {place: position for position, place in enumerate(order_of(sample, len(choices)))}
        place = place_named(generation.prediction, len(choices))
        if place is None:
            return None
        stood = letters_of(frozenset(shown[one] for one in right))
        return f"chose position {letter_of(shown[place])}, the right choice stood at {stood}"

    @property
    def _positions(self) -> int:
        if self.positions is None:
            raise MetricError("position_bias: bind the metric to the samples, or set positions=<number>")
        return self.positions


class Consistency(Metric):
    """Whether a question's answers agree when its choices are shown in several orders, in [0, 1].

    `consistency` is the share of samples where every trial names the same choice, right or wrong, and
    `circular_accuracy` the share where every trial names a right one, which with all rotations is the
    CircularEval of MMBench (Liu et al. 2023, arXiv 2307.06281). An unparsed answer agrees with nothing. A
    sample with fewer than two answers is left out.
    """

    names = ("consistency", "circular_accuracy")
    least_trials = 2

    def __init__(self, *, choices: str = CHOICES, positions: int | None = None) -> None:
        self.choices, self.positions = choices, positions

    @property
    def signature(self) -> str:
        """For example `trials:all|positions:4`."""
        return options_text({"trials": "all", "positions": self.positions})

    def bind(self, samples: Sequence[Sample]) -> Self:
        """Freeze the number of choices to that of the longest question, unless given."""
        longest = _longest(samples, self.choices, "consistency", self.positions)
        return type(self)(choices=self.choices, positions=longest)

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, choices + 2): answers for each choice of the data, right answers, answers."""
        if self.positions is None:
            raise MetricError("consistency: bind the metric to the samples, or set positions=<number>")
        rows = np.zeros((len(generations), self.positions + 2))
        rows[:, -1] = 1.0
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            choices, right = _question(sample, self.choices, "consistency")
            place = place_named(generation.prediction, len(choices))
            if place is not None:
                row[place] = 1.0
                row[-2] = float(place in right)
        return rows

    def combine(self, trials: FloatArray) -> FloatArray:
        """Add up a sample's trials."""
        return np.asarray(trials.sum(axis=0), dtype=np.float64)

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, 2): the weighted shares of samples that agree, and that are right throughout."""
        answers = statistics[:, -1]
        several = answers >= self.least_trials
        agreed = several & (statistics[:, :-2].max(axis=1, initial=0.0) == answers)
        solved = several & (statistics[:, -2] == answers)
        found = np.stack([agreed, solved], axis=1).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ found) / (weights @ several[:, np.newaxis]), dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Two answers that differ, or two that agree and are right."""
        ends = np.zeros((2, (self.positions or 2) + 2))
        ends[0, :2], ends[0, -1] = 1.0, 2.0
        ends[1, [0, -2, -1]] = 2.0
        return ends[0], ends[1]


def _question(sample: Sample, field: str, metric: str) -> tuple[tuple[str, ...], frozenset[int]]:
    try:
        return question_in(sample, field)
    except ValueError as error:
        raise MetricError(f'{metric}: sample "{sample.id}": {error}') from None


def _longest(samples: Sequence[Sample], field: str, metric: str, given: int | None) -> int:
    longest = max((len(_question(one, field, metric)[0]) for one in samples), default=2)
    if given is not None and given < longest:
        raise MetricError(f"{metric}: positions={given}, and a question has {longest} choices; leave it out")
    return longest if given is None else given


def _deviation(rows: FloatArray) -> FloatArray:
    """Return the population standard deviation of each row, of what is a number; NaN where nothing is."""
    known = ~np.isnan(rows)
    n = known.sum(axis=1)
    filled = np.where(known, rows, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = filled.sum(axis=1) / n
        spread = np.where(known, (rows - mean[:, np.newaxis]) ** 2, 0.0).sum(axis=1) / n
    return np.asarray(np.sqrt(spread), dtype=np.float64)
