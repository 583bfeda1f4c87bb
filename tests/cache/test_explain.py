"""The nearest stored request, and where it differs from what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from entries import filled, sql

from evalkit.cache import layout
from evalkit.cache.base import Entry
from evalkit.cache.explain import as_stored, nearest
from evalkit.cache.sqlite import NEWEST, SqliteCache
from evalkit.records import Request

ANSWER = Entry(b"{}", 0.0)


def chat(text: str, *, system: str = "Be brief.", server: str = "http://a/v1", **params: Any) -> Request:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    body = {"model": "gpt-4o", "messages": messages, "temperature": 0.0, **params}
    return Request(server, "chat.completions", body)


def said(asked: Request, *stored: Request) -> str:
    near = nearest(asked, [as_stored(one) for one in stored])
    assert near is not None
    return str(near)


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (chat("Hi", temperature=0.7), "temperature: 0.0 -> 0.7"),
        (chat("Hi", temperature=0), "temperature: 0.0 -> 0"),
        (chat("Hi", temperature=None), "temperature: 0.0 -> (not set)"),
        (chat("Hi", max_tokens=16), "max_tokens: (not set) -> 16"),
        (chat("Hi", stop=["a", "b"]), 'stop: (not set) -> ["a", "b"]'),
        (chat("Hi", logit_bias={"50256": -100}), "logit_bias.50256: (not set) -> -100"),
        (chat("Hi", model="gpt-4.1"), 'model: "gpt-4o" -> "gpt-4.1"'),
        (chat("Hi", server="http://b/v1"), 'server: "http://a/v1" -> "http://b/v1"'),
        (chat("Hi", system="Be kind."), 'messages[0].content: "Be brief." -> "Be kind."'),
        (chat("Hi "), 'messages[1].content: "Hi" -> "Hi "'),
        (Request("http://a/v1", "chat.completions", chat("Hi").body, 2), "trial: 0 -> 2"),
    ],
)
def test_a_changed_field_is_named_with_both_values(changed: Request, difference: str) -> None:
    assert said(changed, chat("Hi")) == difference


def test_a_change_in_a_long_text_is_shown_with_the_words_around_it() -> None:
    """The middle of twenty numbered words is replaced: three words stay on each side, the rest is cut."""
    words = [f"w{number:03d}" for number in range(20)]
    changed = [*words[:9], "NEW", "WORDS", *words[11:]]
    assert said(chat(" ".join(changed)), chat(" ".join(words))) == (
        "messages[1].content: …w006 w007 w008 [-w009 w010-] {+NEW WORDS+} w011 w012 w013…"
    )


def test_words_added_at_the_end_and_changed_spaces_are_told_apart() -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    assert said(chat(f"{long} more"), chat(long)).endswith("…eleven twelve thirteen {+more+}")
    assert said(chat(long.replace(" ", "  ")), chat(long)).endswith("only spaces or line ends differ")


def test_the_same_server_and_model_count_first_then_fewest_fields_then_the_text() -> None:
    asked = chat("the ferry leaves at noon from pier four")
    elsewhere = chat("the ferry leaves at noon from pier four", server="http://b/v1")
    two_fields = chat("the ferry leaves at noon from pier four", temperature=1.0, top_p=0.5)
    similar = chat("the ferry leaves at ten from pier four")
    other = chat("cold soup, rude waiter, dirty tables")
    assert "ten" in said(asked, elsewhere, two_fields, other, similar)
    assert "soup" in said(asked, elsewhere, two_fields, other)
    assert said(asked, elsewhere, two_fields) == "temperature: 1.0 -> 0.0; top_p: 0.5 -> (not set)"


def test_many_differences_are_cut_and_counted() -> None:
    asked = chat("Hi", top_p=1, seed=1, max_tokens=1, presence_penalty=1, n=2)
    assert said(asked, chat("Hi")).endswith("; and 1 more fields")


def test_request_itself_is_not_near_to_itself() -> None:
    assert nearest(chat("Hi"), [as_stored(chat("Hi"))]) is None
    assert nearest(chat("Hi"), []) is None


def test_same_question_is_found_however_many_came_later(path: Path) -> None:
    """More entries of the same server and model than are looked at, all newer than the one that matters."""
    wanted = chat("the question", temperature=0.5)
    later = [chat(f"question {number}") for number in range(NEWEST + 50)]
    filled(path, (wanted, ANSWER), *((one, ANSWER) for one in later))
    cache = SqliteCache(path, read_only=True)
    near = nearest(chat("the question", top_p=0.1), cache.alike(chat("the question", top_p=0.1)))
    assert near is not None
    assert near.key == wanted.key
    assert len(cache.alike(chat("the question"))) == NEWEST + 1
    cache.close()


def test_another_server_s_entries_are_compared_where_there_are_no_others(path: Path) -> None:
    filled(path, (chat("Hi", server="http://b/v1"), ANSWER))
    cache = SqliteCache(path, read_only=True)
    asked = chat("Ho")
    assert nearest(asked, cache.alike(asked)) is not None
    cache.close()


def test_the_same_text_is_found_among_many_entries_by_an_index(path: Path) -> None:
    """Also where whole thousands of entries were deleted."""
    texts = {7: "the question", 4000: "the question", 5999: "the question"}
    pairs = [
        (chat(texts.get(number, f"text {number}"), server=f"http://host-{number}/v1"), Entry(b"a", 0.0))
        for number in range(6000)
    ]
    filled(path, *pairs)
    sql(path, "DELETE FROM entries WHERE id BETWEEN 1500 AND 3900")
    cache = SqliteCache(path)
    found = cache.alike(chat("the question", server="http://elsewhere/v1"))
    cache.close()
    assert [one["server"] for one in found] == [f"http://host-{number}/v1" for number in (5999, 4000, 7)]
    plan = " ".join(row[-1] for row in sql(path, f"EXPLAIN QUERY PLAN {layout.SAME_TEXT}", b""))
    assert "SEARCH entries USING INDEX entries_text (<expr>=? AND text=?)" in plan
    assert "SCAN entries" not in plan
