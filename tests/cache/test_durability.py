"""Processes: killed, side by side, and starting at the same moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cache.sqlite import SqliteCache
from evalkit.cache.verification import verify
from evalkit.records import Request

WRITER = """
import asyncio, sys
from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.cache.verification import verify
from evalkit.records import Request

path, name, n, side_by_side = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache = SqliteCache(path)

async def put(numbers):
    for number in numbers:
        await cache.put(Request("s", "e", {"w": name, "n": number}), Entry(b"%d" % number, 0.0))
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()

async def main():
    numbers = iter(range(n))
    await asyncio.gather(*(put(numbers) for _ in range(side_by_side)))

asyncio.run(main())
cache.close()
"""


def writer(path: Path, name: str, n: int, side_by_side: int = 8) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n), str(side_by_side)],
        stdout=subprocess.PIPE,
        text=True,
    )


def key(name: str, number: int) -> str:
    return Request("s", "e", {"w": name, "n": number}).key


@pytest.mark.parametrize("seed", range(4))
def test_every_acknowledged_answer_survives_kill_9(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "cache.sqlite"
    with writer(path, "a", 100_000) as process:
        assert process.stdout is not None
        acknowledged = [int(next(process.stdout)) for _ in range(random.Random(seed).randrange(1, 400))]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    cache = SqliteCache(path)
    found = cache.get_many(key("a", number) for number in acknowledged)
    cache.close()
    assert sorted(int(entry.body) for entry in found.values()) == sorted(acknowledged)
    assert verify(path, lambda _: None).clean


def test_two_processes_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with writer(path, "a", 1000) as first, writer(path, "b", 1000) as second:
        for process in (first, second):
            process.communicate(timeout=60)
            assert process.returncode == 0
    cache = SqliteCache(path)
    assert len(cache.get_many(key(name, number) for name in "ab" for number in range(1000))) == 2000
    cache.close()
    assert verify(path, lambda _: None).clean


def test_one_process_killed_does_not_disturb_the_other(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with writer(path, "a", 100_000) as killed, writer(path, "b", 400) as other:
        assert killed.stdout is not None
        for _ in range(50):
            next(killed.stdout)
        killed.send_signal(signal.SIGKILL)
        other.communicate(timeout=60)
        assert other.returncode == 0
        killed.communicate()
    cache = SqliteCache(path)
    assert len(cache.get_many(key("b", number) for number in range(400))) == 400
    cache.close()


OPENER = """
import sys
from evalkit.cache.sqlite import SqliteCache
print("ready", flush=True)
for line in sys.stdin:
    SqliteCache(line.strip()).close()
    print("opened", flush=True)
"""


def test_processes_that_make_the_file_at_the_same_moment_agree(tmp_path: Path) -> None:
    """SQLite's busy time-out does not cover the switch to WAL, so one of them used to fail now and then."""
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        for opener in openers:
            assert opener.stdout is not None
            assert next(opener.stdout) == "ready\n"
        for turn in range(40):
            for opener in openers:
                assert opener.stdin is not None
                opener.stdin.write(f"{tmp_path}/{turn}.sqlite\n")
                opener.stdin.flush()
            for opener in openers:
                assert opener.stdout is not None
                assert opener.stdout.readline() == "opened\n"
    finally:
        for opener in openers:
            opener.communicate()
