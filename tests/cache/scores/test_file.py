"""Kept scores: whatever is wrong with their file is no error of the run."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from kept_scores import rows_of, scored, trouble_with
from metrics.material import generations, samples

from evalkit.cache.score_file import APPLICATION_ID, beside, kept
from evalkit.cache.score_keys import maker_of
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.exact_match import ExactMatch


def test_a_row_that_is_not_what_was_kept_is_a_miss(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2
    with closing(sqlite3.connect(path)) as connection, connection:
        (digest, row), *_ = connection.execute("SELECT digest, row FROM scores").fetchall()
        connection.execute(
            "UPDATE scores SET row = ? WHERE digest = ?", (bytes([row[0] ^ 1]) + row[1:], digest)
        )
    rows, new = rows_of(path, ExactMatch(), generations(["a", "b"]), samples(["a", "a"]))
    assert new == 1
    assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 0


def test_rows_under_another_digest_or_metric_are_misses(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2
    maker = maker_of(ExactMatch(ignore_case=True).bind(samples(["a"])))
    assert maker is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute("SELECT digest, row FROM scores").fetchall()
        (one, first), (other, second) = rows
        connection.executemany("UPDATE scores SET row = ? WHERE digest = ?", [(second, one), (first, other)])
        connection.execute("INSERT INTO metrics VALUES (?, ?, 0.0)", (maker.number, maker.identity))
        connection.executemany("INSERT INTO scores VALUES (?, ?, ?)", [(maker.number, *row) for row in rows])
    assert scored(path, ExactMatch(ignore_case=True), ["a", "b"], ["a", "a"]) == 2
    assert scored(path, ExactMatch(), ["a", "b"], ["a", "a"]) == 2


def test_a_damaged_file_is_removed_and_made_anew(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    scored(path, ExactMatch(), [*texts, "a", "b"], ["a"] * 3002)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    said, new = trouble_with(path)
    assert len(said) == 1
    assert "the next run makes a new one" in said[0]
    assert new == 4
    assert trouble_with(path) == ([], 2)
    assert trouble_with(path) == ([], 0)


@pytest.mark.parametrize("content", [b"id,score\n1,0.5\n", b"x" * 5000])
def test_a_file_that_is_no_database_stays_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    said, new = trouble_with(path)
    assert len(said) == 1
    assert new == 4
    assert path.read_bytes() == content


@pytest.mark.parametrize("owner", [0, APPLICATION_ID])
def test_another_programs_or_versions_database_stays_as_it_is(path: Path, owner: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE scores (name, score)")
        connection.execute(f"PRAGMA application_id={owner}")
    content = path.read_bytes()
    said, new = trouble_with(path)
    assert len(said) == 1
    assert new == 4
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said, new = trouble_with(tmp_path / "file" / "scores.sqlite")
    assert len(said) == 1
    assert new == 4


def test_reading_only_changes_nothing_and_makes_nothing(path: Path) -> None:
    assert trouble_with(path, read_only=True) == ([], 4)
    assert not path.parent.exists()
    assert scored(path, ExactMatch(), ["a"], ["a"]) == 1
    content = path.read_bytes()
    assert trouble_with(path, read_only=True) == ([], 2)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == [path.name]


FULL = """
import resource, signal, sys
import numpy
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.exact_match import ExactMatch
from metrics.material import generations, samples
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
said = []
store = ScoreStore(sys.argv[1], say=said.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
texts = [str(number) for number in range(5000)]
rows = store.rows(ExactMatch(), generations(texts), samples(["7"] * 5000))
store.close()
assert rows[:, 0].sum() == 1
print(len(said), store.scored)
"""


def test_a_full_disk_is_no_error(path: Path) -> None:
    done = _child(FULL, path)
    assert done == "1 5000"


def test_a_file_that_another_process_holds_is_no_error(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a"], ["a"]) == 1
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said, new = trouble_with(path, patience=0.01)
    assert len(said) == 1
    assert new == 1 + 2


TOGETHER = """
import sys
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.exact_match import ExactMatch
from metrics.material import generations, samples
texts = [str(number) for number in range(4000)]
store = ScoreStore(sys.argv[1], patience=60.0, say=lambda said: sys.exit(said))
rows = store.rows(ExactMatch(), generations(texts), samples(["7"] * 4000))
store.close()
assert rows[:, 0].sum() == 1
print("done")
"""


def _child(script: str, path: Path) -> str:
    process = _start(script, path)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return out.strip()


def _start(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_a_file(path: Path) -> None:
    processes = [_start(TOGETHER, path) for _ in range(2)]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert out.strip() == "done"
    texts = [str(number) for number in range(4000)]
    assert scored(path, ExactMatch(), texts, ["7"] * 4000) == 0


def test_a_file_that_has_grown_too_large_is_emptied(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    assert scored(path, ExactMatch(), texts, ["7"] * 3000) == 3000
    size = path.stat().st_size
    with closing(ScoreStore(path, largest=size)) as store:
        store.rows(ExactMatch(), generations(texts), samples(["7"] * 3000))
        assert store.scored == 0
    with closing(ScoreStore(path, largest=size - 1)) as store:
        pass
    assert path.stat().st_size < size / 4
    assert scored(path, ExactMatch(), texts[:5], ["7"] * 5) == 5


def test_what_is_kept_is_counted(path: Path) -> None:
    assert kept(path) is None
    scored(path, ExactMatch(), ["a", "b"], ["a", "a"])
    found = kept(path)
    assert found is not None
    assert (found.rows, found.file_bytes) == (2, path.stat().st_size)
    path.write_text("no database")
    assert kept(path) is None


def test_scores_lie_beside_the_answers() -> None:
    assert beside(Path(".evalkit/cache.sqlite")) == Path(".evalkit/scores.sqlite")
