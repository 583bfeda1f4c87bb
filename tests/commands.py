"""The command line as tests use it: in this process, in a folder of its own, without the user's settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_openai import FakeOpenAI

from evalkit.cli.main import main

SETTINGS = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "EVALKIT_PLUGINS", "EVALKIT_EVALUATE", "EVALKIT_SWEEP_JOBS"),
    "HYDRA_FULL_ERROR",
)


@dataclass(frozen=True)
class Ran:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an error is, checked to be one."""
        assert self.code == 2, self
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("evalkit: ")
        return lines[0]


class Commands:
    """Runs commands in this process; `process` starts one of its own, where the process matters."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *words: str) -> Ran:
        self._capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as ended:  # argparse's own usage errors
            code = int(ended.code or 0)
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    def process(self, *words: str, **settings: Any) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
            **settings,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def last_run(self, results: str = "results") -> Path:
        """The folder of the one run that was made last."""
        return max((self.folder / results / "runs").glob("*/*/report.json"), key=_changed).parent

    def report(self, results: str = "results") -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.last_run(results) / "report.json").read_text("utf-8"))
        return data

    def samples(self, results: str = "results") -> list[dict[str, Any]]:
        text = (self.last_run(results) / "samples.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


@pytest.fixture
def evalkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    for name in SETTINGS:
        monkeypatch.setenv(name, "")  # so that what a command sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.chdir(tmp_path)
    return Commands(capsys, tmp_path)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


def asking(server: FakeOpenAI, *words: str, name: str = "gpt-4o") -> Sequence[str]:
    """The words of a run that asks the fake server."""
    return ("run", "model=openai", f"model.base_url={server.base_url}", f"model.name={name}", *words)


def write_lines(path: Path, *rows: dict[str, Any]) -> str:
    """Write a JSON Lines file; lone surrogates become escapes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "ascii")
    return os.fspath(path)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
