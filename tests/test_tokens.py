"""Tokens counted without a network: published figures, vocabularies by model, bounds for what is unknown."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import tokens
from evalkit.records import Request


def request(*messages: dict[str, Any], model: str = "gpt-4o", **body: Any) -> Request:
    return Request("s", "chat.completions", {"model": model, "messages": list(messages), **body})


def said(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


HELLO = (said("You are a helpful assistant.", "developer"), said("Hello!"))


def test_prompts_have_the_tokens_that_the_api_reference_shows() -> None:
    """OpenAI's API reference, chat completions: these two requests came back with 19 and 13 prompt tokens."""
    found = tokens.prompts([request(*HELLO)])
    assert (found.likely, found.most, found.how, found.encoding) == ([19], [19], "exact", "o200k_base")
    found = tokens.prompts([request(said("Say this is a test!"), model="gpt-3.5-turbo")])
    assert (found.likely, found.how, found.encoding) == ([13], "exact", "cl100k_base")


def test_texts_have_the_tokens_that_the_cookbook_shows() -> None:
    """OpenAI Cookbook, "How to count tokens with tiktoken": its table of strings, both vocabularies."""
    texts = ["antidisestablishmentarianism", "2 + 2 = 4", "お誕生日おめでとう"]
    assert tokens.text_tokens(texts, "gpt-4") == [6, 7, 9]
    assert tokens.text_tokens(texts, "gpt-4o") == [6, 7, 8]


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.4-mini", "o200k_base"),
        ("o1", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("ft:gpt-4o-mini:me::abc", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("ft:gpt-3.5-turbo:me::abc", "cl100k_base"),
        ("gpt-oss-20b", None),
        ("smollm2-135m", None),
        ("llama-3.1-8b", None),
        ("other/gpt-4o", None),
        ("o1x", None),
    ],
)
def test_each_model_reads_by_its_vocabulary(model: str, encoding: str | None) -> None:
    assert tokens.encoding_of(model) == encoding


def test_name_of_a_speaker_costs_one_token_beside_its_own() -> None:
    plain, named = request(said("Hello!")), request(said("Hello!", name="alice"))
    alice = tokens.text_tokens(["alice"], "gpt-4o")[0]
    assert tokens.prompts([named]).likely[0] == tokens.prompts([plain]).likely[0] + alice + 1


def test_requests_are_counted_one_by_one_also_when_counted_together() -> None:
    several = [request(*HELLO), request(said("Hello!")), request()]
    alone = [tokens.prompts([one]).likely[0] for one in several]
    assert tokens.prompts(several).likely == alone
    assert tokens.prompts([]).likely == []


@pytest.mark.parametrize("model", ["o3", "gpt-5-mini"])
def test_reasoning_models_are_counted_about_because_nothing_is_published(model: str) -> None:
    found = tokens.prompts([request(*HELLO, model=model)])
    assert found.how == "about"
    assert found.most[0] > found.likely[0] == 19


def test_schema_counts_about_and_its_bound_leaves_room() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    plain, bound = (
        tokens.prompts([request(*HELLO)]),
        tokens.prompts([request(*HELLO, response_format=schema)]),
    )
    written = tokens.text_tokens([json.dumps(schema)], "gpt-4o")[0]
    assert bound.how == "about"
    assert bound.likely[0] == plain.likely[0] + written
    assert bound.most[0] >= plain.likely[0] + 2 * written


def test_unknown_vocabulary_is_estimated_and_never_below_the_bytes() -> None:
    found = tokens.prompts([request(said("漢字" * 10), model="qwen")])
    assert (found.how, found.encoding) == ("estimated", None)
    assert found.most[0] >= 60  # bytes
    assert found.likely[0] == 16  # 60 bytes and the role's 4, four to a token


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 70, "n": 3}, 210),
        ({"max_tokens": 50, "n": 2}, 100),
        ({"max_tokens": 50, "n": 2, "best_of": 4}, 200),
        ({"max_output_tokens": 30}, 30),
        ({}, 0),
        ({"max_tokens": None}, 0),
    ],
)
def test_choices_multiply_the_most_that_is_answered(limits: dict[str, Any], most: int) -> None:
    assert tokens.estimate(request(*HELLO, **limits)) == (19, most)


TEXTS = st.text(st.characters(), max_size=60)


@given(TEXTS, st.sampled_from(["gpt-4", "gpt-4o", "qwen"]))
def test_any_text_has_an_upper_bound_by_its_bytes(text: str, model: str) -> None:
    """Lone surrogates, control characters and words that look like special tokens are text too."""
    found = tokens.prompts([request(said(f"<|endoftext|>{text}"), model=model)])
    size = len(text.encode("utf-8", "replace"))
    assert 0 < found.likely[0] <= found.most[0] <= size + 200


def test_parts_of_a_message_are_counted_as_texts() -> None:
    parts = [{"type": "text", "text": "Hello!"}]
    assert tokens.prompts([request(said(parts))]).likely == tokens.prompts([request(said("Hello!"))]).likely


@pytest.fixture
def without_toktok(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that toktok has no wheel for."""
    monkeypatch.setitem(sys.modules, "toktok", None)
    tokens.counter.cache_clear()
    yield
    tokens.counter.cache_clear()


def test_without_a_vocabulary_openais_models_are_estimated_too(
    without_toktok: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tokens.prompts([request(*HELLO)]).how == "estimated"
    tokens.counter.cache_clear()
    # A damaged file in tiktoken's cache: tiktoken would delete it and fetch another.
    url = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    damaged = tmp_path / hashlib.sha1(url.encode()).hexdigest()
    damaged.write_bytes(b"half")
    assert tokens.prompts([request(*HELLO)]).how == "estimated"
    assert damaged.exists()
