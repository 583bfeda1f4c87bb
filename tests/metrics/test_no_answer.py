"""Questions without an answer, scored as SQuAD 2.0's evaluation script does (Rajpurkar et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.material import generation, samples, values_of

from evalkit.datasets.base import FieldMap, Row, load
from evalkit.errors import DatasetError
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.token_f1 import TokenF1

EXACT = ExactMatch(normalize="squad", no_answer="unanswerable")
F1 = TokenF1(tokenizer="squad", no_answer="unanswerable")

# Prediction, gold answers, and exact and f1 worked by hand by the script's rules: gold answers that
# normalisation empties are left out, none left means [""], an empty side scores 1 where both are empty.
CASES = [
    ("unanswerable", [], 1, 1.0),
    ("Unanswerable.", [], 1, 1.0),
    ("", [], 1, 1.0),
    ("the", [], 1, 1.0),  # an article is nothing
    ("Paris", [], 0, 0.0),
    ("unanswerable", ["Paris"], 0, 0.0),
    ("", ["Paris"], 0, 0.0),
    ("the Paris!", ["Paris"], 1, 1.0),
    ("in Paris", ["Paris", "Paris, France"], 0, 2 / 3),
    ("", ["The", "Paris"], 0, 0.0),  # "The" is no gold answer beside another
    ("", ["The"], 1, 1.0),
    ("answer: unanswerable", [], 0, 0.0),
]


@pytest.mark.parametrize(("prediction", "golds", "exact", "f1"), CASES)
def test_hand_worked_cases(prediction: str, golds: list[str], exact: int, f1: float) -> None:
    assert values_of(EXACT, [prediction], [golds]) == {"exact_match": exact}
    assert values_of(F1, [prediction], [golds]) == pytest.approx({"token_f1": f1})


def test_an_unparsed_answer_is_wrong_also_where_nothing_is_right() -> None:
    assert values_of(EXACT, [None], [[]]) == {"exact_match": 0.0}
    assert values_of(F1, [None], [[]]) == {"token_f1": 0.0}


@settings(deadline=None)
@given(st.text(max_size=12), st.lists(st.text(max_size=12), min_size=1, max_size=3))
def test_without_words_for_no_answer_nothing_changes(prediction: str, golds: list[str]) -> None:
    plain, worded = ExactMatch(normalize="squad"), ExactMatch(normalize="squad", no_answer="?!")
    kept = [gold for gold in golds if values_of(plain, [gold], [""])["exact_match"] == 0.0]
    if len(kept) == len(golds):
        assert values_of(plain, [prediction], [golds]) == values_of(worded, [prediction], [golds])


def test_words_for_no_answer_are_in_the_signature_only_where_there_are_any() -> None:
    assert EXACT.signature == "norm:squad|case:mixed|noans:unanswerable"
    assert ExactMatch().signature == "norm:strip|case:mixed"
    assert F1.signature == "tok:squad|noans:unanswerable"
    why = F1.bind(samples([[]])).explain(generation("unanswerable"), samples([[]])[0])
    assert why == "0 of 0 predicted tokens are among the 0 of reference ''"


class Source:
    """Rows given directly."""

    name = "rows"

    def __init__(self, *rows: dict[str, object]) -> None:
        self._rows = rows

    def rows(self) -> Iterator[Row]:
        yield from (Row(row, f"line {place}") for place, row in enumerate(self._rows, start=1))


@pytest.mark.parametrize("target", [[], None, "", [""]])
def test_a_dataset_may_have_questions_without_an_answer(target: object) -> None:
    rows = Source(
        {"q": "?", "a": target}, {"q": "!", "a": ["x"]}, {"q": "-", "a": ["y"], "is_impossible": True}
    )
    fields = FieldMap({"q": "q"}, "a", unanswerable=True)
    found = load(rows, fields).samples
    assert [(one.target, one.references) for one in found] == [([], ("",)), (["x"], ("x",)), ([], ("",))]
    assert [one.metadata["answerable"] for one in found] == [False, True, False]
    if target not in ("", [""]):
        with pytest.raises(DatasetError, match="is empty or holds null"):
            load(rows, FieldMap({"q": "q"}, "a"))
