"""Every command in the README runs, in the order of the page, in a folder of its own."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
# What a command may end with: a gate that finds something, a comparison of other samples.
CODES = {"gate": {0, 1, 4}, "compare": {0, 4}}
FEW = "dataset.limit=6"  # of the embedded model's answers: enough to go through


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = [words[1] for words in commands() if words[0] == "make"]
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert all((ROOT / link).exists() for link in links if "://" not in link)


@pytest.mark.model
@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the `local` extra is not installed")
def test_commands_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands on the embedded model get fewer samples; those on GPT-4 meet the fake server."""
    rows = [
        {"id": str(number), "text": f"A long text {number}.", "summary": "A text."} for number in range(5)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-readme-0123456789")
    ran = [words for words in commands() if words[0] == "evalkit"]
    assert len(ran) > 10
    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for words in ran:
            words = words[1:]  # noqa: PLW2901 - without the name of the command
            if "BASE" in words:
                first = min((tmp_path / "results" / "runs" / "sentiment").iterdir()).name
                words[words.index("BASE")] = first
            if words[0] == "run" and not any(word.startswith("model=") for word in words):
                words.append(FEW)
            done = subprocess.run(
                [sys.executable, "-m", "evalkit", *words],
                cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode in CODES.get(words[0], {0}), f"{words}: {done.stdout}{done.stderr}"
        assert server.count > 100
