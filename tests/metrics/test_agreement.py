"""Cohen's kappa and correlations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from metrics.material import generation, generations, rows_of, samples, values_of
from scipy import stats

from evalkit.errors import MetricError
from evalkit.metrics.correlation import TYPES, Correlation
from evalkit.metrics.kappa import CohenKappa
from evalkit.metrics.weighted import weighted_quantiles, weighted_ranks, weighted_ties

# scikit-learn 1.9.1, cohen_kappa_score(TARGETS, PREDICTIONS, weights=…).
TARGETS = "5335142121342451521243242125542211222233"
PREDICTIONS = "5332143235342353421244542122543243215235"
SKLEARN = {"none": 0.4620253164556962, "linear": 0.4481605351170568, "quadratic": 0.42471590909090917}

RNG = np.random.default_rng(3)
SOME = RNG.integers(1, 6, 60).astype(float)
OTHERS = np.clip(np.round(SOME + RNG.normal(0, 1.4, 60), 1), 1, 5)
OF_SCIPY = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}


@pytest.mark.parametrize("weights", SKLEARN)
def test_kappa_is_scikit_learns(weights: str) -> None:
    found = values_of(CohenKappa(weights=weights), list(PREDICTIONS), list(TARGETS))
    assert found["kappa"] == pytest.approx(SKLEARN[weights], abs=1e-12)


def test_a_label_outside_the_set_is_a_label_of_its_own() -> None:
    """scikit-learn 1.9.1: cohen_kappa_score(list("aabbbccabc"), list("abbbacczba")) = 0.42028985507246375."""
    predictions: list[str | None] = [*"abbbacczba"]
    found = values_of(CohenKappa(), predictions, list("aabbbccabc"))["kappa"]
    assert found == pytest.approx(0.42028985507246375, abs=1e-12)
    predictions[7] = None  # and so is none
    assert values_of(CohenKappa(), predictions, list("aabbbccabc"))["kappa"] == pytest.approx(
        found, abs=1e-12
    )


def test_with_weights_what_is_no_label_is_as_far_off_as_can_be() -> None:
    targets = list("112345")
    for metric in (CohenKappa(weights="linear"), CohenKappa(weights="quadratic")):
        unparsed = values_of(metric, [None, "1", "2", "3", None, "5"], targets)
        assert unparsed == values_of(metric, ["5", "1", "2", "3", "1", "5"], targets)


def test_numbers_are_ordered_by_size_and_other_labels_need_an_order() -> None:
    bound = CohenKappa(weights="linear").bind(samples(["10", "9", "1"]))
    assert bound.labels == ("1", "9", "10")
    with pytest.raises(MetricError, match=r"metrics\.kappa\.labels=\[good,poor\]"):
        CohenKappa(weights="linear").bind(samples(["good", "poor"]))
    assert (
        CohenKappa(weights="linear", labels=["poor", "good"]).signature == "weights:linear|labels:poor,good"
    )


def test_of_several_targets_the_predicted_one_is_true() -> None:
    assert values_of(CohenKappa(), ["b", "a"], [["a", "b"], ["a", "b"]])["kappa"] == pytest.approx(1.0)


def test_chance_gives_0_and_one_label_everywhere_nothing() -> None:
    assert values_of(CohenKappa(), list("aabb"), list("abab"))["kappa"] == pytest.approx(0.0)
    assert np.isnan(values_of(CohenKappa(), ["a", "a"], ["a", "a"])["kappa"])


def test_kappa_bounds_are_the_target_and_no_label() -> None:
    asked = samples(["1", "3", "5"])
    bound = CohenKappa(weights="quadratic").bind(asked)
    worst, best = bound.bounds(asked[0])
    assert (worst[0], best[0]) == (4.0, 0.0)
    rebuilt = CohenKappa(**json.loads(json.dumps(bound.options)))
    assert rebuilt.key == bound.key == "weights:quadratic|labels:1,3,5"


def test_correlations_are_scipys_with_ties() -> None:
    found = values_of(Correlation(types=TYPES), OTHERS.tolist(), SOME.tolist())
    for name, of in OF_SCIPY.items():
        assert found[name] == pytest.approx(of(OTHERS, SOME).statistic, abs=1e-12), name


def test_whole_weights_are_repeated_rows() -> None:
    metric = Correlation(types=TYPES)
    rows = rows_of(metric, OTHERS.tolist(), SOME.tolist())
    weights = RNG.multinomial(60, np.full(60, 1 / 60), size=4).astype(float)
    values = metric.aggregate(rows, weights)
    for weight, found in zip(weights, values, strict=True):
        drawn = np.repeat(np.arange(60), weight.astype(int))
        for place, name in enumerate(TYPES):
            wanted = OF_SCIPY[name](OTHERS[drawn], SOME[drawn]).statistic
            assert found[place] == pytest.approx(wanted, abs=1e-12), name


def test_what_does_not_vary_has_no_correlation() -> None:
    metric = Correlation(types=TYPES, scale=[0, 9])
    assert np.isnan(list(values_of(metric, [3, 3, 3], [1, 2, 3]).values())).all()
    assert np.isnan(metric.aggregate(np.zeros((2, 2)), np.zeros((1, 2)))).all()
    assert np.isnan(metric.aggregate(np.zeros((0, 2)), np.zeros((1, 0)))).all()


def test_no_number_counts_as_the_far_end_of_the_scale() -> None:
    assert rows_of(Correlation(), [None, "four", "2.5", "nan"], [1, 4, 2, 5]).tolist() == [
        *([5.0, 1.0], [1.0, 4.0]),
        *([2.5, 2.0], [1.0, 5.0]),
    ]
    assert rows_of(Correlation(scale=[0, 10]), [None], [4])[0].tolist() == [10.0, 4.0]


def test_correlation_errors_name_the_sample() -> None:
    with pytest.raises(MetricError, match=r'target of sample "1" is no number: \'much\''):
        Correlation().bind(samples([1, "much"]))
    with pytest.raises(MetricError, match=r"scale must be \[lowest, highest\]"):
        Correlation(scale=[5, 1])
    with pytest.raises(MetricError, match=r'unknown types "spearmann" \(did you mean "spearman"'):
        Correlation(types=["spearmann"])


def test_correlation_bounds_and_explanations() -> None:
    asked = samples([1, 2, 5])
    bound = Correlation().bind(asked)
    worst, best = bound.bounds(asked[1])
    assert (worst.tolist(), best.tolist()) == ([5.0, 2.0], [2.0, 2.0])
    assert bound.signature == "types:spearman,pearson|scale:1,5"
    assert Correlation(**json.loads(json.dumps(bound.options))).key == bound.key
    assert bound.explain(generation("4"), asked[2]) == "predicted 4, target 5"
    assert bound.explain(generation("a lot"), asked[2]) == "no number: 'a lot', target 5"
    assert bound.explain(generation(None), asked[2]) == "no prediction, target 5"
    assert bound.headline == ("spearman",)


def test_weighted_ranks_and_quantiles_are_those_of_repeated_values() -> None:
    values = RNG.integers(0, 8, 40).astype(float) / 3
    weights = RNG.multinomial(40, np.full(40, 1 / 40), size=5).astype(float)
    shares = (0.0, 0.05, 0.5, 0.95, 1.0)
    ranks, quantiles, ties = (
        weighted_ranks(values, weights),
        weighted_quantiles(values, weights, shares),
        weighted_ties(values, weights),
    )
    for row, weight in enumerate(weights):
        drawn = np.repeat(np.arange(40), weight.astype(int))
        np.testing.assert_allclose(ranks[row][drawn], stats.rankdata(values[drawn]), atol=1e-12)
        np.testing.assert_allclose(quantiles[row], np.quantile(values[drawn], shares), atol=1e-12)
        _, counts = np.unique(values[drawn], return_counts=True)
        assert ties[row] == (counts * (counts - 1) / 2).sum()


def test_quantiles_without_weight_or_values_are_unknown() -> None:
    assert np.isnan(weighted_quantiles(np.array([1.0]), np.zeros((2, 1)), (0.5,))).all()
    assert np.isnan(weighted_quantiles(np.zeros(0), np.zeros((1, 0)), (0.5,))).all()
    assert weighted_quantiles(np.array([3.0]), np.ones((1, 1)), (0.95,)).tolist() == [[3.0]]


def test_a_thousand_samples_a_thousand_times_take_little_time() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(1000, 2))
    weights = rng.multinomial(1000, np.full(1000, 1 / 1000), size=100).astype(float)
    assert Correlation(types=TYPES).aggregate(numbers, weights).shape == (100, 3)
    assert len(rows_of(Correlation(), [], [])) == len(generations([])) == 0
