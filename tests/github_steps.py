"""The shell steps of a workflow, run as GitHub runs them: files for outputs and summary, its environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Runner:
    """Runs steps one after another in a project; `expressions` are the values of `${{ … }}`, all by name."""

    project: Path
    environment: Mapping[str, str]
    expressions: dict[str, str]
    scratch: Path
    outcomes: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        for name in ("output", "summary"):
            (self.scratch / name).write_text("")

    @property
    def summary(self) -> str:
        return (self.scratch / "summary").read_text("utf-8")

    def run(self, step: Mapping[str, Any], job: Mapping[str, Any]) -> int:
        """Run one step's script; the exit code is kept under the step's name."""
        shell = step.get("shell", "bash")
        script = self.scratch / "script"
        script.write_text(step["run"], "utf-8")
        command = {
            "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            "python3 {0}": [sys.executable, str(script)],
        }[shell]
        settings = {**job.get("env", {}), **step.get("env", {})}
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**self.environment, **self._files(), **{k: self._value(v) for k, v in settings.items()}},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        self.outcomes[step["name"]] = done.returncode
        self.logs[step["name"]] = done.stdout + done.stderr
        for line in (self.scratch / "output").read_text("utf-8").splitlines():
            name, _, value = line.partition("=")
            self.expressions[f"steps.{step.get('id')}.outputs.{name}"] = value
        (self.scratch / "output").write_text("")
        return done.returncode

    def _files(self) -> dict[str, str]:
        return {
            "GITHUB_OUTPUT": str(self.scratch / "output"),
            "GITHUB_STEP_SUMMARY": str(self.scratch / "summary"),
        }

    def _value(self, text: Any) -> str:
        """An expression that the test has not given a value is a KeyError."""
        return EXPRESSION.sub(lambda found: self.expressions[found[1]], str(text))


def environment(**more: str) -> dict[str, str]:
    """What a job has: this Python's commands first, no settings of the user's, GitHub's own variables."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    usual = {"GITHUB_REPOSITORY": "our/project", "GITHUB_ACTIONS": "true", "CI": "true"}
    return {**kept, "PATH": path, **usual, **more}
