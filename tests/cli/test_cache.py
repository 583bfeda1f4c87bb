"""`evalkit cache`: what users type, and what they get."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.cache.row import pack, unpack

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

CACHE = Path(".evalkit/cache.sqlite")
N = 6


def qa(server: FakeOpenAI, *words: str) -> Sequence[str]:
    """The words of a run over a few questions."""
    rows = [{"question": f"What is {number}?", "target": "Paris"} for number in range(N)]
    path = write_lines(Path("questions.jsonl"), *rows)
    data = (f"dataset.path={path}", "dataset.target=target", "dataset.input.question=question")
    return asking(server, "task=qa", "dataset=jsonl", *data, "metrics=[exact_match]", *words)


@pytest.fixture
def ran(evalkit: Commands, server: FakeOpenAI) -> Sequence[str]:
    """A run was made; its words."""
    words = qa(server)
    assert evalkit(*words).code == 0
    return words


def sql(statement: str) -> list[Any]:
    with closing(sqlite3.connect(CACHE, isolation_level=None)) as file:
        return file.execute(statement).fetchall()


def test_stats_say_what_is_kept(evalkit: Commands, ran: Sequence[str], server: FakeOpenAI) -> None:
    out = evalkit("cache", "stats").out
    assert f"{N} answers, schema 3" in out
    assert f"{N} of gpt-4o at {server.base_url}" in out
    assert f"{N} used by runs and baselines of qa" in out
    data = json.loads(evalkit("cache", "stats", "--json").out)
    assert (data["entries"], data["tasks"]) == (N, {"qa": N})
    assert data["shares"][0]["tokens"][0] > N


def test_stats_of_nothing_is_one_clear_error(evalkit: Commands) -> None:
    assert "no such cache file" in evalkit("cache", "stats").error
    assert list(evalkit.folder.iterdir()) == []


def test_explain_names_what_changed(evalkit: Commands, ran: Sequence[str], server: FakeOpenAI) -> None:
    asked = server.count
    out = evalkit("cache", "explain", *ran[1:], "model.params.temperature=0.7").out
    assert f"0 of {N} answers are in" in out
    assert "and 3 more: temperature: 0.0 -> 0.7" in out
    assert f"{N} of {N} answers are in" in evalkit("cache", "explain", *ran[1:]).out
    found = json.loads(evalkit("cache", "explain", *ran[1:], "model.params.seed=3", "--json").out)
    assert (found["requests"], found["missing"], len(found["explained"])) == (N, N, N)
    [difference] = found["explained"][0]["differences"]
    assert (difference["field"], difference["stored"], difference["asked"]) == ("seed", None, 3)
    assert server.count == asked


def test_explain_of_a_key_shows_the_entry_or_why_there_is_none(evalkit: Commands, ran: Sequence[str]) -> None:
    key = evalkit.samples()[2]["request_key"]
    assert "What is 2?" in evalkit("cache", "explain", key[:10]).out
    sql(f"DELETE FROM entries WHERE key = x'{key}'")
    missing = evalkit("cache", "explain", key[:10]).out
    assert "0 of 1 answers" in missing
    assert re.search(r"messages\[\d\]\.content", missing)
    assert "a key alone" in evalkit("cache", "explain", "0123456789ab").error


def test_replay_miss_names_the_sample_and_what_differs(evalkit: Commands, ran: Sequence[str]) -> None:
    missed = evalkit(*ran, "cache=replay", "model.params.temperature=0.7")
    assert missed.code == 5
    assert f"{N} of the answers" in missed.err
    assert evalkit.samples()[0]["id"] in missed.err
    assert "temperature: 0.0 -> 0.7" in missed.err


def test_replay_without_a_cache_makes_none(evalkit: Commands, server: FakeOpenAI) -> None:
    missed = evalkit(*qa(server), "cache=replay")
    assert (missed.code, server.count) == (5, 0)
    assert "there is no cache at" in missed.err
    assert not CACHE.exists()


def test_ci_replays_from_an_exported_file(evalkit: Commands, ran: Sequence[str], server: FakeOpenAI) -> None:
    asked = server.count
    assert evalkit("cache", "export", "ci/answers.sqlite").code == 0
    before = Path("ci/answers.sqlite").read_bytes()
    again = evalkit(*ran, "cache=replay", "cache.path=ci/answers.sqlite")
    assert (again.code, server.count) == (0, asked)
    assert f"0 requests sent, {N} answers from the cache" in again.err
    assert [path.name for path in Path("ci").iterdir()] == ["answers.sqlite"]
    assert Path("ci/answers.sqlite").read_bytes() == before


def test_export_of_a_run_holds_only_what_it_asked(
    evalkit: Commands, ran: Sequence[str], server: FakeOpenAI
) -> None:
    assert evalkit(*ran, "model.params.temperature=0.7").code == 0
    done = json.loads(evalkit("cache", "export", "run.sqlite", "--run", "latest", "--json").out)
    assert (done["entries"], done["absent"], done["damaged"]) == (N, 0, 0)
    assert json.loads(evalkit("cache", "export", "all.sqlite", "--json").out)["entries"] == 2 * N


def test_import_counts_what_it_took(evalkit: Commands, ran: Sequence[str]) -> None:
    evalkit("cache", "export", "all.sqlite")
    assert (
        f"{N} new, 0 present already, 0 conflicting"
        in evalkit("cache", "import", "all.sqlite", "--path", "other.sqlite").out
    )
    again = json.loads(evalkit("cache", "import", "all.sqlite", "--json").out)
    assert again == {"new": 0, "present": N, "conflicting": 0, "damaged": 0}


def test_import_of_what_is_no_answer_takes_the_rest_and_says_so(
    evalkit: Commands, ran: Sequence[str]
) -> None:
    """The checksum is right, and the body an HTML page: a cache made by somebody else's program."""
    page = b"<html>Bad gateway</html>"
    with closing(sqlite3.connect(CACHE, isolation_level=None)) as file:
        file.execute(
            "UPDATE entries SET body = ?, sha256 = ? WHERE id = 1",
            (pack(page), hashlib.sha256(page).digest()),
        )
    taken = evalkit("cache", "import", str(CACHE), "--path", "other.sqlite")
    assert taken.code == 5
    assert f"{N - 1} new" in taken.out
    assert "1 entries" in taken.err
    checked = evalkit("cache", "verify")
    assert checked.code == 5
    assert "no answer (the body is a web page" in checked.out


