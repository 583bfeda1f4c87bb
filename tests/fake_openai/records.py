"""What the server received, readable from any thread while it runs."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fake_openai.payloads import Body


@dataclass(frozen=True, slots=True)
class Received:
    """One request. Times are `time.monotonic()`; header names are lower case, the key is kept.

    `ended` is None while it runs; `status` is None when no HTTP response was sent whole (dropped, or
    the client went away). `fault` names the fault that it met.
    """

    index: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Body
    started: float
    ended: float | None = None
    status: int | None = None
    fault: str | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to close one record; void after a reset."""

    index: int
    generation: int


class Recorder:
    """Counts always; keeps whole requests only when asked, so that load runs stay small."""

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self._changed = threading.Condition()
        self._generation = 0
        self._in_flight = 0
        self._clear()

    def _clear(self) -> None:
        self._requests: list[Received] = []
        self._statuses: Counter[int | None] = Counter()
        self._count = 0
        self._max_in_flight = self._in_flight

    def reset(self) -> None:
        """Forget what was received; requests still running stay in flight but leave no record."""
        with self._changed:
            self._generation += 1
            self._clear()

    def begin(
        self, method: str, path: str, headers: Mapping[str, str], body: Body, query: str = ""
    ) -> Ticket:
        with self._changed:
            index = self._count
            self._count += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
            if self.keep:
                kept = {name.lower(): value for name, value in headers.items()}
                received = Received(index, method, path, kept, body, time.monotonic(), query=query)
                self._requests.append(received)
            self._changed.notify_all()
            return Ticket(index, self._generation)

    def end(self, ticket: Ticket, status: int | None, fault: str | None) -> None:
        with self._changed:
            self._in_flight -= 1
            if ticket.generation == self._generation:
                self._statuses[status] += 1
                if self.keep:
                    open_record = self._requests[ticket.index]
                    closed = replace(open_record, ended=time.monotonic(), status=status, fault=fault)
                    self._requests[ticket.index] = closed
            self._changed.notify_all()

    def wait(self, *, received: int | None, in_flight: int | None, timeout: float) -> None:
        """Block until at least that many were received, and exactly that many are running."""

        def reached() -> bool:
            enough = received is None or self._count >= received
            return enough and (in_flight is None or self._in_flight == in_flight)

        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise TimeoutError(
                    f"after {timeout} s the fake server has received {self._count} requests "
                    f"(waited for {received}) with {self._in_flight} in flight (waited for {in_flight})"
                )

    @property
    def requests(self) -> list[Received]:
        with self._changed:
            return list(self._requests)

    @property
    def statuses(self) -> dict[int | None, int]:
        with self._changed:
            return dict(self._statuses)

    @property
    def count(self) -> int:
        return self._count

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def max_in_flight(self) -> int:
        return self._max_in_flight
