from __future__ import annotations

import random

import numpy as np
import pytest
from metrics.material import generation, rows_of, samples, values_of

from evalkit.errors import MetricError
from evalkit.metrics.f1 import F1

# Hand-worked: pos tp 1 fp 1 fn 2, neg tp 2 fp 1 fn 1, neu tp 1 fp 0 fn 1; scikit-learn 1.9.1 agrees.
TARGETS = ["pos", "pos", "neg", "neu", "neg", "pos", "neu", "neg"]
PREDICTIONS = ["pos", "neg", "neg", "pos", "neg", "???", "neu", None]


def test_hand_worked_scores() -> None:
    """Classes 4/6, 2/3, 2/5; macro their mean 26/45; micro 2*4 / (2*4 + 2 + 4) = 4/7, accuracy being 4/8."""
    assert values_of(F1(), PREDICTIONS, TARGETS) == pytest.approx(
        {"f1_macro": 26 / 45, "f1_micro": 4 / 7, "f1[neg]": 2 / 3, "f1[neu]": 2 / 3, "f1[pos]": 2 / 5},
        abs=1e-12,
    )


def test_a_class_that_never_occurs_scores_zero_and_counts_in_macro() -> None:
    """scikit-learn with labels=[neg, neu, pos, spam]: macro 0.4333…, micro as before."""
    found = values_of(F1(labels=["neg", "neu", "pos", "spam"]), PREDICTIONS, TARGETS)
    assert found["f1[spam]"] == 0.0
    assert found["f1_macro"] == pytest.approx(0.43333333333333335, abs=1e-12)
    assert found["f1_micro"] == pytest.approx(0.5714285714285714, abs=1e-12)


def test_an_explicit_set_ignores_targets_outside_it() -> None:
    """scikit-learn with labels=[neg, pos]: macro 0.5333…, micro 0.5454…."""
    found = values_of(F1(labels=["neg", "pos"]), PREDICTIONS, TARGETS)
    assert found == pytest.approx(
        {"f1_macro": 0.5333333333333333, "f1_micro": 0.5454545454545454, "f1[neg]": 2 / 3, "f1[pos]": 0.4},
        abs=1e-12,
    )


def test_two_hundred_seeded_labels_score_as_in_scikit_learn() -> None:
    """f1_score of scikit-learn 1.9.1 over the six bound labels; predictions hold a seventh."""
    rng = random.Random(7)
    names = ["anger", "fear", "joy", "love", "sadness", "surprise"]
    targets = [names[rng.randrange(6)] for _ in range(200)]
    predictions = [one if rng.random() < 0.6 else [*names, "other"][rng.randrange(7)] for one in targets]
    classes = (0.65671642, 0.61016949, 0.5862069, 0.65753425, 0.64864865, 0.70175439)
    found = values_of(F1(), predictions, targets)
    assert found.pop("f1_macro") == pytest.approx(0.6435050145294164, abs=1e-12)
    assert found.pop("f1_micro") == pytest.approx(0.6443298969072165, abs=1e-12)
    assert found == pytest.approx(
        {f"f1[{name}]": value for name, value in zip(names, classes, strict=True)}, abs=5e-9
    )


def test_statistics_are_true_positives_false_positives_false_negatives() -> None:
    rows = rows_of(F1(), ["b", "a", "else", None], ["a", "a", "b", "b"])
    assert rows.tolist() == [
        [0, 0, 0, 1, 1, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1],
    ]


def test_labels_are_bound_once_so_a_slice_keeps_all_classes() -> None:
    asked = samples(["a", "b", "b"])
    bound = F1().bind(asked)
    rows = bound.statistics([generation("b")], asked[1:2])
    values = bound.aggregate(rows, np.ones((1, 1)))[0]
    assert dict(zip(bound.names, values, strict=True)) == {
        "f1_macro": 0.5,
        "f1_micro": 1.0,
        "f1[a]": 0.0,
        "f1[b]": 1.0,
    }


def test_no_weight_gives_nan() -> None:
    rows = rows_of(F1(), ["a"], ["a"])
    bound = F1(labels=["a"])
    assert np.isnan(bound.aggregate(rows, np.zeros((1, 1)))).all()


def test_any_of_several_targets_is_right_and_the_first_is_the_true_class_else() -> None:
    rows = rows_of(F1(), ["b", "c"], [["a", "b"], ["a", "b"]])
    assert rows.tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]]


def test_types_restrict_the_names() -> None:
    assert list(values_of(F1(types=["micro"]), ["a"], ["a"])) == ["f1_micro"]
    assert list(values_of(F1(types=["per_class", "macro"]), ["a"], ["b"])) == ["f1_macro", "f1[b]"]
    assert F1().names == ("f1_macro", "f1_micro")
    with pytest.raises(MetricError, match=r'unknown types "macros" \(did you mean "macro"\?\)'):
        F1(types=["macros"])


