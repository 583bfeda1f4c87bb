"""What is run, within which limits, and what became of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    `seconds` of wall clock for the program and its test together (CPU time is bounded alike), `memory` and
    `files` in megabytes (address space of each process; everything that it writes), `processes` at once.
    """

    seconds: float = 10.0
    memory: int = 512
    files: int = 16
    processes: int = 16

    @property
    def of_system(self) -> dict[str, int]:
        """The limits as the kernel knows them, by the name of the resource."""
        return {
            "AS": self.memory * MEGABYTE,
            "CPU": int(self.seconds) + 1,
            "FSIZE": self.files * MEGABYTE,
            "NPROC": self.processes,
            "NOFILE": 64,
            "CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """A program and its test.

    `before` is executed in the program's namespace first; `imports` are statements of the sample's own that
    the test's names start from; `entry_point` is the
    function that the test is about; `check` is the function of the test to be called with it, None where
    the test's statements do it themselves.
    """

    program: str
    test: str
    before: str = ""
    imports: str = ""
    entry_point: str | None = None
    check: str | None = None

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of everything that is executed."""
        return hashlib.sha256(json.dumps(asdict(self)).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program passed its test; `reason` says why it did not."""

    passed: bool
    reason: str = ""
