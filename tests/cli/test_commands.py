"""The commands as their users meet them: output, errors, exit codes, what is written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan

from evalkit.cli.main import main

KEY = "sk-planted-0123456789abcdef0123456789"

Capture = pytest.CaptureFixture[str]
PYTHON = [sys.executable, "-m", "evalkit"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rows = [
        {"id": f"q{n}", "question": f"What is number {n}?", "answers": [f"answer {n}"]} for n in range(12)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(
        lambda body: "answer " + body["messages"][-1]["content"].split("number ")[1].split("?")[0]
    ) as one:
        yield one


@pytest.fixture
def run_words(folder: Path, server: FakeOpenAI) -> list[str]:
    """`evalkit run` on twelve questions that the server answers right."""
    return [
        *("run", "task=qa", "dataset=jsonl", "dataset.path=data.jsonl", "dataset.input.question=question"),
        *("dataset.target=answers", "prompt.template='{{ question }}'", "metrics=[exact_match]"),
        *("model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}"),
    ]


def lines_of(folder: Path, number: int = -1) -> list[dict[str, object]]:
    run = sorted(folder.glob("results/runs/*/*"), key=lambda path: path.stat().st_mtime_ns)[number]
    return [json.loads(line) for line in (run / "samples.jsonl").read_text("utf-8").splitlines()]


def test_run_prints_a_table_and_a_second_run_asks_nothing(
    run_words: list[str], folder: Path, server: FakeOpenAI, capsys: Capture
) -> None:
    assert main(run_words) == 0
    first = capsys.readouterr()
    assert re.search(r"exact_match +100\.0 +\[75\.8, 100\.0\] +12", first.out)  # Wilson: 12/(12+3.84)
    assert "12 requests sent" in first.err
    assert main(run_words) == 0
    assert server.count == 12
    assert "0 requests sent, 12 answers from the cache" in capsys.readouterr().err
    before, after = lines_of(folder, -2), lines_of(folder)
    assert [line.pop("cached") for line in before] == [False] * 12
    assert [line.pop("cached") for line in after] == [True] * 12
    assert json.dumps(after) == json.dumps(before)
    assert [line["id"] for line in after] == [f"q{n}" for n in range(12)]


def test_show_list_and_table_read_the_report_back(run_words: list[str], capsys: Capture) -> None:
    assert main(run_words) == 0
    capsys.readouterr()
    assert main(["show", "latest"]) == 0
    assert "exact_match" in capsys.readouterr().out
    assert main(["show", "latest:qa", "q3"]) == 0
    shown = capsys.readouterr().out
    assert "What is number 3?" in shown
    assert "answer 3" in shown
    assert "exact_match 1.0000" in shown
    assert main(["table", "latest", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table[0]["metrics"]["exact_match"]["value"] == 1.0
    assert main(["list", "runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_sweep_ends_in_one_table_and_a_suite_and_the_worst_exit_code(
    run_words: list[str], folder: Path
) -> None:
    """-m touches sys.argv and Hydra's globals: a process of its own."""
    words = [
        *run_words,
        "-m",
        "model.params.temperature=0,0.7",
        "dataset.target=answers,nowhere",
        "suite=study",
    ]
    done = subprocess.run(
        [*PYTHON, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    header, *rows, _ = done.stdout.splitlines()
    assert header.split()[:3] == ["#", "temperature", "exact_match"]  # the target is the same in all that ran
    assert [row.split()[:2] for row in rows] == [["1", "0"], ["2", "0.7"]]
    assert "2 of 4 jobs failed" in done.stderr
    assert "Traceback" not in done.stderr
    suite = json.loads(next(folder.glob("results/suites/study-*.json")).read_text())
    assert sorted(one["code"] for one in suite["members"]) == [0, 0, 2, 2]
    temperatures = {
        json.loads((folder / "results" / one["run"] / "report.json").read_text())["model"]["params"][
            "temperature"
        ]
        for one in suite["members"]
        if one["run"]
    }
    assert temperatures == {0.0, 0.7}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "dataset.path=absent.jsonl", "dataset=jsonl"], "absent.jsonl: no such file"),
        (["run", "dataset=jsonl"], "dataset.path"),
        (["rum"], 'did you mean "run"'),
        (["run", "--nope"], "--nope"),
        (["show", "nothing"], 'no run "nothing"'),
        (["show", "latest"], "no run under"),
        (["run", "trials=0"], "trials=0"),
        (["run", "model=gpt-4o"], "OPENAI_API_KEY"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(
    words: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error.replace("sentiment: ", "")
    assert "Traceback" not in error


def test_failed_requests_are_counted_and_not_scored(
    run_words: list[str], folder: Path, server: FakeOpenAI, capsys: Capture
) -> None:
    server.settings.faults = FaultPlan.matching("number 7", Fault.status(400), always=True)
    assert main(run_words) == 5  # one in twelve is more than max_failed=0.01
    captured = capsys.readouterr()
    assert "1 of 12 requests failed" in captured.err
    assert main([*run_words, "max_failed=0.1"]) == 0
    report = json.loads(next(folder.glob("results/runs/qa/*/report.json")).read_text())
    found = report["metrics"]["exact_match"]
    assert (found["value"], found["n"], found["n_failed"]) == (1.0, 11, 1)
    assert (
        next(folder.glob("results/runs/qa/*/report.md")).read_text().splitlines()[2].startswith("**1 of 12")
    )


def test_refused_key_stops_the_run_at_once(run_words: list[str], folder: Path, capsys: Capture) -> None:
    with FakeOpenAI("x", api_key="another") as strict:
        words = [
            word if "base_url" not in word else f"model.base_url={strict.base_url}" for word in run_words
        ]
        assert main([*words, "executor.concurrency=2"]) in {2, 5}
        assert strict.count <= 2
    error = capsys.readouterr().err
    assert "authentication" in error
    assert KEY not in error


def test_key_is_written_nowhere(
    run_words: list[str], folder: Path, server: FakeOpenAI, capsys: Capture
) -> None:
    server.settings.faults = FaultPlan.matching(
        "number 7", Fault.status(400, message=f"Incorrect API key provided: {KEY}"), always=True
    )
    main(run_words)
    main(["show", "latest", "q7"])
    captured = capsys.readouterr()
    assert all(received.headers["authorization"] == f"Bearer {KEY}" for received in server.requests)
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in captured.out + captured.err


# A background job of a shell, as CI may be one, is started with SIGINT ignored.
WITH_SIGINT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from evalkit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_interrupt_keeps_answers_and_says_how_to_go_on(
    run_words: list[str], folder: Path, server: FakeOpenAI
) -> None:
    server.settings.latency = lambda index: 0.01 if index < 6 else 30.0
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_SIGINT, *run_words, "executor.concurrency=2", "executor.grace=0"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    server.wait(received=8, timeout=30)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert "same command" in error
    server.settings.latency = 0.0
    asked = server.count
    assert main(run_words) == 0
    assert server.count - asked <= 6


def test_killed_run_asks_again_only_for_what_was_in_flight(
    run_words: list[str], folder: Path, server: FakeOpenAI
) -> None:
    server.settings.latency = lambda index: 0.01 if index < 7 else 30.0
    process = subprocess.Popen(
        [*PYTHON, *run_words, "executor.concurrency=3"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server.wait(received=10, timeout=30)  # seven answered, three in flight
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    server.settings.latency = 0.0
    asked = server.count
    assert main(run_words) == 0
    assert server.count - asked <= 12 - 7
    assert server.count - asked >= 12 - 10


def test_replay_needs_no_key_and_sends_nothing(
    run_words: list[str], server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert main(run_words) == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main([*run_words, "cache=replay"]) == 0
    assert main([*run_words, "cache=replay", "model.params.temperature=1"]) == 5
    assert "not in the cache" in capsys.readouterr().err
    assert server.count == 12


def test_output_into_a_closed_pipe_is_no_error(run_words: list[str], folder: Path) -> None:
    done = subprocess.run(
        f"{' '.join(PYTHON)} list | head -1",
        shell=True, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_sharing_an_unwritable_results_folder_is_found_before_anything_is_sent(
    run_words: list[str], folder: Path, server: FakeOpenAI, capsys: Capture
) -> None:
    (folder / "blocked").write_text("a file")
    assert main([*run_words, "results_dir=blocked/results"]) == 2
    assert "blocked" in capsys.readouterr().err
    assert server.count == 0
