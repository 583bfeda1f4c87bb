from __future__ import annotations

import numpy as np
from metrics.material import generation, rows_of, samples, values_of

from evalkit.metrics.accuracy import Accuracy


def test_hand_worked_share() -> None:
    """Right: the first, the second (white space), the fourth (one of two); wrong: case, unparsed."""
    predictions = ["positive", " neutral\r\n", "Positive", "b", None]
    targets = ["positive", "neutral", "positive", ["a", "b"], "positive"]
    assert values_of(Accuracy(), predictions, targets) == {"accuracy": 3 / 5}
    assert values_of(Accuracy(ignore_case=True), predictions, targets) == {"accuracy": 4 / 5}


def test_statistics_are_correct_and_count() -> None:
    assert rows_of(Accuracy(), ["a", "b", None], ["a", "a", ""]).tolist() == [[1, 1], [0, 1], [0, 1]]


def test_labels_that_are_no_strings_compare_as_json_text() -> None:
    assert values_of(Accuracy(), [True, 3], ["true", 3]) == {"accuracy": 1.0}


def test_no_weight_gives_nan() -> None:
    assert np.isnan(Accuracy().aggregate(rows_of(Accuracy(), ["a"], ["a"]), np.zeros((1, 1)))).all()


def test_explain_shows_prediction_and_targets() -> None:
    sample = samples([["positive", "neutral"]])[0]
    assert (
        Accuracy().explain(generation("negative"), sample)
        == "predicted 'negative', target 'positive' or 'neutral'"
    )
    assert (
        Accuracy().explain(generation(None), sample)
        == "no label found (no answer found), target 'positive' or 'neutral'"
    )
