"""What a terminal of 80 columns shows, on a real one; in a pipe nothing is folded or left out."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Commands
from reports import report

from evalkit.report.write import write

COLUMNS = 80
CONTROL = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(folder: Path, *words: str) -> list[str]:
    """Run a command on a terminal; the lines that it prints, without colours."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "evalkit", *words],
            cwd=folder, stdout=terminal, stderr=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm"},
        )  # fmt: skip
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return CONTROL.sub("", shown.decode()).replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("kind", ["datasets", "models", "prompts", "metrics", "experiments", "tasks"])
def test_lists_fit_a_terminal_and_break_no_word(kind: str, evalkit: Commands) -> None:
    lines = on_terminal(evalkit.folder, "list", kind)
    assert all(len(line) <= COLUMNS for line in lines if " " in line.strip())
    piped = evalkit("list", kind).out
    assert " ".join(" ".join(lines).split()) == " ".join(piped.split())


def test_datasets_stand_under_their_tasks(evalkit: Commands) -> None:
    lines = evalkit("list", "datasets").out.splitlines()
    heads = [line.strip() for line in lines if not line.startswith("  ")]
    assert heads == [*sorted(heads[:-1]), "any task: your own data"]
    assert {"code", "qa", "sentiment", "summarization", "translation"} <= set(heads)
    place = lines.index(" sentiment")
    under = [line.split()[0] for line in lines[place + 1 : lines.index(" summarization")]]
    assert {"imdb", "sentiment", "sst2"} <= set(under)
    assert {"csv", "hub", "jsonl"} <= {line.split()[0] for line in lines[lines.index(f" {heads[-1]}") + 1 :]}


def test_the_list_of_runs_keeps_their_ids_where_a_terminal_is_narrow(evalkit: Commands) -> None:
    made = report(dataset={"name": "a_dataset_of_a_long_name", "fingerprint": "f" * 64, "n": 10})
    write(made, [], Path("results"))
    lines = on_terminal(evalkit.folder, "list", "runs")
    assert lines[1].split()[:3] == [made.run_id, "sentiment", "gpt-4o"]  # the dataset gave way
    assert all(len(line) <= COLUMNS for line in lines)


def test_a_note_is_folded_between_words(evalkit: Commands) -> None:
    write(report(), [], Path("results"))
    lines = on_terminal(evalkit.folder, "table", "latest")
    assert all(len(line) <= COLUMNS for line in lines)
    assert evalkit("table", "latest").out.splitlines()[-1] == " ".join(lines[-1:])
