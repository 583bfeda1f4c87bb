"""Every command in the README runs, in the order of the page, and prints what the page shows."""

from __future__ import annotations

import gzip
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


def sessions() -> list[tuple[list[str], list[str]]]:
    """Each command, with the output that the page shows for it."""
    found: list[tuple[list[str], list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:], comments=True), []))
            else:
                found[-1][1].append(line)
    return found


def commands() -> list[list[str]]:
    return [words for words, _ in sessions()]


def pattern(shown: list[str]) -> str:
    """What real output must match: `…` stands for anything, over lines where it stands alone."""
    lines = [
        "(?s:.*?)" if line == "…" else "[^\\n]*".join(re.escape(part) for part in line.split("…")) + "\n"
        for line in shown
    ]
    return "".join(lines)


def test_shown_output_is_compared_with_real_output() -> None:
    shown = ["a  …  b", "…", "end"]
    assert re.fullmatch(pattern(shown), "a  17  b\nx\ny\nend\n")
    assert not re.fullmatch(pattern(shown), "a  17  c\nx\ny\nend\n")
    assert not re.fullmatch(pattern(shown), "a  17  b\nx\ny\n")
    assert sum(bool(output) for _, output in sessions()) >= 3


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
    """Embedded runs whose output is not shown get fewer samples; GPT-4 is the fake server."""
    rows = [
        {"id": str(number), "text": f"A long text {number}.", "summary": "A text."} for number in range(5)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with gzip.open(tmp_path / "reviews.csv.gz", "wt") as file:
        file.write("text,label,stars\nGood,positive,5\nWell,neutral,3\nBad,negative,1\n")
    examples = [{"question": f"Who is {one}?", "context": f"It is {one}.", "answers": [one]} for one in "ABC"]
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-readme-0123456789")
    ran = [(words, shown) for words, shown in sessions() if words[0] == "evalkit"]
    assert len(ran) > 10
    whole = 3  # the first screen's runs: their scores are shown
    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for place, (named, shown) in enumerate(ran):
            words = named[1:]
            if "BASE" in words:
                first = min((tmp_path / "results" / "runs" / "sentiment").iterdir()).name
                words[words.index("BASE")] = first
            asks_here = words[0] == "run" and not any(word.startswith("model=") for word in words)
            if asks_here and place >= whole and not shown:
                words.append(FEW)
            done = subprocess.run(
                [sys.executable, "-m", "evalkit", *words],
                cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode in CODES.get(words[0], {0}), f"{words}: {done.stdout}{done.stderr}"
            if shown:
                assert re.fullmatch(pattern(shown), done.stdout), f"{words} printed:\n{done.stdout}"
        assert server.count > 100
