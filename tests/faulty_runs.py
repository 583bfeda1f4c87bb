"""Whole runs of the command line against a server that misbehaves: what came of each sample, at what cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from commands import Commands, Ran, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan

from evalkit.cache.sqlite import SqliteCache

CACHE = Path(".evalkit/cache.sqlite")
# No wait is longer than a second, no attempt longer than the second below.
SETTINGS = (
    *("task=qa", "dataset=jsonl", "dataset.path=samples.jsonl", "dataset.id=id", "dataset.target=target"),
    *("dataset.input.question=question", "metrics=[exact_match]", "resamples=10"),
    *("executor.attempts=3", "model.timeout=1"),
)


@dataclass(frozen=True)
class Asked:
    """One run: the command's output, report and samples, and how often each sample was asked for."""

    ran: Ran
    report: dict[str, Any]
    samples: dict[str, dict[str, Any]]
    requests: Counter[str]

    @property
    def failures(self) -> dict[str, tuple[str, int]]:
        """Kind and attempts of each sample that failed."""
        found = {name: one.get("failure") for name, one in self.samples.items()}
        return {name: (one["kind"], one["attempts"]) for name, one in found.items() if one is not None}

    @property
    def outputs(self) -> dict[str, str]:
        """The text of each sample that was answered."""
        return {name: one["output"] for name, one in self.samples.items() if not one.get("failure")}

    @property
    def kept(self) -> set[str]:
        """The samples that have an entry in the cache."""
        return kept(self.samples)


def samples(names: Iterable[str]) -> None:
    """Write the data set of the next runs: one question for each name."""
    rows = ({"id": name, "question": f"question {name};", "target": "yes"} for name in names)
    write_lines(Path("samples.jsonl"), *rows)


def ask(evalkit: Commands, server: FakeOpenAI, *words: str) -> Asked:
    """Run to a report."""
    before = server.count
    ran = stopped(evalkit, server, *words)
    found = {one["id"]: one for one in evalkit.samples()}
    return Asked(ran, evalkit.report(), found, requests(server, since=before))


def stopped(evalkit: Commands, server: FakeOpenAI, *words: str) -> Ran:
    """Run, maybe to no report."""
    return evalkit(*asking(server, *SETTINGS, *words))


def requests(server: FakeOpenAI, since: int = 0) -> Counter[str]:
    """How many requests came for each sample."""
    return Counter(sample_of(one.body) for one in server.requests[since:])


def sample_of(body: dict[str, Any]) -> str:
    """The name of the sample that a request asks about."""
    found = re.search(r"question (.*);", body["messages"][-1]["content"])
    assert found, body
    return found[1]


def kept(found: dict[str, dict[str, Any]]) -> set[str]:
    """Which of a run's samples have an entry in the cache."""
    cache = SqliteCache(CACHE, read_only=True)
    try:
        entries = cache.get_many(one["request_key"] for one in found.values())
    finally:
        cache.close()
    return {name for name, one in found.items() if one["request_key"] in entries}


def lasting(faults: dict[str, Fault]) -> FaultPlan:
    """Each named sample meets its fault at every attempt."""
    return reduce(
        or_, (FaultPlan.matching(f"question {name};", fault, always=True) for name, fault in faults.items())
    )
