from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.datasets.base import Dataset
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import BATCH, MeanMetric, Metric
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.exact_match import ExactMatch
from evalkit.postprocess import Pipeline
from evalkit.postprocess.label import Label
from evalkit.postprocess.text import Strip
from evalkit.prompts import Prompt
from evalkit.reading import generate
from evalkit.records import Aggregate, Failure, Generation, Outcome, Response, Sample
from evalkit.scoring import Resampling, Scored, combine_trials, numbers_of, score
from evalkit.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

LABEL = Pipeline([Label(labels=["yes", "no"])])
FAST = Resampling(resamples=50)


def task(
    targets: Sequence[Any],
    *metrics: Metric,
    postprocess: Pipeline = LABEL,
    groups: Sequence[str | None] | None = None,
) -> Task:
    """Samples "0", "1", … with these targets."""
    samples = tuple(
        Sample(str(place), {"text": "?"}, target, group=None if groups is None else groups[place])
        for place, target in enumerate(targets)
    )
    families = {type(metric).__name__.lower(): metric for metric in metrics or (Accuracy(),)}
    return Task("mine", Dataset("data", samples, "f" * 64), Prompt("p", "{{ text }}"), postprocess, families)


def answer(sample: int, text: str, trial: int = 0, refusal: str | None = None) -> Outcome:
    return Outcome(str(sample), trial, "key", response=Response(text, refusal=refusal))


def failed(sample: int, trial: int = 0) -> Outcome:
    return Outcome(str(sample), trial, "key", failure=Failure(str(sample), trial, "timeout", "late"))


def answers(*texts: str | None) -> list[Outcome]:
    """One outcome a sample; None is a failure."""
    return [failed(place) if text is None else answer(place, text) for place, text in enumerate(texts)]


def only(scored: Scored) -> Aggregate:
    (aggregate,) = scored.aggregates
    return aggregate


def test_failures_are_counted_not_scored_and_unparsed_are_wrong() -> None:
    """Of five, one failed; of the other four two are right, one is wrong, one says no label: 2/4."""
    heard: list[tuple[str, str, str | None, str | None]] = []

    def hear(sample: Sample, outcome: Outcome, read: Generation | None) -> None:
        text = None if read is None else read.prediction
        heard.append((sample.id, outcome.sample_id, text, None if read is None else read.unparsed))

    texts = ("Yes.", "yes", "perhaps", None, "yes!")
    scored = score(task(["yes", "no", "yes", "no", "yes"]), answers(*texts), FAST, hear=hear)
    found = only(scored)
    assert (found.metric, found.value, found.n, found.n_failed, found.n_unparsed) == (
        "accuracy",
        0.5,
        4,
        1,
        1,
    )
    unparsed = "label: names none of the labels yes, no"
    predictions = [("yes", None), ("yes", None), (None, unparsed), (None, None), ("yes", None)]
    assert heard == [(name, name, *read) for name, read in zip("01234", predictions, strict=True)]
    assert scored.unparsed.tolist() == [False, False, True, False]
    assert scored.statistics["accuracy"].tolist() == [[1, 1], [0, 1], [0, 1], [1, 1]]


def test_a_refusal_is_unparsed_whatever_its_text_says() -> None:
    found = only(score(task(["yes", "yes"]), [answer(0, "yes", refusal="I cannot"), answer(1, "yes")], FAST))
    assert (found.value, found.n, found.n_failed, found.n_unparsed) == (0.5, 2, 0, 1)
    refused = generate(answer(0, "yes", refusal="I cannot"), LABEL)
    assert (refused.prediction, refused.unparsed) == (None, "the model refused: I cannot")


def test_an_empty_answer_is_scored_not_dropped() -> None:
    metric = ExactMatch()
    found = only(score(task(["", "a"], metric, postprocess=Pipeline([Strip()])), answers("", ""), FAST))
    assert (found.value, found.n, found.n_failed, found.n_unparsed) == (0.5, 2, 0, 0)


def test_a_failure_makes_no_generation() -> None:
    with pytest.raises(ValueError, match="outcome of sample 0 is a failure"):
        generate(failed(0), LABEL)


