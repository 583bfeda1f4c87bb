"""Whether a failed request is asked again, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from evalkit.errors import RequestError

FIRST_WAIT = 0.5  # seconds at most before the second attempt, doubled for each further one
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Again:
    """When to ask again: after `pause` seconds of our own and the `wish` of the server."""

    pause: float
    wish: float = 0.0

    @property
    def seconds(self) -> float:
        """The whole wait."""
        return self.wish + self.pause


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts`, the last begun within `deadline` seconds of the first.

    Waits grow exponentially with full jitter (Brooker, "Exponential backoff and jitter", AWS, 2015). What the
    server asks to wait comes on top: it is honoured at any length that the run's rest allows, and does not
    count towards the deadline.
    """

    attempts: int = 10
    deadline: float = 600.0

    def decide(
        self, error: RequestError, attempt: int, *, spent: float, left: float, rng: random.Random
    ) -> Again | str:
        """Return when to ask again, or why not; empty where the error itself says it.

        `attempt` counts from 1; `spent` is how many seconds it has been tried, without the server's wishes,
        `left` how many the run has.
        """
        if not error.retryable:
            return ""
        wish = error.retry_after or 0.0
        if wish > left:
            return f"the server asks to wait {wish:.0f} s, longer than executor.run_deadline leaves"
        if attempt >= self.attempts:
            return ""
        if spent >= self.deadline:
            return f"tried for {spent:.0f} s, longer than executor.deadline={self.deadline:g}"
        # Clipped, so that one attempt more is made at the deadline.
        again = Again(min(rng.uniform(0, ceiling(attempt)), self.deadline - spent), wish)
        return again if again.seconds < left else "executor.run_deadline leaves no time for another attempt"


def ceiling(attempt: int) -> float:
    """Seconds that the wait after this attempt stays below."""
    # The exponent is held down: 2.0**1024 overflows.
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 10))
