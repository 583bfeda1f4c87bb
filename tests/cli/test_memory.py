"""Large arrays that are let go are the system's again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Arrays of 5 MB with something small between them, so that the heap cannot shrink; one of 20 MB before.
SCRIPT = """
import sys
from evalkit.cli.memory import give_back

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024

if sys.argv[1] == "yes":
    give_back()
large = bytearray(b"x") * (20 * 2**20)
del large
before = resident()
arrays, small = [], []
for number in range(20):
    arrays.append(bytearray(b"x") * (5 * 2**20))
    small.append(bytearray(b"y") * 5000)
del arrays
print(resident() - before)
"""


def left(asked: str) -> float:
    """Return the MB that are still held of 100 that were let go."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, asked], capture_output=True, text=True, check=True)
    return float(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_large_arrays_leave_no_holes() -> None:
    assert left("yes") < 10
    assert left("no") > 50  # else there is nothing to do
