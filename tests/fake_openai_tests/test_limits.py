"""The buckets against hand-worked numbers."""

import orjson
import pytest
from fake_openai import RateLimits
from fake_openai.limits import go_duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def body(words: int, **params: object) -> dict[str, object]:
    return {"model": "gpt-4", "messages": [{"role": "user", "content": "w " * words}], **params}


def test_requests_refill_continuously() -> None:
    clock = Clock()
    limits = RateLimits(rpm=60, burst=2.0, clock=clock)
    assert [limits.admit(body(1)) is None for _ in range(3)] == [True, True, False]
    clock.now = 1.0
    assert limits.admit(body(1)) is None
    refused = limits.admit(body(1))
    assert refused is not None
    assert (refused.status, refused.headers["retry-after"], refused.headers["retry-after-ms"]) == (
        429,
        "1",
        "1000",
    )


def test_tokens_reserve_prompt_and_output_limit() -> None:
    clock = Clock()
    limits = RateLimits(tpm=600, clock=clock)
    assert limits.admit(body(100, max_tokens=150, n=2)) is None
    assert limits.headers() == {
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "200",
        "x-ratelimit-reset-tokens": "40s",
    }
    refused = limits.admit(body(205))
    assert refused is not None
    assert refused.headers["retry-after-ms"] == "500"
    assert orjson.loads(refused.body)["error"]["type"] == "tokens"
    clock.now = 0.5
    assert limits.admit(body(205)) is None


def test_a_request_above_the_whole_bucket_gets_no_retry_after() -> None:
    refused = RateLimits(tpm=600, clock=Clock()).admit(body(601))
    assert refused is not None
    assert "retry-after" not in refused.headers
    assert b"Request too large" in refused.body


def test_a_refused_request_costs_nothing() -> None:
    limits = RateLimits(rpm=10, tpm=600, clock=Clock())
    assert limits.admit(body(500)) is None
    assert limits.admit(body(200)) is not None
    assert limits.headers()["x-ratelimit-remaining-requests"] == "9"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.017, "17ms"), (8.64, "8.64s"), (72.5, "1m12.5s"), (360, "6m0s"), (3661, "1h1m1s")],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
