"""Metrics of `evaluate` from the command line: who may ask for one, and what it can and cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import evaluate_scripts as scripts
import pytest
from commands import Commands, asking, evalkit, server, write, write_lines
from evaluate_scripts import modules_kept

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

__all__ = ["evalkit", "modules_kept", "server"]

ROWS = [{"id": f"q{n}", "question": f"Say {n}.", "answers": f"number {n}"} for n in range(6)]


@pytest.fixture(autouse=True)
def modules(modules_kept: None) -> None:
    """Every test here loads some."""


def words(folder: Path, server: FakeOpenAI, *more: str) -> list[str]:
    """A run whose answers are right for three of six."""
    server.settings.answer = lambda body: (
        f"number {n}" if (n := int(body["messages"][-1]["content"][4])) % 2 else "none"
    )
    return [
        *asking(server, "task=qa", "dataset=jsonl", f"dataset.path={write_lines(folder / 'd.jsonl', *ROWS)}"),
        *("dataset.input.question=question", "dataset.target=answers", "prompt.template='{{ question }}'"),
        *("prompt.answer_schema=null", "task.postprocess=[strip]", "metrics=[exact_match,evaluate]"),
        *("resamples=50", *more),
    ]


def test_a_path_on_the_command_line_is_run(evalkit: Commands, server: FakeOpenAI) -> None:
    scripts.equal(evalkit.folder)
    ran = evalkit(*words(evalkit.folder, server, "metrics.evaluate.path=./equal"))
    assert ran.code == 0, ran.err
    report = evalkit.report()
    found = report["metrics"]["equal"]
    assert (found["value"], found["low"], found["high"], found["interval"]) == (0.5, None, None, "none")
    assert found["signature"].startswith("evaluate:equal|script:")
    assert report["metrics"]["exact_match"]["low"] < 0.5
    assert report["provenance"]["versions"]["evaluate"] == "0.4.6"
    table = evalkit("show", "latest").out
    [row] = [line for line in table.splitlines() if line.strip().startswith("equal")]
    assert "50.0" in row
    assert "[" not in row
    assert evalkit("report", "latest", "--format", "html").code == 0
    assert evalkit("show", "latest", "--by", "question").code == 0


@pytest.mark.parametrize("door", ["file", "dataset"])
def test_a_file_cannot_ask_for_one(door: str, evalkit: Commands, server: FakeOpenAI) -> None:
    place = evalkit.folder / "spy" / "spy.py"
    write(place, f"open({str(evalkit.folder / 'was-run')!r}, 'w')\n")
    if door == "file":
        write(
            evalkit.folder / "configs" / "metrics" / "evaluate.yaml",
            "# Mine\nevaluate:\n  _target_: evalkit.metrics.evaluate.Evaluate\n  path: ./spy\n",
        )
        ran = evalkit(*words(evalkit.folder, server))
    else:
        write(
            evalkit.folder / "configs" / "experiment" / "sly.yaml",
            "# @package _global_\n# Sly\nmetrics:\n  evaluate:\n    path: ./spy\n",
        )
        ran = evalkit(*words(evalkit.folder, server, "experiment=sly"))
    assert (
        "./spy is code that would be run, so no file can ask for it: write metrics.evaluate.path="
        in ran.error
    )
    assert not (evalkit.folder / "was-run").exists()
    assert server.count == 0


def test_a_flag_lets_a_file_ask(evalkit: Commands, server: FakeOpenAI) -> None:
    scripts.letters(evalkit.folder)
    write(
        evalkit.folder / "configs" / "metrics" / "letters.yaml",
        "# Letters in common\nletters:\n  _target_: evalkit.metrics.evaluate.Evaluate\n  path: ./letters\n"
        "  values: [f1]\n",
    )
    run = words(evalkit.folder, server, "metrics=[letters]")
    assert "is code that would be run" in evalkit(*run).error
    ran = evalkit("--allow-evaluate", "./letters", *run)
    assert ran.code == 0, ran.err
    found = evalkit.report()["metrics"]["f1"]
    assert found["low"] < found["value"] < found["high"]


def test_values_of_samples_are_compared_and_gate_and_others_are_not(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    scripts.equal(evalkit.folder)
    run = words(evalkit.folder, server, "metrics.evaluate.path=./equal")
    for _ in range(2):
        assert evalkit(*run).code == 0
    first, second = sorted(path.name for path in (evalkit.folder / "results/runs/qa").iterdir())
    said = "equal: a value of the whole run, without values of single samples"
    compared = evalkit("compare", first, second)
    assert compared.code == 0, compared.err
    assert f"{said}: it has no interval, is not tested and cannot gate" in " ".join(compared.out.split())
    gated = evalkit("gate", second, "--baseline", first)
    assert gated.code == 0, gated.err
    refused = evalkit("gate", second, "gate.metrics=[equal]", "--baseline", first)
    assert refused.code == 4
    assert f"{said}: it can be neither tested nor gate" in " ".join((refused.out + refused.err).split())
    assert "metrics.evaluate.mode=each" in " ".join((refused.out + refused.err).split())


def test_each_answer_alone_gates(evalkit: Commands, server: FakeOpenAI) -> None:
    scripts.equal(evalkit.folder)
    more = ("metrics=[evaluate]", "metrics.evaluate.path=./equal", "metrics.evaluate.mode=each")
    run = words(evalkit.folder, server, *more)
    for _ in range(2):
        assert evalkit(*run).code == 0
    first, second = sorted(path.name for path in (evalkit.folder / "results/runs/qa").iterdir())
    gated = evalkit("gate", second, "--baseline", first)
    assert gated.code == 0, gated.err
    assert "PASSED" in gated.out


def test_a_stored_run_is_scored_and_verified(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts.equal(evalkit.folder)
    run = words(evalkit.folder, server, "metrics=[exact_match]")
    assert evalkit(*run).code == 0
    scored = evalkit("score", "latest", "metrics=[evaluate]", "metrics.evaluate.path=./equal")
    assert scored.code == 0, scored.err
    assert evalkit.report()["metrics"]["equal"]["value"] == 0.5
    verified = evalkit("--allow-evaluate=./equal", "verify", "latest")
    assert verified.code == 0, verified.out
    monkeypatch.setenv("EVALKIT_EVALUATE", "")
    again = evalkit("verify", "latest")
    told = " ".join(again.out.split())
    assert "nothing differs; not checked: statistics" in told
    assert "./equal is code that would be run" in again.out + again.err


def test_a_metric_without_a_path_says_what_is_missing(evalkit: Commands, server: FakeOpenAI) -> None:
    assert "metrics.evaluate.path has no value yet" in evalkit(*words(evalkit.folder, server)).error
