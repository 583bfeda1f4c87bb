"""Rounds of kill -9: two `evalkit run` processes on one cache file, killed and then run again."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache.verification import verify

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

NAMES = ("a", "b")


@dataclass(frozen=True)
class Round:
    """What one round counted.

    `committed` answers were seen in the file by a reader just before the kill, `lost` are those of them that
    are not there after it. `in_flight` requests had reached the server and have no answer in the file.
    `asked_again` of them were sent a second time by the next run. `clean`: every entry verifies after
    the kill and after the next run.
    """

    committed: int
    lost: int
    in_flight: int
    asked_again: int
    allowed: int
    clean: bool

    @property
    def good(self) -> bool:
        """No answer was lost, none but those in flight asked again, and the file is sound."""
        return not self.lost and self.asked_again <= self.in_flight <= self.allowed and self.clean


def kill_round(
    server: FakeOpenAI,
    folder: Path,
    name: str,
    rng: random.Random,
    *,
    samples: int = 150,
    concurrency: int = 8,
) -> Round:
    """Start both processes on new questions, kill them at a random request, run them again to the end.

    A server with faults may answer with errors: these requests do not count.
    """
    cache = folder / "cache.sqlite"
    for one in NAMES:
        rows = ({"question": f"{name}, {one}, {number}?", "target": "yes"} for number in range(samples))
        (folder / f"{one}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before, start, arrived = _keys(cache), _asked(server), server.count
    processes = [_start(server, folder, one, concurrency) for one in NAMES]
    server.wait(received=arrived + rng.randrange(1, 2 * samples - 2 * concurrency), timeout=60)
    committed = _keys(cache)
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
    server.wait(in_flight=0)
    kept, received = _keys(cache), _asked(server) - start
    clean = verify(cache, lambda _: None).clean
    for one in NAMES:
        process = _start(server, folder, one, concurrency)
        if process.wait(120):
            raise RuntimeError((folder / f"{one}.log").read_text())
    clean = clean and verify(cache, lambda _: None).clean
    return Round(
        committed=len(committed - before),
        lost=len(committed - kept),
        in_flight=received - len(kept - before),
        asked_again=_asked(server) - start - 2 * samples,
        allowed=2 * concurrency,
        clean=clean and len(_keys(cache) - before) == 2 * samples,
    )


def _asked(server: FakeOpenAI) -> int:
    """How many requests came that got no error: they were answered, or cut off on the way."""
    return server.count - sum(
        number for status, number in server.statuses.items() if status not in {200, None}
    )


def _start(server: FakeOpenAI, folder: Path, name: str, concurrency: int) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "evalkit", "run", "task=qa", "dataset=jsonl", f"dataset.path={name}.jsonl"),
        *("dataset.target=target", "dataset.input.question=question", "metrics=[exact_match]"),
        *("model=openai", "model.name=killed", f"model.base_url={server.base_url}", "resamples=10"),
        *("cache.path=cache.sqlite", f"executor.concurrency={concurrency}", f"results_dir=results-{name}"),
    ]
    environment = {**os.environ, "OPENAI_API_KEY": "sk-planted-8f2b61c09d4e7a35"}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)


def _keys(cache: Path) -> set[bytes]:
    """What a reader of its own finds committed."""
    if not cache.exists():
        return set()
    with closing(sqlite3.connect(cache, timeout=30)) as file:
        if not file.execute("SELECT 1 FROM sqlite_schema").fetchall():
            return set()
        return {key for (key,) in file.execute("SELECT key FROM entries")}
