"""What the runner asks of an executor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from evalkit.client.base import Model, Reply
from evalkit.records import Outcome, Request

Keep = Callable[[Request, Reply], Awaitable[None]]
"""Makes a validated answer durable; returns once it is."""


@dataclass(frozen=True, slots=True)
class Job:
    """One request and the sample and repeat that it is for."""

    sample_id: str
    trial: int
    request: Request


class Executor(Protocol):
    """Runs jobs."""

    def run(self, jobs: Iterable[Job], model: Model, keep: Keep) -> AsyncGenerator[Outcome, None]:
        """Yield an outcome for each job, in any order; RunStopped when going on is pointless.

        A job holds its slot until `keep` has returned, so a killed process loses at most what was in flight.
        Closing the generator ends all that still runs.
        """
        ...
