"""BM25 against its formula in plain Python, a worked example, and the pitfalls of the package."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval.plain import rank

from evalkit.errors import ConfigError, DatasetError
from evalkit.retrieval.base import Passage, Query
from evalkit.retrieval.bm25 import Bm25

if TYPE_CHECKING:
    from metrics.conftest import Rows

TEXTS = (
    "The ferry to the island leaves in the morning and in the evening.",
    "A ticket for the ferry costs three crowns; bicycles cost one more.",
    "The lighthouse on the island is open on Sundays.",
    "从镇上到县城的班车每四十分钟一班。",
    "听雨桥是一座木廊桥。",
)  # fmt: skip


def passages(*texts: str) -> list[Passage]:
    return [Passage(f"p{number}", text) for number, text in enumerate(texts)]


def found(query: str, *texts: str, k: int = 5, **options: object) -> list[int]:
    hits = Bm25(**options).index(passages(*(texts or TEXTS))).search([Query(query)], k)[0]  # type: ignore[arg-type]
    return [hit.place for hit in hits]


def test_scores_are_those_of_a_worked_example() -> None:
    """Two passages of 2 and 4 words; "b" is in one: ln(1 + 1.5/1.5) · 1 / (1 + 1.2 (0.25 + 0.75 · 4/3))."""
    plain = Bm25(k1=1.2, stemmer=None, stopwords=None)
    (hits,) = plain.index(passages("a a", "a b c d")).search([Query("b")], 5)
    assert [hit.place for hit in hits] == [1]
    assert hits[0].score == pytest.approx(math.log(2) / (1 + 1.2 * (0.25 + 0.75 * 4 / 3)), rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(
        st.lists(
            st.sampled_from(["alpha", "beta", "gamma", "running", "runs", "桥", "梁桥", "the"]), max_size=8
        ).map(" ".join),
        min_size=1,
        max_size=8,
    ),
    query=st.lists(st.sampled_from(["alpha", "beta", "run", "桥", "梁桥", "nowhere", "the"]), max_size=4).map(
        " ".join
    ),
)
def test_rankings_are_those_of_the_formula(texts: list[str], query: str) -> None:
    texts = [*texts, "alpha"]  # at least one word to index
    (hits,) = Bm25().index(passages(*texts)).search([Query(query)], len(texts))
    wanted = rank(texts, query)
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in wanted], rel=1e-4)
    # Single precision may order scores anew that differ by less.
    for hit, (place, score) in zip(hits, wanted, strict=True):
        assert hit.place == place or dict(wanted)[hit.place] == pytest.approx(score, rel=1e-4)


def test_unknown_words_find_nothing() -> None:
    """bm25s itself returns arbitrary passages with score 0."""
    assert found("quantum chromodynamics") == []
    assert found("") == []
    assert found("the and of") == []


def test_only_passages_that_share_a_word_are_hits() -> None:
    assert found("lighthouse", k=5) == [2]


def test_more_than_there_are_is_all_that_match() -> None:
    """bm25s itself raises."""
    assert sorted(found("ferry island", k=100)) == [0, 1, 2]


def test_equal_passages_come_in_order() -> None:
    texts = ["red apple", "green apple", "red apple", "red apple"]
    assert found("red", *texts, k=2) == [0, 2]
    assert found("red", *texts, k=3) == [0, 2, 3]


def test_words_are_stemmed_and_stop_words_left_out() -> None:
    assert found("costing bicycle") == [1]
    assert found("costing bicycle", stemmer=None) == []
    assert found("the", stopwords=None, k=1) != []
    assert found("ferry", stopwords=["ferry"]) == []


def test_chinese_is_found_by_pairs_of_characters() -> None:
    assert found("听雨桥是谁建的？") == [4]
    assert found("班车几点开", tokenizer="characters")[0] == 3
    assert found("班车几点开", tokenizer="jieba")[0] == 3


def test_passages_without_words_are_refused_together_and_ignored_alone() -> None:
    assert found("apple", "…", "apple", "") == [1]
    with pytest.raises(DatasetError, match="none of the 2 passages has a word to search by"):
        found("apple", "…", "!!")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "lucen"}, 'method="lucen" (did you mean "lucene"?)'),
        ({"k1": -1}, "k1=-1 must be 0 or more"),
        ({"b": 1.5}, "b=1.5 from 0 to 1"),
        ({"tokenizer": "biggrams"}, '(did you mean "bigrams"?)'),
        ({"stemmer": "englsh"}, '(did you mean "english"?)'),
        ({"stopwords": "germn"}, '(did you mean "german"?)'),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Bm25(**options)  # type: ignore[arg-type]
    assert says in str(caught.value)


def test_methods_differ_as_their_formulas_do() -> None:
    """In one of two passages: lucene ln 2, robertson ln 1 = 0 and so no hit, atire ln 2 · (k1 + 1)."""
    options = {"stemmer": None, "stopwords": None, "b": 0.0, "k1": 1.0}
    scores = {}
    for method in ("lucene", "robertson", "atire"):
        hits = Bm25(method=method, **options).index(passages("a b", "a c")).search([Query("b")], 2)[0]  # type: ignore[arg-type]
        scores[method] = [hit.score for hit in hits]
    assert scores["lucene"] == pytest.approx([math.log(2) / 2])
    assert scores["robertson"] == []
    assert scores["atire"] == pytest.approx([math.log(2)])


def test_the_signature_says_how_hits_are_found() -> None:
    told = Bm25(k1=0.9, stopwords=["b", "A"]).signature
    assert told.startswith("bm25:lucene|k1:0.9|b:0.75|tok:bigrams|stem:english|stop:a,b|version:bm25s-")


def test_twenty_thousand_passages_and_a_thousand_queries_take_seconds() -> None:
    drawn = random.Random(0)
    names = [f"w{n}" for n in range(5000)]
    many = [" ".join(drawn.choices(names, k=50)) for _ in range(20_000)]
    queries = [Query(" ".join(drawn.choices(names, k=8))) for _ in range(1000)]
    started = time.process_time()
    hits = Bm25().index(passages(*many)).search(queries, 5)
    assert time.process_time() - started < 15  # 2 on a quiet machine
    assert all(len(some) == 5 for some in hits)


@pytest.mark.shared
def test_paragraphs_of_each_question_are_ranked_as_by_the_formula(shared_rows: Rows) -> None:
    rows = shared_rows("grounded_qa_xquad_en")
    assert len(rows) == 250
    for row in rows:
        hits = Bm25().index(passages(*row["passages"])).search([Query(row["question"])], 5)[0]
        assert [hit.place for hit in hits] == [place for place, _ in rank(row["passages"], row["question"])]


@pytest.mark.shared
def test_all_paragraphs_as_one_knowledge_base_are_ranked_as_by_the_formula(shared_rows: Rows) -> None:
    rows = shared_rows("grounded_qa_xquad_en")
    texts = list(dict.fromkeys(text for row in rows for text in row["passages"]))
    chosen = rows[::10]
    hits = Bm25().index(passages(*texts)).search([Query(row["question"]) for row in chosen], 5)
    for row, some in zip(chosen, hits, strict=True):
        assert [hit.place for hit in some] == [place for place, _ in rank(texts, row["question"])[:5]]
