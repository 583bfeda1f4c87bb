from __future__ import annotations

import pytest
from metrics.material import generation, samples, values_of

from evalkit.errors import MetricError
from evalkit.metrics.exact_match import ExactMatch


@pytest.mark.parametrize(
    ("normalize", "ignore_case", "prediction", "matches"),
    [
        ("none", False, "Paris", True),
        ("none", False, "Paris\n", False),
        ("strip", False, "\u00a0Paris\r\n", True),
        ("strip", False, "paris", False),
        ("strip", True, "PARIS", True),
        ("strip", False, "the Paris!", False),
        ("squad", False, "The  paris!", True),
        ("squad", False, "paris, france", False),
    ],
)
def test_normalisations(normalize: str, prediction: str, *, ignore_case: bool, matches: bool) -> None:
    metric = ExactMatch(normalize=normalize, ignore_case=ignore_case)
    assert values_of(metric, [prediction], ["Paris"]) == {"exact_match": float(matches)}


def test_squad_normalisation_of_the_scripts_own_steps() -> None:
    """Lower case, punctuation out (so `U.S.` is `us`), articles out, white space collapsed."""
    metric = ExactMatch(normalize="squad")
    assert values_of(metric, ["An answer,\n to the U.S."], ["answer to us"]) == {"exact_match": 1.0}


def test_any_reference_will_do() -> None:
    assert values_of(ExactMatch(), ["b", "c"], [["a", "b"], ["a", "b"]]) == {"exact_match": 0.5}


def test_folding_knows_sharp_s() -> None:
    assert values_of(ExactMatch(ignore_case=True), ["STRASSE"], ["Straße"]) == {"exact_match": 1.0}


def test_an_empty_answer_matches_an_empty_target_but_unparsed_does_not() -> None:
    assert values_of(ExactMatch(), ["", None], ["", ""]) == {"exact_match": 0.5}


def test_unknown_normalisation_is_refused_with_the_nearest() -> None:
    with pytest.raises(MetricError, match=r'unknown normalize "stripped" \(did you mean "strip"\?\)'):
        ExactMatch(normalize="stripped")


def test_explain_shows_both_texts_cut() -> None:
    sample = samples(["x" * 200])[0]
    assert ExactMatch().explain(generation("y"), sample) == f"predicted 'y', target '{'x' * 79}…'"
    assert (
        ExactMatch().explain(generation(None), sample).startswith("no prediction (no answer found), target")
    )
