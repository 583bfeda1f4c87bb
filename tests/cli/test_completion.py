"""Completion: what is offered at the cursor, and the scripts in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Commands, write

from evalkit.cli.complete import candidates


@pytest.fixture
def project(evalkit: Commands) -> Path:
    for place in ("runs/sentiment/20260101-000000-00000", "runs/qa/20260102-000000-00000"):
        (evalkit.folder / "results" / place).mkdir(parents=True)
    write(evalkit.folder / "results/suites/nightly-1.json", "{}")
    write(evalkit.folder / "results/baselines/release/manifest.json", "{}")
    write(evalkit.folder / "configs/dataset/reviews.yaml", "# Mine\n")
    return evalkit.folder


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ga", ["gate"]),
        ("run mod", ["model.", "model="]),
        ("run model=gpt-4o-", ["model=gpt-4o-mini"]),
        ("run model.par", ["model.params."]),
        ("run model.params.temp", ["model.params.temperature="]),
        ("run -m task=qa,sent", ["task=qa,sentiment"]),
        ("run metrics=[accuracy,chr", ["metrics=[accuracy,chrf"]),
        ("run dataset=rev", ["dataset=reviews"]),
        ("run gate.inter", ["gate.intersect="]),
        ("run gate.intersect=t", ["gate.intersect=true"]),
        ("run --mul", ["--multirun"]),
        ("show 2026", ["20260101-000000-00000", "20260102-000000-00000"]),
        ("show latest:s", ["latest:sentiment"]),
        ("table night", ["nightly-1"]),
        ("compare rel", ["release"]),
        ("gate --baseline r", ["release"]),
        ("gate gate=n", ["gate=no_regression", "gate=noninferior"]),
        ("gate --base", ["--baseline"]),
        ("list mod", ["models"]),
        ("model pu", ["pull"]),
        ("completion z", ["zsh"]),
        ("nope x", []),
        ("run nothing.of.that=", []),
    ],
)
def test_what_is_offered(project: Path, line: str, offered: list[str]) -> None:
    *words, current = line.split(" ")
    assert candidates(words, current) == offered


def test_every_command_is_offered_and_every_flag_of_each(project: Path) -> None:
    commands = candidates([], "")
    assert {"run", "gate", "table", "score", "cache"} <= set(commands)
    for name in commands:
        flags = candidates([name], "--")
        assert "--help" in flags or name == "run", name
        assert all(flag.startswith("--") for flag in flags)


def environment(project: Path) -> dict[str, str]:
    """A PATH on which `evalkit` is this checkout's."""
    command = write(project / "bin" / "evalkit", f'#!/bin/sh\nexec {sys.executable} -m evalkit "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("evalkit run model=gpt-4o-", "gpt-4o-mini"),  # bash completes what stands behind the =
        ("evalkit ga", "gate"),
        ("evalkit show latest:q", "qa"),
    ],
)
def test_bash(project: Path, line: str, offered: str) -> None:
    script = (
        'eval "$(evalkit completion bash)"; COMP_LINE=$1; COMP_POINT=${#1}; _evalkit_completion; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", line],
        cwd=project, env=environment(project), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [offered]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(project: Path) -> None:
    script = "evalkit completion fish | source; complete -C 'evalkit run model=gpt-4o-'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=project, env=environment(project), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["model=gpt-4o-mini"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_without_its_completion_system_loads_it(project: Path) -> None:
    done = subprocess.run(
        ["zsh", "-f", "-c", 'eval "$(evalkit completion zsh)"; print $_comps[evalkit]'],
        cwd=project, env={**environment(project), "HOME": str(project), "ZDOTDIR": str(project)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["_evalkit_completion"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(project: Path) -> None:
    """zsh completes only on a terminal: the function is asked with what zsh would give it."""
    script = (
        'autoload -U compinit; compinit -u; eval "$(evalkit completion zsh)"; '
        'compadd() { print -l -- "$@" }; '
        "BUFFER='evalkit run model=gpt-4o-'; CURSOR=${#BUFFER}; _evalkit_completion"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", script],
        cwd=project, env={**environment(project), "HOME": str(project)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == "model=gpt-4o-mini"