def test_labels_that_are_no_strings_are_compared_as_text() -> None:
    assert values_of(F1(labels=[True, 1]), [True, 1], ["true", "1"])["f1_macro"] == 1.0  # type: ignore[list-item]


def test_signature_names_few_labels_and_hashes_many() -> None:
    assert F1().bind(samples(["b", "a"])).signature == "types:macro,micro,per_class|labels:a,b"
    many = [f"label {number}" for number in range(77)]
    hashed = F1(labels=many).signature
    assert hashed.startswith("types:macro,micro,per_class|labels:77[")
    assert hashed != F1(labels=[*many[:-1], "another"]).signature
    assert "version" not in F1(labels=["x|version:1", "y"]).key


def test_bad_label_sets_are_refused() -> None:
    with pytest.raises(MetricError, match="holds a label twice"):
        F1(labels=["a", " a"])
    with pytest.raises(MetricError, match="at least one label"):
        F1(labels=[])
    with pytest.raises(MetricError, match="frozen by bind"):
        F1().statistics([generation("a")], samples(["a"]))


def test_worst_case_is_a_wrong_label_and_best_the_target() -> None:
    bound = F1(labels=["a", "b", "c"])
    worst, best = bound.bounds(samples(["a"])[0])
    assert worst.tolist() == [0, 0, 0, 0, 0.5, 0.5, 1, 0, 0]
    assert best.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_explain_says_when_a_prediction_is_no_label() -> None:
    bound = F1(labels=["a", "b"])
    sample = samples(["a"])[0]
    assert bound.explain(generation("b"), sample) == "predicted 'b', target 'a'"
    assert bound.explain(generation("z"), sample) == "predicted 'z' (not a label), target 'a'"
    assert bound.explain(generation(None), sample) == "no label found (no answer found), target 'a'"


def test_precision_and_recall_are_those_of_scikit_learns_documentation() -> None:
    """The examples of precision_score, recall_score and f1_score: classes 0, 1, 2, true 0 1 2 0 1 2."""
    measures, averages = ("f1", "precision", "recall"), ("macro", "micro", "weighted")
    types = [one if name == "f1" else f"{name}_{one}" for name in measures for one in averages]
    found = values_of(F1(types=types), ["0", "2", "1", "0", "0", "1"], ["0", "1", "2", "0", "1", "2"])
    third, f1 = pytest.approx(1 / 3, abs=1e-12), pytest.approx(0.26666666666666666, abs=1e-12)
    precision = pytest.approx(0.2222222222222222, abs=1e-12)
    assert found == {
        "f1_macro": f1,
        "f1_micro": third,
        "f1_weighted": f1,
        "precision_macro": precision,
        "precision_micro": third,
        "precision_weighted": precision,
        "recall_macro": third,
        "recall_micro": third,
        "recall_weighted": third,
    }


def test_classes_without_prediction_or_target_have_precision_and_recall_zero() -> None:
    """scikit-learn 1.9.1, precision_recall_fscore_support(labels=[neg, neu, pos, spam], zero_division=0)."""
    types = ["precision_per_class", "recall_per_class", "precision_macro", "recall_weighted"]
    found = values_of(F1(labels=["neg", "neu", "pos", "spam"], types=types), PREDICTIONS, TARGETS)
    assert found == pytest.approx(
        {
            "precision_macro": 0.5416666666666666,
            "recall_weighted": 0.5,
            "precision[neg]": 0.6666666666666666,
            "precision[neu]": 1.0,
            "precision[pos]": 0.5,
            "precision[spam]": 0.0,
            "recall[neg]": 0.6666666666666666,
            "recall[neu]": 0.5,
            "recall[pos]": 0.3333333333333333,
            "recall[spam]": 0.0,
        },
        abs=1e-12,
    )


def test_confusion_matrix_has_a_row_and_a_column_for_all_other_labels() -> None:
    """scikit-learn's confusion_matrix of the eight answers, neg neu pos, with "???" and None as a fourth."""
    rows = rows_of(F1(), PREDICTIONS, TARGETS)
    bound = F1(labels=["neg", "neu", "pos"])
    assert bound.confusion(rows).tolist() == [[2, 0, 0, 1], [0, 1, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0]]
    outside = F1(labels=["neg", "pos"])
    foreign = rows_of(outside, PREDICTIONS, TARGETS)
    assert outside.confusion(foreign).tolist() == [[2, 0, 1], [1, 1, 1], [0, 1, 1]]


def test_figures_of_each_label_come_from_the_same_sums() -> None:
    """Precision, recall, F1, support: neg 2/3 2/3 2/3 of 3, neu 1 1/2 2/3 of 2, pos 1/2 1/3 2/5 of 3."""
    rows = rows_of(F1(), PREDICTIONS, TARGETS)
    found = F1(labels=["neg", "neu", "pos"]).by_label(rows.sum(axis=0))
    wanted = [[2 / 3, 2 / 3, 2 / 3, 3], [1, 1 / 2, 2 / 3, 2], [1 / 2, 1 / 3, 2 / 5, 3]]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
