"""What servers write into x-ratelimit headers."""

from __future__ import annotations

import pytest
from fake_openai.limits import go_duration
from hypothesis import given
from hypothesis import strategies as st

from evalkit.executors.headers import Announced, announced, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # OpenAI's documentation of the headers has "1s" and "6m0s".
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("17ms", 0.017),
        ("8.64s", 8.64),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("0s", 0.0),
        ("12", 12.0),
        ("0.5", 0.5),
        ("", None),
        ("soon", None),
        ("1s later", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("2026-01-01T00:00:00Z", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    assert seconds(text) == (None if expected is None else pytest.approx(expected))


@given(st.integers(0, 10**9))
def test_go_s_durations_are_read_back(milliseconds: int) -> None:
    assert seconds(go_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_none(text: str) -> None:
    found = seconds(text)
    assert found is None or found >= 0


def told(limit: str, remaining: str | None = None, reset: str | None = None) -> Announced | None:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    headers = {f"x-ratelimit-{name}-requests": value for name, value in values.items() if value is not None}
    return announced(headers, "requests")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # OpenAI's documentation: limit 60, remaining 59, reset 1s; 150000, 149984, 6m0s is its token example,
        # which no even refill of a minute gives.
        (("60", "59", "1s"), Announced(60, 59, per_minute=True)),
        (("150000", "149984", "6m0s"), Announced(150_000, 149_984, per_minute=False)),
        (("5000", "4999", "12ms"), Announced(5000, 4999, per_minute=True)),
        (("30000", "29999", "2ms"), Announced(30_000, 29_999, per_minute=True)),
        (("10000", "9999", "8.64s"), Announced(10_000, 9_999, per_minute=False)),
        (("14400", "14370", "2m59.56s"), Announced(14_400, 14_370, per_minute=False)),  # Groq, a day's
        (("500", "0", "60s"), Announced(500, 0, per_minute=True)),
        (("500", "500", "0s"), Announced(500, 500, per_minute=True)),
        (("500", "499", None), Announced(500, 499, per_minute=True)),
        (("500", None, None), Announced(500, None, per_minute=True)),
        (("0", "0", "0s"), None),
        (("many", None, None), None),
        (("-5", None, None), None),
        (("", None, None), None),
    ],
)
def test_limit_and_its_period(
    headers: tuple[str, str | None, str | None], expected: Announced | None
) -> None:
    assert told(*headers) == expected


def test_no_headers_no_limit() -> None:
    assert announced({}, "tokens") is None
