"""What a child process takes, from the kernel's own account of it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# ru_maxrss is in KB on Linux and in bytes on macOS.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
SHOWN = 2000  # characters of the output of a command that failed


@dataclass(frozen=True)
class Usage:
    """CPU (user + system) and wall seconds of a whole process, its peak of resident bytes, when it started.

    The children that it waited for are part of it. `started` is by the machine's monotonic clock.
    """

    cpu: float
    wall: float
    peak: int
    started: float


def run(command: Sequence[str], folder: Path) -> Usage:
    """Run a command in `folder` to its end; its output goes to `output.txt` there. Exits where it fails.

    A child's peak counts from its parent's at the fork: whoever calls this stays small (no numpy).
    """
    output = folder / "output.txt"
    with output.open("wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        shown = output.read_text("utf-8", "replace")[-SHOWN:]
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{shown}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * RSS_UNIT, started)
