"""Many programs and their tests at a time, verdicts in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from queue import SimpleQueue
from typing import IO, Any

from evalkit.errors import SandboxError
from evalkit.sandbox.base import Job, Limits, Verdict
from evalkit.sandbox.isolation import REMEDY, Isolation

# The test's process calls for every answer; it needs no children and writes no files.
OF_TEST = {"NPROC": 1, "FSIZE": 0}
STARTS = 3  # tries to start a sandbox, before the machine is said to be unable
SHOWN = 300  # characters of what a sandbox that does not start says
# Waiting for the two to end by themselves is no part of the program's time.
PROBE = Job("def answer():\n    return 42\n", "assert answer() == 42", entry_point="answer")


@dataclass
class Sandbox:
    """Runs jobs, each in two processes that `isolation` shuts in."""

    isolation: Isolation
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self._source = files("evalkit.sandbox").joinpath("guest.py").read_text("utf-8")
        self._checked = False

    def check(self) -> None:
        """Raise SandboxError unless a program really runs here; looked at once."""
        if self._checked:
            return
        self.isolation.check()
        verdict = self.run([PROBE])[0]
        if not verdict.passed:
            raise SandboxError(
                f"the sandbox does not run a program that is right ({verdict.reason}): {REMEDY}"
            )
        self._checked = True

    def run(self, jobs: Sequence[Job]) -> list[Verdict]:
        """Return the verdicts in the jobs' order; as many at a time as there are processors."""
        if not jobs:
            return []
        workers = min(len(jobs), _processors())
        # A worker's two processes have users of their own, so that limits by user are theirs alone.
        free: SimpleQueue[int] = SimpleQueue()
        for slot in range(0, 2 * workers, 2):
            free.put(slot)
        local = threading.local()

        def one(job: Job) -> Verdict:
            if not hasattr(local, "slot"):
                local.slot = free.get()
            return self._verdict(job, local.slot)

        with ThreadPoolExecutor(workers, "sandbox") as pool:
            return list(pool.map(one, jobs))

    def _verdict(self, job: Job, slot: int) -> Verdict:
        trouble = ""
        for _ in range(STARTS):
            try:
                with ExitStack() as stack:
                    answer, trouble = self._once(job, slot, stack)
            except OSError as error:
                raise SandboxError(f"the sandbox cannot be started ({error}): {REMEDY}") from None
            if answer is not None:
                return answer
        raise SandboxError(f"the sandbox does not start ({trouble or 'it says nothing'}): {REMEDY}")

    def _once(self, job: Job, slot: int, stack: ExitStack) -> tuple[Verdict | None, str]:
        """Return the verdict, or None and what the sandbox said when it did not come to run anything."""
        to_test, from_program = os.pipe()
        to_program, from_test = os.pipe()
        program = self._start(slot, (), stdin=to_program, stdout=from_program, stderr=subprocess.PIPE)
        stack.callback(_end, program)
        ours = (to_test, from_test)
        test = self._start(
            slot + 1, ours, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stack.callback(_end, test)
        for descriptor in (to_test, from_test, to_program, from_program):
            os.close(descriptor)
        limits = self.limits.of_system
        order = {**asdict(job), "limits": limits, "own_limits": limits | OF_TEST}
        try:
            out, said = test.communicate(json.dumps(order).encode("ascii"), timeout=self.limits.seconds)
        except subprocess.TimeoutExpired:
            return Verdict(passed=False, reason=f"timed out after {self.limits.seconds:g} s"), ""
        _kill(program)
        found = _read(out)
        if found is None or found.get("broken"):
            return None, _first_line(said if found is None else _rest(program.stderr))
        if "passed" not in found:
            return Verdict(passed=False, reason="the test ended without a verdict"), ""
        return Verdict(passed=found["passed"] is True, reason=str(found.get("reason", ""))), ""

    def _start(self, slot: int, ours: Sequence[int], **streams: Any) -> subprocess.Popen[bytes]:
        words = [
            *self.isolation.command(self.limits.files, slot),
            # Like -I, but that would leave PYTHONHASHSEED unread; there is no other variable.
            "-P",
            "-s",
            "-S",
            "-c",
            self._source,
            *map(str, ours),
        ]
        return subprocess.Popen(  # noqa: S603 - the words are ours
            words, pass_fds=ours, close_fds=True, **streams, **self.isolation.options
        )


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and, where it has a session of its own, all that it started; close its streams."""
    _kill(process)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(OSError):
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
    process.wait()


def _read(out: bytes) -> Mapping[str, Any] | None:
    """Return what the test's process wrote; None when it never came to run."""
    lines = out.splitlines()
    return {key: one for line in lines for key, one in json.loads(line).items()} if lines else None


def _rest(stream: IO[bytes] | None) -> bytes:
    return stream.read(SHOWN) if stream is not None else b""


def _first_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:SHOWN] if lines else ""
