"""The metric protocol: generations -> per-sample statistics -> weighted sums -> values.

A metric maps each sample's generation to a short vector of numbers, and a weighted set of such vectors to
its values. Weights are the one primitive: all ones give the score, multinomial counts a bootstrap, plus and
minus one a randomisation test, zeros a slice.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from evalkit.later import np
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


SHORT_HASH = 12  # characters of a hash in a signature
BATCH = 1000  # generations handed to a metric at once


class Metric:
    """Base class of metrics; options are keyword arguments of `__init__` and appear in the signature."""

    names: tuple[str, ...]
    """One name per value: ("rouge1", "rouge2", "rougeL")."""
    higher_is_better: ClassVar[bool] = True
    maximum: ClassVar[float] = 1.0
    """What tables show as 100, as the reference implementation has it: 1 or 100.

    The best value where higher is better; where lower is better 0 is the best, and more than this can occur.
    """
    unit: ClassVar[str | None] = None
    """The unit of values that are no share of a scale: "s", "USD", "" for a plain number; they are shown as
    they are, `maximum` is then 100 and bounds nothing. None for scores, which are shown out of 100."""
    needs_target: ClassVar[bool] = True
    per_sample: ClassVar[bool] = True
    """Whether the samples' statistics make the value. Without, it is of the whole run alone: no interval, no
    test, no slices, and it cannot gate."""
    at_once: bool = False
    """Whether all answers of a run are handed over together, and not a batch at a time."""
    rows_from_texts: bool = False
    """Whether a bound metric's row depends on nothing but the options and the texts: its generation's
    `prediction` (and `text`) and whether `unparsed` is set, its sample's `target` and `references`. Such rows
    are kept between runs; a row of anything else (other columns, usage, other answers) would be stale."""
    null: ClassVar[Mapping[str, float]] = {}
    """Values that one run is tested against by itself: a win rate against 0.5. Reports tell the p-value."""

    @property
    def signature(self) -> str:
        """How the number was made, options and library versions included, as sacreBLEU prints it."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The signature without library versions: two runs with the same key are comparable."""
        return "|".join(part for part in self.signature.split("|") if not part.startswith("version:"))

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's options as plain data, resolved by `bind`: cls(**options) aggregates alike.

        They are stored in the report, so that statistics can be aggregated again without the texts.
        """
        names = inspect.signature(type(self)).parameters
        values = {name: getattr(self, name) for name in names}
        return {name: list(one) if isinstance(one, tuple) else one for name, one in values.items()}

    @property
    def headline(self) -> tuple[str, ...]:
        """The names that a gate looks at when the user names none."""
        return self.names

    @property
    def judged(self) -> str:
        """Whose verdicts the outputs are, where they are verdicts: no scoring again makes them another's."""
        return ""

    def asked(self, model: str, prompt: str | None) -> Self:  # noqa: ARG002 - most metrics do not care who
        """Return the metric knowing who was asked, by the model's name, and by the prompt of which hash."""
        return self

    def bind(self, samples: Sequence[Sample]) -> Self:  # noqa: ARG002 - the default needs no data
        """Return the metric with what depends on the data frozen, such as the label set; again: the same."""
        return self

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, k) statistics, row i for generations[i], an answer to samples[i].

        An unparsed generation gets the statistics of a wrong answer.
        """
        raise NotImplementedError

    def combine(self, trials: FloatArray) -> FloatArray:
        """Reduce the (t, k) statistics of a sample's trials to (k,); the mean by default."""
        return np.asarray(trials.mean(axis=0), dtype=np.float64)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Map (r, k) weighted sums to (r, len(names)) values; NaN where there is nothing to score."""
        raise NotImplementedError

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Map (n, k) statistics and (r, n) weights to (r, len(names)) values."""
        return self.finish(weights @ statistics)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray] | None:  # noqa: ARG002
        """Return the worst and the best statistics a failed sample could have had; None when unbounded."""
        return None

    def explain(self, generation: Generation, sample: Sample) -> str | None:  # noqa: ARG002
        """Return one line on why this sample scored as it did, or None."""
        return None


