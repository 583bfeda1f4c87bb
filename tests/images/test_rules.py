"""Tokens of images by OpenAI's rules: the worked examples of its guide ("Images and vision", costs)."""

from __future__ import annotations

import pytest

from evalkit.images.reference import Reference
from evalkit.images.rules import most_tokens, usual_tokens
from evalkit.records import Request
from evalkit.tokens import ABOUT, ESTIMATED, prompts


def image(width: int, height: int, size: int = 1000) -> Reference:
    return Reference("png", width, height, size, "ab" * 32)


@pytest.mark.parametrize(
    ("model", "width", "height", "detail", "tokens"),
    [
        ("gpt-4o", 1024, 1024, "high", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o-2024-08-06", 1024, 1024, None, 765),
        ("openai/gpt-4.1", 1024, 1024, None, 765),
        ("gpt-4o-mini", 1024, 1024, None, 2833 + 4 * 5667),
        ("gpt-4o-mini", 100, 100, "low", 2833),
        ("o1", 1024, 1024, None, 75 + 4 * 150),
        ("gpt-5", 1024, 1024, None, 70 + 4 * 140),
        ("gpt-4.1-mini", 1024, 1024, None, 1659),  # 1024 patches × 1.62
        ("gpt-4.1-mini", 1800, 2400, None, 2353),  # 33 × 44 = 1452 patches × 1.62
        ("gpt-5-nano", 1024, 1024, None, 2520),
        ("o4-mini", 1800, 2400, None, 2498),
    ],
)
def test_worked_examples_of_the_guide(
    model: str, width: int, height: int, detail: str | None, tokens: int
) -> None:
    assert usual_tokens(image(width, height), model, detail) == tokens
    assert most_tokens(image(width, height), model, detail) == tokens


def test_a_small_image_is_a_tile_and_at_most_what_it_would_be_made_larger() -> None:
    assert usual_tokens(image(256, 192), "gpt-4o") == 85 + 170
    assert most_tokens(image(256, 192), "gpt-4o") == 85 + 4 * 170  # 1024 x 768


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4o-mini", "o3", "gpt-5", "gpt-4.1-nano", "some-model", "gpt-5.9"]
)
@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (100_000, 1), (333, 777), (8000, 8000), (1024, 32)])
def test_the_most_is_no_less_than_the_usual_and_finite(model: str, size: tuple[int, int]) -> None:
    assert 0 < usual_tokens(image(*size), model) <= most_tokens(image(*size), model)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "o1", "gpt-5-mini", "some-model"])
def test_an_image_of_unknown_size_is_taken_for_the_largest(model: str) -> None:
    most = most_tokens(None, model)
    assert most >= max(most_tokens(image(w, h), model) for w, h in ((2048, 768), (1536, 1024), (1700, 1700)))
    assert most <= 2833 + 8 * 5667


def request(model: str, url: str) -> Request:
    part = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]
    return Request("s", "chat.completions", {"model": model, "messages": messages})


@pytest.mark.parametrize(("model", "how"), [("gpt-4o", ABOUT), ("some-model", ESTIMATED)])
def test_an_address_is_never_counted_as_text(model: str, how: str) -> None:
    """A data URL of a megabyte is an image of unknown size, not a text of a million letters."""
    bare = {"model": model, "messages": [{"role": "user", "content": "What is it?"}]}
    text = prompts([Request("s", "chat.completions", bare)])
    counted = prompts(
        [request(model, str(image(1024, 1024))), request(model, "data:image/png;base64," + "A" * 10**6)]
    )
    assert counted.how == how
    assert counted.likely[0] - text.likely[0] == usual_tokens(image(1024, 1024), model)
    assert counted.likely[1] - text.likely[0] == usual_tokens(None, model)
    assert max(counted.most) < 20_000