@given(st.lists(st.sampled_from(["yes", "no", "?"]), min_size=1, max_size=8), st.integers(0, 5))
def test_failures_never_change_a_value(texts: list[str], failures: int) -> None:
    asked = task(["yes"] * (len(texts) + failures))
    outcomes = answers(*texts, *[None] * failures)
    with_failures, without = (only(score(asked, some, FAST)) for some in (outcomes, answers(*texts)))
    assert with_failures.value == without.value == texts.count("yes") / len(texts)
    assert (with_failures.low, with_failures.high) == (without.low, without.high)
    assert (with_failures.n, with_failures.n_failed) == (len(texts), failures)


def test_trials_are_combined_within_a_sample_first() -> None:
    """Sample 0 is right in 2 of 3 trials, sample 1 in 0 of 1 (two failed): (2/3 + 0) / 2, not 2/4."""
    outcomes = [
        *(answer(0, text, trial) for trial, text in enumerate(["yes", "no", "yes"])),
        answer(1, "no", 0),
        failed(1, 1),
        failed(1, 2),
    ]
    scored = score(task(["yes", "yes"]), outcomes, FAST)
    found = only(scored)
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.n_failed, found.n_unparsed) == (2, 0, 0)
    assert len(scored.statistics["accuracy"]) == 4


def test_a_sample_fails_when_all_of_its_trials_do() -> None:
    outcomes = [answer(0, "yes", 0), answer(0, "?", 1), failed(1, 0), failed(1, 1)]
    found = only(score(task(["yes", "yes"]), outcomes, FAST))
    assert (found.value, found.n, found.n_failed, found.n_unparsed) == (0.5, 1, 1, 1)


class AnyTrial(MeanMetric):
    """Right when any trial is: what `combine` makes of a single trial differs from its row."""

    names = ("any_trial",)

    @property
    def signature(self) -> str:
        return "test"

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        return (float(prediction in references),)

    def combine(self, trials: FloatArray) -> FloatArray:
        return np.array([10.0 * trials[:, 0].max(), 1.0])


@pytest.mark.parametrize("trials", [1, 3])
def test_a_metric_s_own_combination_is_used_however_many_trials_there_are(trials: int) -> None:
    """One of two samples is right in some trial: 10/2."""
    outcomes = [
        answer(sample, text if trial == 0 else "no", trial)
        for sample, text in enumerate(["yes", "no"])
        for trial in range(trials)
    ]
    assert only(score(task(["yes", "yes"], AnyTrial()), outcomes, FAST)).value == 5.0


def test_combination_keeps_the_order_of_first_appearance() -> None:
    names = ["b", "a", "b", "a"]
    rows = np.array([[1.0, 1.0], [10.0, 1.0], [3.0, 1.0], [30.0, 1.0]])
    assert combine_trials(Accuracy(), rows, numbers_of(names)).tolist() == [[2.0, 1.0], [20.0, 1.0]]


@pytest.mark.parametrize("outcomes", [[], [failed(0), failed(1)]])
def test_a_run_without_answers_has_no_values(outcomes: list[Outcome]) -> None:
    scored = score(task(["yes", "yes"]), outcomes, FAST)
    assert not scored.aggregates
    assert not len(scored.unparsed)
    assert scored.statistics["accuracy"].size == 0
    assert set(scored.metrics) == {"accuracy"}


def test_generations_beyond_one_batch_keep_their_rows() -> None:
    texts = ["yes" if place % 3 else "no" for place in range(2 * BATCH + 7)]
    scored = score(task(["yes"] * len(texts)), answers(*texts), Resampling(resamples=2))
    assert scored.statistics["accuracy"][:, 0].tolist() == [float(text == "yes") for text in texts]
    assert only(scored).value == texts.count("yes") / len(texts)


def test_a_corpus_metric_agrees_with_its_reference_implementation() -> None:
    outputs = ["the cat sat on the mat", "a dog barked at night", "it is raining again today"]
    targets = ["the cat is on the mat", "the dog barked at night", "it is raining again"]
    scored = score(task(targets, Bleu(tokenize="13a"), postprocess=Pipeline([])), answers(*outputs), FAST)
    found = only(scored)
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(outputs, [targets]).score, abs=1e-9)
    assert (found.maximum, found.higher_is_better) == (100.0, True)
    assert found.signature == scored.metrics["bleu"].signature


