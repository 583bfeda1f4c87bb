"""What a run does for a thousand answers, counted: seconds differ by machine, counts do not."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from entries import numbered_entries

from evalkit import spool
from evalkit.cache.score_file import LARGEST, ScoreFile
from evalkit.cache.sqlite import SqliteCache

if TYPE_CHECKING:
    from commands import Commands
    from fake_openai import FakeOpenAI

METRICS = "metrics=[exact_match]"
MOST_CALLS = 330  # Python functions called for one cached answer, from its row to its line in samples.jsonl


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every SQL statement of this process from now on."""
    seen: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return seen


def transactions(statements: Sequence[str]) -> int:
    return sum(one.startswith("BEGIN") for one in statements)


def test_answers_that_wait_together_are_committed_together(tmp_path: Path, statements: list[str]) -> None:
    async def put_all(cache: SqliteCache) -> None:
        await asyncio.gather(*(cache.put(*one) for one in numbered_entries(1000)))

    cache = SqliteCache(tmp_path / "cache.sqlite")
    asyncio.run(put_all(cache))
    cache.close()
    assert transactions(statements) < 40  # 1,000 if each had its own


def test_many_commits_go_into_the_log_before_it_is_brought_into_the_file(tmp_path: Path) -> None:
    """Each entry of a large cache lies on pages of its own, which are written once for each such time."""
    path = tmp_path / "cache.sqlite"
    cache = SqliteCache(path)
    body = random.Random(0).randbytes(100_000)  # zstd cannot make it smaller

    async def put_all() -> None:
        for number, (request, entry) in enumerate(numbered_entries(60)):
            await cache.put(request, replace(entry, body=b"%d" % number + body))

    asyncio.run(put_all())
    assert (tmp_path / "cache.sqlite-wal").stat().st_size > 60 * len(body)  # SQLite's usual is 4 MB
    cache.close()
    assert path.stat().st_size > 60 * len(body)
    assert not (tmp_path / "cache.sqlite-wal").exists()


def test_kept_scores_go_into_the_log_before_it_is_brought_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    file = ScoreFile(path, patience=1.0, read_only=False, largest=LARGEST)
    draw = random.Random(0).randbytes
    for _ in range(60):  # nearly every row on a page of its own
        file.add(1, "a metric", {draw(16): draw(512) for _ in range(100)})
    assert path.with_name("scores.sqlite-wal").stat().st_size > 16 * 2**20  # SQLite's usual is 4 MB
    file.close()
    assert path.stat().st_size > 60 * 100 * 512
    assert not path.with_name("scores.sqlite-wal").exists()


def test_a_thousand_answers_are_written_once_and_read_in_a_few_statements(
    evalkit: Commands, asked: Sequence[str], server: FakeOpenAI, statements: list[str]
) -> None:
    assert evalkit(*asked, METRICS).code == 0
    assert server.count == 1000
    assert sum(one.startswith("INSERT INTO entries") for one in statements) == 1000
    # How many wait together depends on the machine; 260 here.
    cold = transactions(statements)
    assert cold < 800
    kept = sum(one.startswith("INSERT") and "scores" in one for one in statements)
    assert kept == 1001  # the answers' scores, and that of a made-up answer, in batches
    assert len(statements) < 1000 + kept + 2 * cold + 60
    statements.clear()
    assert evalkit(*asked, METRICS).code == 0
    assert server.count == 1000
    assert transactions(statements) < 3
    assert len(statements) < 30


def profiled(work: Callable[[], Any], seen: Callable[[FrameType, str, Any], None]) -> None:
    """Do the work; `seen` is told of every call in this thread."""
    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)


def calls(work: Callable[[], Any]) -> int:
    """Return how many Python functions were called, in this thread."""
    count = 0

    def seen(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    profiled(work, seen)
    return count


def test_calls_for_a_cached_answer(evalkit: Commands, asked: Sequence[str]) -> None:
    """254 in November 2026: a third more is a change that somebody should know of."""
    words = [*asked, METRICS, "dataset.limit=400"]
    assert evalkit(*words).code == 0
    few = calls(lambda: evalkit(*words[:-1], "dataset.limit=100"))
    many = calls(lambda: evalkit(*words))
    assert (many - few) / 300 < MOST_CALLS


def kinds_of_calls(work: Callable[[], Any]) -> tuple[Counter[str], Counter[str]]:
    """Count calls in this thread by what they are for: while its event loop runs, and at other times."""
    inside: Counter[str] = Counter()
    outside: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, called: Any) -> None:
        if event == "call":
            kind = str(frame.f_globals.get("__name__", "")).partition(".")
            name = f"evalkit.{kind[2].partition('.')[0]}" if kind[0] == "evalkit" else kind[0]
        elif event == "c_call":
            name = getattr(called, "__module__", None) or type(getattr(called, "__self__", None)).__module__
        else:
            return
        (outside if asyncio._get_running_loop() is None else inside)[name] += 1

    profiled(work, seen)
    return inside, outside


def test_the_event_loop_neither_scores_nor_writes_nor_builds_models(
    evalkit: Commands, asked: Sequence[str]
) -> None:
    """An answer costs it one JSON text written and one read: no metric, no SQL, no object of pydantic."""
    words = [*asked, "metrics=[exact_match,rouge,bleu]"]
    assert evalkit(*words, "dataset.limit=1").code == 0  # what is imported with the first request
    inside, outside = kinds_of_calls(lambda: evalkit(*words, "dataset.limit=400"))
    assert inside["evalkit.executors"] > 400
    assert 0 < inside["orjson"] <= 2 * 400 + 10
    assert inside["pydantic"] + inside["pydantic_core"] + inside["json"] < 100
    assert [inside[name] for name in ("evalkit.metrics", "evalkit.scoring", "sqlite3")] == [0, 0, 0]
    assert min(outside[name] for name in ("evalkit.metrics", "evalkit.scoring", "sqlite3")) > 0


def test_what_lies_in_a_file_is_written_once_and_read_as_often_as_must_be(
    evalkit: Commands, asked: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples are read to bind the metric, to ask and to score; all else once."""
    written: Counter[str] = Counter()
    read: Counter[str] = Counter()
    add, unpacked = spool._Blocks.add, spool._unpacked

    def counted_add(self: Any, records: list[Any]) -> None:
        written[type(records[0]).__name__] += len(records)
        add(self, records)

    def counted_unpacked(packed: Any) -> Any:
        records = unpacked(packed)
        read[type(records[0]).__name__] += len(records)
        return records

    monkeypatch.setattr(spool, "HELD", 0)
    monkeypatch.setattr("evalkit.report.lines.SHORT", 0)
    monkeypatch.setattr(spool._Blocks, "add", counted_add)
    monkeypatch.setattr(spool, "_unpacked", counted_unpacked)
    assert evalkit(*asked, METRICS).code == 0
    most = {"Sample": 3, "Job": 1, "Outcome": 1, "bytes": 1}
    for name, times in most.items():
        assert 900 < written[name] <= 1000
        assert (
            900 < read[name] <= times * 1000 + 200
        )  # blocks that are opened again, as answers come in any order
