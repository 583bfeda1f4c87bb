from __future__ import annotations

from typing import Any

import pytest

from evalkit.errors import DatasetError
from evalkit.records import Sample
from evalkit.retrieval.base import Passage
from evalkit.retrieval.bm25 import Bm25
from evalkit.retrieval.chunks import Chunks
from evalkit.retrieval.knowledge import Columns, Knowledge
from evalkit.retrieval.lookup import Lookup, without_passages
from evalkit.retrieval.oracle import Oracle

TEXTS = {
    "ferry": "The ferry leaves at noon.",
    "bridge": "The bridge is green.",
    "tower": "The tower is high.",
}
BASE = Knowledge("kb", tuple(Passage(*one) for one in TEXTS.items()), "f" * 64)
ASKED = Sample("s", {"question": "When does the ferry leave?"}, "noon", {"relevant": ["ferry"]})


def added(sample: Sample = ASKED, **settings: Any) -> Any:
    made = Lookup(settings.pop("retriever", Bm25()), settings.pop("k", 2), **{"knowledge": BASE, **settings})
    return made.apply([sample]).samples[0].added


def test_a_sample_is_given_texts_and_ids_and_what_would_be_right() -> None:
    assert added() == {"passages": [TEXTS["ferry"]], "retrieved": ["ferry"], "relevant": ["ferry"]}


def test_what_was_added_is_no_part_of_the_samples_content() -> None:
    (shown,) = Lookup(Bm25(), 2, BASE).apply([ASKED]).samples
    assert shown.hash == ASKED.hash


def test_facts_and_notes_tell_how_and_what_was_not_found() -> None:
    nothing = Sample("t", {"question": "Why?"}, "")
    found = Lookup(Bm25(), 5, BASE).apply([ASKED, nothing])
    assert {key: found.facts[key] for key in ("k", "knowledge", "documents", "passages", "without")} == {
        "k": 5,
        "knowledge": "kb",
        "documents": 3,
        "passages": 3,
        "without": 1,
    }
    assert found.samples[1].added == {"passages": [], "retrieved": [], "relevant": []}
    assert found.notes == (
        "retrieval.k=5: the knowledge base has 3 passages",
        "no passage was found for 1 questions (t)",
    )


def test_an_oracle_finds_what_the_data_names() -> None:
    sample = Sample("s", {"question": "?"}, None, {"gold": {"ids": ["tower", "nowhere", "bridge"]}})
    found = added(sample, retriever=Oracle(), relevant="gold.ids")
    assert found["retrieved"] == ["tower", "bridge"]
    assert found["relevant"] == ["tower", "nowhere", "bridge"]


def test_a_samples_own_passages_are_numbered_from_0() -> None:
    sample = Sample("s", {"question": "the green bridge"}, None, {"texts": list(TEXTS.values()), "gold": 1})
    found = added(sample, knowledge=None, own="texts", relevant="gold", k=1)
    assert found == {"passages": [TEXTS["bridge"]], "retrieved": ["1"], "relevant": ["1"]}


def test_a_sample_may_bring_no_passages() -> None:
    sample = Sample("s", {"question": "x"}, None, {"texts": []})
    assert added(sample, knowledge=None, own="texts") == {"passages": [], "retrieved": [], "relevant": []}


def test_columns_in_objects_are_reached() -> None:
    context = {"title": ["A", "B"], "sentences": [["The ferry."], ["The bridge."]]}
    sample = Sample("s", {"question": "bridge"}, None, {"context": context})
    columns = Columns(title="context.title", id="context.title")
    found = added(sample, knowledge=None, own="context.sentences", columns=columns)
    assert found == {"passages": ["B\nThe bridge."], "retrieved": ["B"], "relevant": []}


def test_parts_of_a_document_go_by_its_name() -> None:
    long = Knowledge("kb", (Passage("d", "one ferry two three four ferry five six"),), "f" * 64)
    found = added(Sample("s", {"question": "ferry"}), knowledge=long, chunks=Chunks(4))
    assert found["passages"] == ["one ferry two three", "four ferry five six"]
    assert found["retrieved"] == ["d", "d"]


def test_the_only_field_is_looked_up_and_others_by_name() -> None:
    assert added(Sample("s", {"text": "ferry"}))["retrieved"] == ["ferry"]
    assert added(Sample("s", {"question": "x", "about": "bridge"}), query="about")["retrieved"] == ["bridge"]
    with pytest.raises(DatasetError, match=r'no input field "question" to look up; it has a, b: set'):
        added(Sample("s", {"a": "x", "b": "y"}))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"knowledge": None, "own": "text"},
            'no column "text"; it has relevant, question: set retrieval.passages=',
        ),
        ({"relevant": "relevan"}, 'no column "relevan" (did you mean "relevant"?)'),
    ],
)
def test_a_column_that_is_absent_is_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        added(**settings)
    assert says in str(caught.value)


def test_without_retrieval_nothing_is_retrieved_and_the_right_ids_are_known() -> None:
    (shown,) = without_passages([ASKED], None)
    assert shown.added == {"retrieved": [], "relevant": ["ferry"]}
