from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.retrieval.base import Passage
from evalkit.retrieval.chunks import Chunks
from evalkit.tokens import O200K, counter

WORDS = "one two three four five six seven eight nine ten"  # a token each, with the space before it


def test_parts_have_the_size_and_repeat_the_overlap() -> None:
    assert Chunks(4).parts(WORDS) == ["one two three four", "five six seven eight", "nine ten"]
    assert Chunks(4, 1).parts(WORDS) == ["one two three four", "four five six seven", "seven eight nine ten"]


def test_a_short_text_stays_as_it_is() -> None:
    assert Chunks(10).parts(f" {WORDS}\n") == [f" {WORDS}\n"]


def test_chinese_is_cut_between_characters() -> None:
    text = "听雨桥是一座有顶的木廊桥建于一七七四年"
    parts = Chunks(8).parts(text)
    assert len(parts) > 1
    assert "".join(parts) == text


def test_parts_keep_the_name_of_their_document() -> None:
    assert list(Chunks(5).cut([Passage("a", WORDS), Passage("b", "one")])) == [
        Passage("a", "one two three four five"),
        Passage("a", "six seven eight nine ten"),
        Passage("b", "one"),
    ]


@given(
    text=st.lists(st.sampled_from(["a", "bridge", "incomprehensibilities", "桥", "\n"]), max_size=30).map(
        " ".join
    ),
    size=st.integers(1, 12),
    overlap=st.integers(0, 11),
)
def test_every_word_is_in_a_part_and_no_part_is_too_long(text: str, size: int, overlap: int) -> None:
    overlap = min(overlap, size - 1)
    count = counter(O200K)
    assert count is not None
    parts = Chunks(size, overlap).parts(text)
    assert set(" ".join(parts).split()) == set(text.split())
    if overlap == 0 and len(parts) > 1:
        assert "".join("".join(parts).split()) == "".join(text.split())
    for part in parts:
        assert count([part])[0] <= size or len(part.split()) == 1 or len(parts) == 1


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_what_cannot_be_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        Chunks(size, overlap)


def test_the_signature_says_what_counts_tokens() -> None:
    assert Chunks(200, 20).signature == "chunk:200|overlap:20|tokens:o200k_base"