class JudgeMetric(Metric):
    """A metric of what a judge said: judge and prompt are part of its key, so other judges are not compared.

    `judge` is the model and `prompt` the beginning of the prompt's hash; left out they are those of the run.
    """

    needs_target: ClassVar[bool] = False
    judge: str | None
    prompt: str | None

    @property
    def judged(self) -> str:
        """For example `judge:gpt-4o|prompt:5c1de0a9f24b`."""
        return options_text({"judge": self.judge, "prompt": self.prompt})

    def asked(self, model: str, prompt: str | None) -> Self:
        """Return the metric with the run's judge and prompt, where no other was named."""
        known = {"judge": self.judge or model, "prompt": self.prompt or (prompt or "")[:SHORT_HASH] or None}
        return type(self)(**{**self.options, **known})


class CorpusMetric(Metric):
    """A value of counts added up over the corpus, which is no mean over samples (BLEU, chrF, TER)."""

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, names); NaN where no sample has a weight: sums cannot tell that from empty texts."""
        values = super().aggregate(statistics, weights)
        values[~np.asarray(weights).any(axis=1)] = np.nan
        return values


class LabelMetric(Metric):
    """A metric of predicted labels: its statistics also give the confusion matrix and labels' figures."""

    labels: tuple[str, ...] | None
    """The label set, frozen by `bind`."""

    def confusion(self, statistics: FloatArray) -> FloatArray:
        """Map (n, k) statistics of single answers to (l + 1, l + 1) counts, target by predicted label.

        The last row and column are for labels outside the set, and for answers without one.
        """
        raise NotImplementedError

    def by_label(self, sums: FloatArray) -> FloatArray:
        """Map (k,) sums to (len(labels), 4): precision, recall, F1 and support of each label."""
        raise NotImplementedError


class MeanMetric(Metric):
    """A mean over samples of `len(names)` numbers; the statistics are (value…, count)."""

    @property
    def worst(self) -> float:
        """What an answer without a prediction scores: 0, or the scale's 100 where lower is better."""
        return 0.0 if self.higher_is_better else self.maximum

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        """Return one number per name for one prediction against its acceptable references."""
        raise NotImplementedError

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Score each pair; an unparsed generation counts as the worst for every name."""
        rows = np.full((len(generations), len(self.names) + 1), self.worst)
        rows[:, -1] = 1.0
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            if generation.text is not None:
                row[:-1] = self.score(generation.text, sample.references)
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide each sum by the count."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[:, :-1] / sums[:, -1:], dtype=np.float64)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """All at one end of the scale, or all at the other."""
        ends = np.tile([[0.0], [self.maximum]], len(self.names) + 1)
        ends[:, -1] = 1.0
        return (ends[0], ends[1]) if self.higher_is_better else (ends[1], ends[0])


def sees_all(metric: Metric) -> bool:
    """Whether a metric must see all answers together; a third party's need not know of that."""
    return getattr(metric, "at_once", False)


def statistics_of(metric: Metric, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
    """Return (n, k) statistics of a bound metric, row by row with the generations, a batch at a time.

    `samples` are (n,) too, each in the form that its generation answers.
    """
    if sees_all(metric) and len(generations):
        return metric.statistics(generations, samples)
    parts = []
    for start in range(0, len(generations), BATCH):
        batch = slice(start, start + BATCH)
        parts.append(metric.statistics(generations[batch], samples[batch]))
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def of_texts_alone(metric: Metric) -> bool:
    """Whether rows of a metric may be kept for the same texts.

    Of evalkit's own metrics alone: nobody else's signature tells when their code changes.
    """
    ours = type(metric).__module__.startswith("evalkit.metrics.")
    return ours and not sees_all(metric) and getattr(metric, "rows_from_texts", False)


def options_text(options: dict[str, Any]) -> str:
    """Spell options for a signature: `case:lc|stem:yes`, in the order given."""
    words = {True: "yes", False: "no", None: "none"}
    return "|".join(
        f"{name}:{words[value] if value is None or isinstance(value, bool) else value}"
        for name, value in options.items()
    )
