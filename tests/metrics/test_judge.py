"""Metrics of what a judge said: scores, accuracy, preferences over orders, position and length bias."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from evalkit.errors import MetricError
from evalkit.metrics.base import JudgeMetric
from evalkit.metrics.judge_accuracy import JudgeAccuracy
from evalkit.metrics.judge_score import JudgeScore
from evalkit.metrics.preference import JudgeBias, Losses, Preference
from evalkit.records import Generation, Response, Sample

METRICS: list[type[JudgeMetric]] = [JudgeScore, JudgeAccuracy, Preference, Losses, JudgeBias]


def answer(prediction: Any, trial: int = 0) -> Generation:
    unparsed = "no verdict" if prediction is None else None
    return Generation("s", trial, Response("raw"), prediction, unparsed)


def pair(trial: int, a: str = "", b: str = "") -> Sample:
    """A pair of answers as it was asked at a trial: odd ones show B first."""
    swapped = trial % 2 == 1
    first, second = (b, a) if swapped else (a, b)
    return Sample("s", {}, added={"output_a": first, "output_b": second, "swapped": swapped})


def values(metric: Any, *verdicts: tuple[Any, ...], texts: Any = None) -> dict[str, float]:
    """The values of a run; each sample has its verdicts by trial, told about the runs."""
    rows = []
    for place, some in enumerate(verdicts):
        asked = [pair(trial, *(texts[place] if texts else ())) for trial in range(len(some))]
        told = [answer(verdict, trial) for trial, verdict in enumerate(some)]
        rows.append(metric.combine(metric.statistics(told, asked)))
    found = metric.aggregate(np.stack(rows), np.ones((1, len(rows))))[0]
    return dict(zip(metric.names, found.tolist(), strict=True))


def test_judge_score_is_the_mean_on_its_scale_and_an_unread_answer_has_the_lowest() -> None:
    metric = JudgeScore()
    assert values(metric, (8,), (6.5,), (None,)) == {"judge_score": pytest.approx((8 + 6.5 + 1) / 3)}
    assert metric.maximum == 10
    assert JudgeScore(scale=[0, 4]).maximum == 4
    assert metric.bounds(Sample("s", {}))[0].tolist() == [1, 1]
    assert metric.bounds(Sample("s", {}))[1].tolist() == [10, 1]
    assert metric.explain(answer(7), Sample("s", {})) == "the judge gave 7 of 10"


def test_trials_of_a_judge_are_averaged() -> None:
    assert values(JudgeScore(), (8, 6), (4, 4)) == {"judge_score": 5.5}


def test_a_scale_is_checked() -> None:
    with pytest.raises(MetricError, match="lowest, highest"):
        JudgeScore(scale=[5, 1])
    with pytest.raises(MetricError, match=r"judge_accuracy\.partial=2"):
        JudgeAccuracy(partial=2)
    with pytest.raises(MetricError, match=r'inconsistent="ties" \(did you mean "tie"'):
        Preference(inconsistent="ties")


def test_judge_accuracy_counts_correct_and_a_part_of_partially() -> None:
    verdicts = ("correct",), ("partially",), ("incorrect",), (None,)
    assert values(JudgeAccuracy(), *verdicts) == {"judge_accuracy": 0.25}
    assert values(JudgeAccuracy(partial=0.5), *verdicts) == {"judge_accuracy": 0.375}


def test_win_rate_counts_ties_half() -> None:
    """One win, one loss, one tie, one win and tie: (1 + 0 + 0.5 + 0.75) / 4."""
    verdicts = ("B", "B"), ("A", "A"), ("tie", "tie"), ("B", "tie")
    found = values(Preference(), *verdicts)
    assert found == {"win_rate": 0.5625, "wins": 0.375, "ties": 0.375, "consistency": 0.75}
    assert values(Losses(), *verdicts) == {"losses": 0.25}


def test_orders_that_disagree_can_be_ties_as_in_mt_bench() -> None:
    """Won in both orders: a win; in one alone: a tie, and the win rate of the last sample is a half."""
    verdicts = ("B", "B"), ("A", "A"), ("A", "B"), ("B", "tie")
    found = values(Preference(inconsistent="tie"), *verdicts)
    assert found == {"win_rate": 0.5, "wins": 0.25, "ties": 0.5, "consistency": 0.5}
    assert values(Losses(inconsistent="tie"), *verdicts) == {"losses": 0.25}


def test_exchanging_the_runs_gives_one_minus_the_win_rate_unread_verdicts_included() -> None:
    verdicts: list[tuple[Any, ...]] = [("B", "A"), ("B", None), (None, None), ("tie", "B"), ("A", "A")]
    other: dict[Any, Any] = {"A": "B", "B": "A"}
    turned = [tuple(other.get(one, one) for one in some) for some in verdicts]
    for rule in ("average", "tie"):
        first, second = (values(Preference(inconsistent=rule), *some) for some in (verdicts, turned))
        assert first["win_rate"] == pytest.approx(1 - second["win_rate"])
        assert first["consistency"] == second["consistency"] == 0.2
        assert first["wins"] == pytest.approx(values(Losses(inconsistent=rule), *turned)["losses"])


def test_one_verdict_alone_has_no_consistency() -> None:
    found = values(Preference(), ("B",), ("A",))
    assert found["win_rate"] == 0.5
    assert np.isnan(found["consistency"])


def test_a_judge_that_always_prefers_what_it_sees_first_is_found_out() -> None:
    """First shown is A at even trials and B at odd ones."""
    assert values(JudgeBias(), ("A", "B"), ("A", "B"))["position_bias"] == 1.0
    assert values(JudgeBias(), ("B", "A"))["position_bias"] == 0.0
    assert values(JudgeBias(), ("A", "A"), ("B", "B"))["position_bias"] == 0.5
    assert values(JudgeBias(), ("A", "tie"), ("B", "B"))["position_bias"] == pytest.approx(2 / 3)
    assert np.isnan(values(JudgeBias(), ("tie", None))["position_bias"])


def test_length_bias_is_pearsons_correlation() -> None:
    """Against numpy.corrcoef; equal verdicts, or equal lengths, have none."""
    verdicts = ["B", "A", "tie", "B", "A", "B"]
    lengths = [(10, 25), (40, 12), (7, 7), (3, 9), (5, 8), (20, 60)]
    texts = [("x" * a, "y" * b) for a, b in lengths]
    found = values(JudgeBias(), *((one,) for one in verdicts), texts=texts)["length_bias"]
    x = [{"A": 0.0, "tie": 0.5, "B": 1.0}[one] for one in verdicts]
    assert found == pytest.approx(np.corrcoef(x, [b - a for a, b in lengths])[0, 1])
    both_orders = values(JudgeBias(), *((one, one) for one in verdicts), texts=texts)["length_bias"]
    assert both_orders == pytest.approx(found)
    assert np.isnan(values(JudgeBias(), ("B",), ("B",), texts=texts[:2])["length_bias"])
    assert np.isnan(values(JudgeBias(), ("A",), ("B",), texts=[("aa", "bb")] * 2)["length_bias"])


@pytest.mark.parametrize("kind", METRICS)
def test_judge_and_prompt_are_part_of_the_key(kind: type[JudgeMetric]) -> None:
    prompts = "1" * 64, "2" * 64
    keys = {kind().asked(judge, prompt).key for judge in ("gpt-4o", "gpt-5") for prompt in prompts}
    assert len(keys) == 4
    one = kind().asked("gpt-4o", prompts[0])
    assert "judge:gpt-4o|prompt:111111111111" in one.signature
    assert one.judged != kind().asked("gpt-4o", None).judged
    assert kind(judge="gpt-4-0314").asked("recorded", None).judge == "gpt-4-0314"  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", METRICS)
def test_options_build_the_metric_again(kind: type[JudgeMetric]) -> None:
    one = kind().asked("gpt-4o", "1" * 64)
    again = kind(**json.loads(json.dumps(one.options)))
    assert (again.key, again.names) == (one.key, one.names)
    rows = one.statistics([answer("B"), answer(None)], [pair(0), pair(0)])
    weights = np.array([[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(again.aggregate(rows, weights), one.aggregate(rows, weights))
    assert one.statistics([], []).shape[0] == 0


@pytest.mark.parametrize("kind", METRICS)
def test_weights_equal_scoring_the_resampled_list(kind: type[JudgeMetric]) -> None:
    rng = np.random.default_rng(5)
    told = [answer(one) for one in rng.choice(np.array(["A", "B", "tie"]), 12).tolist()]
    if kind is JudgeScore:
        told = [answer(float(one)) for one in rng.integers(1, 11, 12)]
    asked = [pair(0, "x" * int(a), "y" * int(b)) for a, b in rng.integers(0, 50, (12, 2))]
    metric = kind()
    rows = np.stack([metric.combine(row[np.newaxis]) for row in metric.statistics(told, asked)])
    drawn = rng.integers(0, 12, 12)
    weighted = metric.aggregate(rows, np.bincount(drawn, minlength=12).astype(float)[np.newaxis])
    direct = metric.aggregate(rows[drawn], np.ones((1, 12)))
    np.testing.assert_allclose(weighted, direct, atol=1e-9)