def test_the_interval_is_that_of_binomial_resampling() -> None:
    """12 right of 30: quantiles 7 and 17 of Binomial(30, 0.4) by scipy."""
    texts = ["yes"] * 12 + ["no"] * 18
    found = only(score(task(["yes"] * 30), answers(*texts), Resampling(resamples=20_000)))
    assert (found.low, found.high) == pytest.approx(tuple(stats.binom.ppf([0.025, 0.975], 30, 0.4) / 30))
    assert (found.confidence, found.interval) == (0.95, "bootstrap-percentile")


def test_the_seed_decides_the_interval_and_nothing_else() -> None:
    asked, outcomes = task(["yes"] * 40), answers(*["yes", "no", "?", "yes"] * 10)
    one, again, other = (
        only(score(asked, outcomes, Resampling(resamples=30, seed=seed))) for seed in (1, 1, 2)
    )
    assert one == again
    assert (one.low, one.high) != (other.low, other.high)
    assert one.value == other.value


@pytest.mark.parametrize(("text", "right"), [("yes", 40), ("no", 0)])
def test_agreement_of_all_gets_wilson_s_interval_not_a_point(text: str, right: int) -> None:
    found = only(score(task(["yes"] * 40), answers(*[text] * 40), FAST))
    theirs = stats.binomtest(right, 40).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert found.interval == "wilson"


def test_agreement_within_groups_counts_groups_not_samples() -> None:
    """20 samples of 4 documents, all right: 4 of 4, as one document's samples may stand or fall together."""
    groups = [f"doc{place % 4}" for place in range(20)]
    found = only(score(task(["yes"] * 20, groups=groups), answers(*["yes"] * 20), FAST))
    theirs = stats.binomtest(4, 4).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert found.n == 20


def test_groups_are_resampled_whole() -> None:
    """Two documents, one all right and one all wrong: the mean is 0, 1/2 or 1 with 1/4, 1/2, 1/4."""
    asked = task(["yes"] * 20, groups=["a"] * 10 + ["b"] * 10)
    found = only(score(asked, answers(*["yes"] * 10, *["no"] * 10), Resampling(resamples=500)))
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("groups", [["g", None, None], ["a\0", "a", "b"], ["x" * 100_000, "y", "z"]])
def test_samples_of_different_groups_or_of_none_are_resampled_apart(groups: list[str | None]) -> None:
    """Three clusters of one: with 1 right of 3 the quantiles of Binomial(3, 1/3) at 80 %."""
    found = only(
        score(
            task(["yes"] * 3, groups=groups),
            answers("yes", "no", "no"),
            Resampling(confidence=0.8, resamples=5000),
        )
    )
    assert (found.low, found.high) == pytest.approx(tuple(stats.binom.ppf([0.1, 0.9], 3, 1 / 3) / 3))


def test_group_and_sample_of_the_same_name_are_two_clusters() -> None:
    """Sample "1" has no group, the others are of the group "1"."""
    asked = task(["yes"] * 3, groups=["1", None, "1"])
    found = only(score(asked, answers("yes", "no", "yes"), Resampling(resamples=500)))
    assert (found.low, found.high) == (0.0, 1.0)


class PairOfFlags(MeanMetric):
    """Two statistics of 0 and 1 that are no (right, count)."""

    names = ("pair",)

    @property
    def signature(self) -> str:
        return "test"

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        return np.tile([0.0, 1.0], (len(generations), 1)) * [[one.text == "yes"] for one in generations]

    def finish(self, sums: FloatArray) -> FloatArray:
        return np.asarray(sums.sum(axis=1, keepdims=True) * 0 + 7.0)


def test_only_a_share_gets_the_interval_of_a_share() -> None:
    found = only(score(task(["yes"] * 3, PairOfFlags()), answers("yes", "no", "no"), FAST))
    assert (found.value, found.low, found.high, found.interval) == (7.0, 7.0, 7.0, "bootstrap-percentile")
