"""Where an annotation stands: the line of the prompt file that changed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from reports import report

from evalkit.comparison.anchor import changed_line, commit_of
from evalkit.comparison.base import Side
from evalkit.report.base import Report
from evalkit.report.renderers.base import Place
from evalkit.report.write import write

FILE = '# Mine\nname: mine\nsystem: |-\n  Classify the text.\n  {}\ntemplate: "{{{{ text }}}}"\n'


def of_prompt(system: str, sha256: str, run_id: str = "r1", **config: Any) -> Report:
    source: dict[str, Any] = {
        "system": f"Classify the text.\n{system}",
        "messages": [],
        "template": "{{ text }}",
        "variables": {},
        "answer_schema": None,
    }
    return report(
        run_id, prompt={"name": "mine", "sha256": sha256, "source": source}, config={"prompt": config}
    )


def baseline(sha256: str, folder: Path | None = None) -> Side:
    return Side("main", "case", {"prompt_sha256": sha256}, {}, {}, folder=folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    folder = tmp_path / "configs" / "prompt"
    folder.mkdir(parents=True)
    (folder / "another.yaml").write_text("name: another\n", "utf-8")
    (folder / "whatever.yaml").write_text(FILE.format("Answer briefly."), "utf-8")
    return tmp_path


def test_changed_line_of_two_runs_at_hand(place: Path) -> None:
    old = write(of_prompt("Answer in JSON.", "old", "r0"), [], place / "results")
    found = changed_line(of_prompt("Answer briefly.", "new"), baseline("old", old))
    assert found == Place("configs/prompt/whatever.yaml", 5)


def test_same_prompt_has_no_place(place: Path) -> None:
    assert changed_line(of_prompt("Answer briefly.", "same"), baseline("same")) is None


def test_prompt_that_lies_elsewhere_has_no_place(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "prompt.txt"
    other.write_text("Classify", "utf-8")
    assert changed_line(of_prompt("x", "new", file=str(other)), baseline("old")) is None
    (place / "configs/prompt/whatever.yaml").unlink()
    assert changed_line(of_prompt("x", "new"), baseline("old")) is None


def test_path_is_relative_to_the_workspace(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "prompt.txt").write_text("Classify the text.\nAnswer briefly.\n", "utf-8")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(place.parent))
    old = write(of_prompt("Answer in JSON.", "old", "r0"), [], place / "results")
    found = changed_line(of_prompt("Answer briefly.", "new", file="prompt.txt"), baseline("old", old))
    assert found == Place(f"{place.name}/prompt.txt", 2)


def test_git_knows_the_line_for_a_baseline_without_texts(place: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words],
            check=True,
            capture_output=True,
        )

    manifest = place / "results/baselines/main/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}", "utf-8")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    path = place / "configs/prompt/whatever.yaml"
    path.write_text(FILE.format("Answer in one word."), "utf-8")
    commit = commit_of("main", Path("results"))
    assert commit is not None
    found = changed_line(of_prompt("Answer in one word.", "new"), baseline("old"), commit)
    assert found == Place("configs/prompt/whatever.yaml", 5)


def test_outside_a_repository_the_file_alone_is_named(place: Path) -> None:
    assert commit_of("main", Path("results")) is None
    found = changed_line(of_prompt("Answer briefly.", "new"), baseline("old"))
    assert found == Place("configs/prompt/whatever.yaml", 1)