def test_verify_finds_sets_aside_and_is_clean_then(
    evalkit: Commands, ran: Sequence[str], server: FakeOpenAI
) -> None:
    assert evalkit("cache", "verify").code == 0
    sql("UPDATE entries SET body = x'0102' WHERE id = 2")
    bad = evalkit("cache", "verify")
    assert bad.code == 5
    assert "row 2" in bad.out
    repaired = evalkit("cache", "verify", "--repair")
    assert repaired.code == 0
    assert len(list(CACHE.parent.glob("cache.bad-*.sqlite"))) == 1
    assert json.loads(evalkit("cache", "verify", "--json").out)["clean"] is True
    asked = server.count
    assert evalkit(*ran).code == 0
    assert server.count == asked + 1


def test_run_on_a_damaged_cache_goes_on_and_says_where_the_old_one_is(
    evalkit: Commands, ran: Sequence[str]
) -> None:
    CACHE.write_bytes(b"\x00" * 9000)
    again = evalkit(*ran)
    assert again.code == 0
    assert "was damaged: it lies now at .evalkit/cache.damaged-" in again.err
    assert [path.read_bytes() for path in CACHE.parent.glob("cache.damaged-*")] == [b"\x00" * 9000]


def test_gc_deletes_nothing_that_is_not_named_and_nothing_without_yes(
    evalkit: Commands, ran: Sequence[str]
) -> None:
    assert "say what may go" in evalkit("cache", "gc").error
    assert "say what may go" in evalkit("cache", "gc", "--yes").error
    assert f"{N} of {N} answers would go" in evalkit("cache", "gc", "--older-than", "0s").out
    assert len(sql("SELECT 1 FROM entries")) == N
    for words in (("--older-than", "90"), ("--max-size", "big")):
        assert "write a number and a unit" in evalkit("cache", "gc", *words).error
    assert f"{N} of {N} answers deleted" in evalkit("cache", "gc", "--older-than", "0s", "--yes").out
    assert sql("SELECT 1 FROM entries") == []


def test_gc_keeps_what_runs_and_baselines_refer_to(
    evalkit: Commands, ran: Sequence[str], server: FakeOpenAI
) -> None:
    assert evalkit(*ran, "model.params.temperature=0.7", "results_dir=elsewhere").code == 0
    plan = json.loads(evalkit("cache", "gc", "--unreferenced", "--json").out)
    assert (plan["entries"], plan["removed"], plan["done"]) == (2 * N, N, False)
    evalkit("cache", "gc", "--unreferenced", "--yes")
    assert evalkit(*ran, "cache=replay").code == 0
    assert "every answer would go" in evalkit("cache", "gc", "--unreferenced", "--results-dir", "no").error


def test_gc_refuses_when_a_run_cannot_be_read(evalkit: Commands, ran: Sequence[str]) -> None:
    """Nobody knows what the damaged run refers to."""
    (evalkit.last_run() / "report.json").write_text("{")
    assert "damaged" in evalkit("cache", "gc", "--unreferenced", "--yes").error
    assert len(sql("SELECT 1 FROM entries")) == N


def test_keys_and_passwords_are_in_none_of_the_files(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server quotes the key in its answer; address and query hold secrets of their own."""
    secret = "sk-planted-8f2b61c09d4e7a35"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    server.settings.answer = f"your key is {secret}"
    url = server.base_url.replace("//", "//me:hunter2-hunter2@") + "?api-key=tok-0123456789abcdef"
    words = [word for word in qa(server) if not word.startswith("model.base_url")]
    assert evalkit(*words, f"model.base_url='{url}'").code == 0
    evalkit("cache", "export", "all.sqlite")
    key = evalkit.samples()[0]["request_key"]
    shown = [evalkit("cache", *words).out for words in (("explain", key), ("stats",))]
    assert "[API key]" in shown[0]
    contents = [path.read_bytes() for path in (*CACHE.parent.iterdir(), Path("all.sqlite"))]
    contents += [unpack(one) or b"" for row in sql("SELECT request, body FROM entries") for one in row]
    contents += [text.encode() for text in shown]
    for planted in (secret, "hunter2", "tok-0123456789abcdef"):
        assert not [content for content in contents if planted.encode() in content]
