"""Rate limits as the real server enforces and announces them.

The real API refills each minute's allowance continuously and answers 429 with `Retry-After`, its
millisecond twin, and six `x-ratelimit-*` headers, whose `reset` values are Go durations ("1m12.5s",
"17ms"). It reserves the prompt's estimated tokens plus the output limit before it answers.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from fake_openai import tokens
from fake_openai.payloads import Body, Payload, error_object, json_payload


@dataclass
class _Bucket:
    """`level` of `capacity` left; refills by `rate` a second."""

    limit: int
    capacity: float
    rate: float
    level: float
    updated: float

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.updated) * self.rate)
        self.updated = now

    def wait(self, amount: float) -> float:
        """Seconds until `amount` is there: 0 when it is (a float's rounding is forgiven)."""
        return max(0.0, amount - self.level - 1e-9) / self.rate


class RateLimits:
    """Token buckets for requests and tokens per minute; `burst` is the capacity in seconds' worth.

    A refused request costs nothing. The caller serialises calls (the server's one loop does).
    """

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        *,
        burst: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rpm, self.tpm, self.burst = rpm, tpm, burst
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Fill the buckets."""
        now = self._clock()
        self._requests = self._bucket(self.rpm, now)
        self._tokens = self._bucket(self.tpm, now)

    def _bucket(self, limit: int | None, now: float) -> _Bucket | None:
        if limit is None:
            return None
        capacity = max(1.0, limit * self.burst / 60)
        return _Bucket(limit, capacity, limit / 60, capacity, now)

    def admit(self, body: Body) -> Payload | None:
        """Take the request's share, or give the 429 that refuses it."""
        now = self._clock()
        asked = ((self._requests, 1.0), (self._tokens, float(_reserved(body)) if self._tokens else 0.0))
        waits: list[float] = []
        for bucket, amount in asked:
            if bucket is not None:
                bucket.refill(now)
                if amount > bucket.capacity:
                    return _too_large(body, bucket, amount)
            waits.append(bucket.wait(amount) if bucket is not None else 0.0)
        if max(waits) > 0:
            kind = "requests" if waits[0] >= waits[1] else "tokens"
            bucket, amount = asked[0] if kind == "requests" else asked[1]
            assert bucket is not None
            return _refusal(body, kind, bucket, amount)
        for bucket, amount in asked:
            if bucket is not None:
                bucket.level -= amount
        return None

    def headers(self) -> dict[str, str]:
        """The six headers for the state now; only those whose limit is set."""
        now = self._clock()
        found: dict[str, str] = {}
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                bucket.refill(now)
                found[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
                found[f"x-ratelimit-remaining-{name}"] = str(int(bucket.level + 1e-9))
                found[f"x-ratelimit-reset-{name}"] = go_duration(bucket.wait(bucket.capacity))
        return found


def _reserved(body: Body) -> int:
    choices = body.get("n")
    n = choices if isinstance(choices, int) else 1
    return tokens.prompt_tokens(body) + n * (tokens.output_limit(body) or 0)


def _refusal(body: Body, kind: str, bucket: _Bucket, amount: float) -> Payload:
    wait = bucket.wait(amount)
    short = {"requests": "RPM", "tokens": "TPM"}[kind]
    used = bucket.capacity - bucket.level
    message = (
        f"Rate limit reached for {body.get('model')} in organization org-fake on {kind} per min ({short}): "
        f"Limit {bucket.limit}, Used {math.ceil(used)}, Requested {amount:.0f}. "
        f"Please try again in {go_duration(wait)}."
    )
    headers = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
    return json_payload(
        error_object(message, kind=kind, code="rate_limit_exceeded"), status=429, headers=headers
    )


def _too_large(body: Body, bucket: _Bucket, amount: float) -> Payload:
    """More than a full bucket: waiting never helps, and the real server sends no Retry-After."""
    message = (
        f"Request too large for {body.get('model')} in organization org-fake on tokens per min (TPM): "
        f"Limit {bucket.limit}, Requested {amount:.0f}. The input or output tokens must be reduced."
    )
    return json_payload(error_object(message, kind="tokens", code="rate_limit_exceeded"), status=429)


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, to the millisecond: "0s", "17ms", "8.64s", "1m12.5s"."""
    milliseconds = math.ceil(seconds * 1000 - 1e-6)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{rest / 1000:g}s"
