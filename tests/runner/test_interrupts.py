"""Killed and interrupted: a process of its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from collecting import kept, run
from fake_openai import FakeOpenAI
from runs import failure_kinds, numbered

from evalkit.cache.sqlite import SqliteCache

SCRIPT = """
import asyncio, os, signal, sys
from runs import executor, model_at, numbered
from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.runner import collect

# A shell's background job, as CI may be one, is started with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, path, n, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache = SqliteCache(path)

def run():
    collect(numbered(n), model_at(url), executor(concurrency), cache, mode=Mode.RW)

async def cell():
    run()

try:
    if "notebook" in sys.argv:  # its loop leaves interrupts to Python
        asyncio.new_event_loop().run_until_complete(cell())
    else:
        run()
except KeyboardInterrupt:
    cache.close()
    sys.stderr.flush()
    os._exit(130)  # the notebook's own loop stays open
cache.close()
"""
N, ANSWERED, CONCURRENCY = 60, 25, 6


def started(server: FakeOpenAI, path: Path, *more: str) -> subprocess.Popen[str]:
    """A run whose first requests are answered, and whose next ones stay in flight."""
    server.settings.latency = lambda index: 0.0 if index < ANSWERED else 3600.0
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            SCRIPT,
            server.base_url,
            str(path),
            str(N),
            str(CONCURRENCY),
            *more,
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.PIPE,
        text=True,
    )
    server.wait(received=ANSWERED + CONCURRENCY, in_flight=CONCURRENCY, timeout=30)
    return process


@pytest.mark.parametrize(
    ("how", "code", "where"),
    [
        (signal.SIGKILL, -signal.SIGKILL, "shell"),
        (signal.SIGINT, 130, "shell"),
        (signal.SIGINT, 130, "notebook"),
    ],
)
def test_ended_run_goes_on_and_asks_only_for_what_was_in_flight(
    how: signal.Signals, code: int, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    with FakeOpenAI() as server:
        process = started(server, path, where)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (code, "")
        server.wait(in_flight=0)

        server.settings.latency = 0.0
        cache = SqliteCache(path)
        assert kept(cache) == ANSWERED
        collected = run(server, numbered(N), cache)
        cache.close()
        assert server.count == N + CONCURRENCY
    assert failure_kinds(collected) == [None] * N
    assert sum(outcome.cached for outcome in collected.outcomes) == ANSWERED


@pytest.mark.parametrize("seed", range(3))
def test_run_killed_at_any_moment_loses_at_most_what_was_in_flight(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with FakeOpenAI(latency=0.002) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, server.base_url, str(path), "500", str(CONCURRENCY)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        server.wait(received=random.Random(seed).randrange(20, 400), timeout=30)
        process.kill()
        process.wait(30)
        server.wait(in_flight=0)
        server.settings.latency = 0.0
        cache = SqliteCache(path)
        collected = run(server, numbered(500), cache)
        cache.close()
        assert server.count <= 500 + CONCURRENCY
    assert failure_kinds(collected) == [None] * 500
