"""Two processes on one cache file, a server that fails now and then, and kill -9."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, FaultPlan
from faulty_runs import SETTINGS, samples
from killing import kill_round

from evalkit.cache.verification import verify

STATUSES = ["429", "500", "503", "529"]


def test_two_processes_finish_the_same_work_through_faults(tmp_path: Path, evalkit: object) -> None:
    """Each asks the same 200 questions at the same time; whatever both ask, they agree and lose nothing."""
    names = [f"s{number}" for number in range(200)]
    samples(names)
    plan = FaultPlan.seeded(1, 0.3, [*STATUSES, "drop_before", "drop_in_body", "truncated_json"])
    with FakeOpenAI(faults=plan, keep_bodies=False) as server:
        processes = [start(server, f"results-{number}") for number in range(2)]
        said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    one, other = (outputs(tmp_path / f"results-{number}") for number in range(2))
    assert one == other
    assert len(one) == len(names)
    assert verify(tmp_path / ".evalkit" / "cache.sqlite", lambda _: None).clean


def test_killed_runs_lose_nothing_while_the_server_fails(tmp_path: Path) -> None:
    check_rounds(tmp_path, rounds=1, seed=9)


@pytest.mark.chaos
def test_killed_runs_lose_nothing_in_many_rounds(tmp_path: Path) -> None:
    check_rounds(tmp_path, rounds=5, seed=5)


def check_rounds(folder: Path, *, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    plan = FaultPlan.seeded(seed, 0.3, STATUSES)
    with FakeOpenAI("yes", latency=0.01, faults=plan, keep_bodies=False) as server:
        found = [kill_round(server, folder, f"round {n}", rng, samples=60) for n in range(rounds)]
    assert [one for one in found if not one.good] == []
    assert sum(one.committed for one in found) > 0
    assert sum(one.in_flight for one in found) > 0


def start(server: FakeOpenAI, results: str) -> subprocess.Popen[str]:
    words = ("run", *SETTINGS, "model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}")
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words, f"results_dir={results}", "executor.attempts=10"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(results: Path) -> list[tuple[str, str]]:
    [path] = results.rglob("samples.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(row["id"], row["output"]) for row in rows]
