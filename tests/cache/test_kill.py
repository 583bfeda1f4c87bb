"""Whole runs, killed with SIGKILL: benchmarks/speed/kill.py does fifty rounds of this."""

from __future__ import annotations

import random
from pathlib import Path

from fake_openai import FakeOpenAI
from killing import kill_round


def test_killed_runs_lose_no_committed_answer_and_ask_again_only_what_was_in_flight(tmp_path: Path) -> None:
    rng = random.Random(5)
    with FakeOpenAI(answer="yes", latency=0.01, keep_bodies=False) as server:
        rounds = [kill_round(server, tmp_path, f"round {number}", rng, samples=60) for number in range(3)]
    assert [one for one in rounds if not one.good] == []
    assert sum(one.committed for one in rounds) > 0
