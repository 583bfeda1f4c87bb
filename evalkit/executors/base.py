"""What the runner asks of an executor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from evalkit.client.base import Model, Reply
from evalkit.errors import RequestError
from evalkit.executors.halt import Halt
from evalkit.records import Failure, Outcome, Request, Response, Usage, quickly_copied

Keep = Callable[[Request, Reply], Awaitable[None]]
"""Makes a validated answer durable; returns once it is."""


@quickly_copied
@dataclass(frozen=True, slots=True)
class Job:
    """One request and the sample and repeat that it is for; with several choices, the first repeat.

    `prompt_hash` is that of its messages, None where none are sent. `place` is where its outcome stands among
    all of the run, in dataset order; further choices have the next places.
    """

    sample_id: str
    trial: int
    request: Request
    prompt_hash: str | None = None
    place: int = 0

    @property
    def trials(self) -> range:
        """The trials of its choices."""
        return range(self.trial, self.trial + self.request.choices)

    @property
    def places(self) -> range:
        """The places of its choices."""
        return range(self.place, self.place + self.request.choices)


class Budget(Protocol):
    """What a run may spend. Both methods are called in the run's one event loop, once per attempt each."""

    def reserve(self, request: Request) -> bool:
        """Set the worst case of one attempt aside; False, and nothing set aside, when that is too much.

        The executor asks again when an attempt in flight has settled; refused with none in flight, it sends
        nothing further.
        """
        ...

    def settle(self, request: Request, usage: Usage | None) -> None:
        """Replace what `reserve` set aside by what was used: `Usage()` where nothing was charged.

        None where nobody knows (a timeout, a torn body, an interrupt): the worst case counts as spent.
        """
        ...


class Executor(Protocol):
    """Runs jobs."""

    @property
    def timing(self) -> Mapping[str, Any]:
        """What was sent and waited for so far, as plain data for the report's timing; empty for nothing."""
        ...

    def run(
        self, jobs: Iterable[Job], model: Model, keep: Keep, halt: Halt | None = None
    ) -> AsyncGenerator[Outcome, None]:
        """Yield an outcome for each job's every choice, in any order.

        A job holds its slot until `keep` has returned, so a killed process loses at most what was in flight.
        When `halt` is asked for, or an error makes going on pointless, nothing more is sent, and what is in
        flight has a while to be answered; a job that was never asked has a Failure with 0 attempts. Such an
        error is raised at the end, as RunStopped. Closing the generator ends all that still runs.
        """
        ...


def outcomes_of(
    job: Job,
    answers: Sequence[Response | RequestError],
    *,
    latency: float | None = None,
    attempts: int = 1,
    cached: bool = False,
) -> list[Outcome]:
    """Return what became of a job: one outcome a choice, trials counted on from the job's."""
    found = []
    for trial, answer in enumerate(answers, start=job.trial):
        response = failure = None
        if isinstance(answer, RequestError):
            failure = Failure(job.sample_id, trial, answer.kind, answer.message, attempts)
        else:
            response = replace(answer, latency=latency)
        found.append(
            Outcome(
                job.sample_id,
                trial,
                job.request.key,
                response,
                failure,
                cached,
                prompt_hash=job.prompt_hash,
            )
        )
    return found
