"""The commands on the tasks' pages name settings that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from evalkit.config.compose import load
from evalkit.config.prompting import build_postprocess
from evalkit.config.scores import build_metrics

DOCS = Path(__file__).parents[2] / "docs" / "tasks"
PAGES = ("chat", "customer_service")
COMMANDS = [
    line.strip()
    for page in PAGES
    for line in (DOCS / f"{page}.md").read_text("utf-8").splitlines()
    if re.match(r"    evalkit (run|plan) ", line)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_settings_of_a_command_exist(line: str) -> None:
    config = load(shlex.split(line)[2:])
    assert f"task={config.task.name}" in line
    assert build_metrics(config.metrics)
    build_postprocess(config.task.postprocess)
