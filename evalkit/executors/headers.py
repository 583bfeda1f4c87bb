"""Rate limits as servers announce them: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "x-ratelimit"
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
RESOLUTION = 0.001  # seconds that a `reset` may be rounded up by
ABOUT_A_MINUTE = 90.0


@dataclass(frozen=True, slots=True)
class Announced:
    """One limit as a response's headers tell it; `per_minute` unless they show a longer period."""

    limit: int
    remaining: int | None
    per_minute: bool


def announced(headers: Mapping[str, str], name: str) -> Announced | None:
    """Return the limit for "requests" or "tokens"; None where the headers tell none.

    The headers do not say what period a limit is about: OpenAI announces requests per day to accounts of the
    lower tiers and per minute to others. A bucket that refills evenly tells by how long it takes to fill:
    `reset` seconds for what is used.
    """
    limit = _whole(headers.get(f"{PREFIX}-limit-{name}"))
    if not limit:
        return None
    remaining = _whole(headers.get(f"{PREFIX}-remaining-{name}"))
    reset = seconds(headers.get(f"{PREFIX}-reset-{name}", ""))
    per_minute = True
    if remaining is not None and reset is not None and remaining < limit:
        per_minute = (reset - RESOLUTION) * limit / (limit - remaining) <= ABOUT_A_MINUTE
    return Announced(limit, remaining, per_minute)


def seconds(text: str) -> float | None:
    """Read a duration as Go prints it ("6m0s", "17ms", "8.64s"), or plain seconds; None for anything else."""
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * UNITS[unit] for number, unit in parts)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
