"""Runs from a task to its outcomes: cache, executor, client and a real HTTP server together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runs import executor, model_at

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.records import Outcome
from evalkit.runner import Collected, Progress, collect
from evalkit.task import Task

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

STATUSES = ["408", "409", "429", "500", "502", "503", "529"]
WIRE = ["drop_before", "drop_in_body", "garbage_wire"]
BODIES = ["truncated_json", "html_200", "empty_200", "error_200", "garbage_bytes", "invalid_utf8"]
SHAPES = ["choices_null", "no_choices", "missing_message"]
RETRYABLE = [*STATUSES, *WIRE, *BODIES, *SHAPES]


def run(
    server: FakeOpenAI,
    task: Task,
    cache: SqliteCache | None = None,
    *,
    mode: Mode = Mode.RW,
    trials: int = 1,
    listen: Callable[[Progress], None] = lambda _: None,
    concurrency: int = 8,
    attempts: int = 5,
    **more: Any,
) -> Collected:
    """Collect a task's outcomes from the server; `more` are options of the executor."""
    chosen = executor(concurrency, attempts, **more)
    model = model_at(server, connections=concurrency)
    return collect(task, model, chosen, cache, mode=mode, trials=trials, listen=listen)


def kept(cache: SqliteCache) -> int:
    with sqlite3.connect(cache.path) as file:
        [(count,)] = file.execute("SELECT count(*) FROM entries").fetchall()
    file.close()
    return int(count)


def bare(outcome: Outcome) -> Outcome:
    """What must come back from the cache: everything but the flag."""
    return replace(outcome, cached=False)
