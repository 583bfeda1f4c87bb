"""What an executor did, for the report's timing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Trace:
    """Counts attempts and waits over an executor's runs; keeps the last one's concurrency."""

    attempts: int = 0
    failed_attempts: Counter[str] = field(default_factory=Counter)
    limit_seconds: float = 0.0
    limits: Mapping[str, int] = field(default_factory=dict)
    concurrency: Sequence[tuple[float, int]] = ()
    cuts: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """As plain data; empty when nothing was sent.

        `limit_seconds` are summed over requests, which wait side by side; `concurrency` is the allowed number
        in flight by seconds since the run began.
        """
        if not self.attempts:
            return {}
        return {
            "attempts": self.attempts,
            "failed_attempts": dict(sorted(self.failed_attempts.items())),
            "limits": dict(self.limits),
            "limit_seconds": round(self.limit_seconds, 3),
            "concurrency": [[round(seconds, 3), limit] for seconds, limit in self.concurrency],
            "concurrency_cuts": self.cuts,
        }
