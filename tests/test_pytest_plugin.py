"""The pytest plugin in a project of its own, through a real pytest process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

TEST = """
def test_prompt(evalkit):
    evalkit.gate("sentiment", overrides=[
        "dataset=jsonl", "dataset.path=data.jsonl", "dataset.input.text=text", "dataset.target=label",
        "prompt=sentiment_text", "metrics=[accuracy]", "model=openai", "model.base_url={url}", {more}
    ])
"""


def project(folder: Path, url: str, more: str = "") -> None:
    rows = [{"id": str(n), "text": f"text {n}", "label": "positive"} for n in range(80)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "test_gate.py").write_text(TEST.replace("{url}", url).replace("{more}", more))


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:hydra_pytest", "--junitxml=junit.xml", *words],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OPENAI_API_KEY": "sk-plugin-0123456789"},
    )  # fmt: skip


def evalkit_command(folder: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "evalkit", *words], cwd=folder, check=True, capture_output=True, timeout=60
    )


def test_gate_passes_then_fails_with_the_numbers_and_one_junit_case_a_metric(tmp_path: Path) -> None:
    with FakeOpenAI("positive") as server:
        project(tmp_path, server.base_url)
        first = run_pytest(tmp_path)
        assert first.returncode == 1  # no baseline: never a silent pass
        assert 'no baseline "main"' in first.stdout
        evalkit_command(tmp_path, "accept", "latest", "--reason", "start")
        again = run_pytest(tmp_path, "--evalkit-cache=replay")
        assert again.returncode == 0, again.stdout
        assert server.count == 80

    with FakeOpenAI("negative") as server:
        project(tmp_path, server.base_url)
        worse = run_pytest(tmp_path)
    assert worse.returncode == 1
    assert "REGRESSED" in worse.stdout
    assert "100.0" in worse.stdout
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}
    metric = cases["test_prompt[sentiment-data accuracy]"]
    assert metric.find("failure") is not None


def test_plugin_imports_nothing_unless_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import sys\n"
        "def test_plain():\n"
        "    assert not {'evalkit.gating', 'numpy', 'hydra', 'openai'} & set(sys.modules)\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("word", ["sideways"])
def test_unknown_cache_mode_is_refused(tmp_path: Path, word: str) -> None:
    done = run_pytest(tmp_path, f"--evalkit-cache={word}")
    assert done.returncode == 4
