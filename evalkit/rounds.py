"""The questions that are asked together, and which of them have their answers."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evalkit.executors.base import Job
from evalkit.later import np
from evalkit.outcomes import Keys
from evalkit.spool import Spool

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Round:
    """The questions that are asked next: those that are not in the cache, by number, and which have outcomes.

    Of identical requests (equal samples) the first is asked, and the others share its answers. `choices`
    counts the answers that all questions are to have, `found` those that were in the cache.
    """

    def __init__(self) -> None:
        self.jobs: Spool[Job] = Spool()
        self.choices = self.found = 0
        self._keys = Keys()
        self._firsts: NDArray[np.intp] | None = None
        self._done = bytearray()

    def add(self, job: Job) -> None:
        """Take in one that must be asked."""
        self._keys.add(job.request.key)
        self._done.append(False)
        self.jobs.append(job)

    def complete(self) -> None:
        """All are there: now it is known which are identical."""
        self._firsts = None if self._keys.differ else self._keys.firsts()
        self._keys = Keys()

    def first(self, number: int) -> int:
        """Return the number of the first question that asks the same."""
        return number if self._firsts is None else int(self._firsts[number])

    def at(self, numbers: Sequence[int]) -> Iterator[tuple[int, Job]]:
        """Yield questions with their numbers."""
        if len(numbers) == len(self.jobs):
            return enumerate(self.jobs)
        return ((number, self.jobs[number]) for number in numbers)

    def end(self, number: int) -> None:
        """A question has its outcomes."""
        self._done[number] = True

    @property
    def open(self) -> Sequence[int]:
        """The questions without an outcome, in order."""
        if not any(self._done):
            return range(len(self.jobs))
        found = np.flatnonzero(np.frombuffer(self._done, dtype=bool) == 0)
        return array("I", found.astype(np.uint32).tobytes())

    @property
    def to_ask(self) -> Sequence[int]:
        """Those of them that ask what none before them does."""
        if self._firsts is None:
            return self.open
        return array("I", (number for number in self.open if self._firsts[number] == number))
