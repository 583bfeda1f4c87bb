"""`evalkit init`: a project that runs at once without a key; files that are there stay."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from commands import Commands, write


def test_the_project_runs_without_a_key(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = evalkit("init", "mine")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "next: cd mine && evalkit run"
    monkeypatch.chdir(evalkit.folder / "mine")
    assert evalkit("run").code == 0
    report = json.loads(next(Path("results/runs/tickets").glob("*/report.json")).read_text("utf-8"))
    assert (report["dataset"]["n"], report["counts"]["unparsed"]) == (20, 1)
    assert report["metrics"]["accuracy"]["value"] == 0.8  # 16 of the 20 recorded answers are right
    assert evalkit("verify").code == 0
    assert evalkit("accept", "latest", "--reason", "first measurement").code == 0
    assert evalkit("gate").code == 0
    assert "tickets" in evalkit("list", "tasks").out
    assert evalkit("run", "cache=replay").code == 0


def test_the_readmes_commands_are_those_that_work(evalkit: Commands) -> None:
    assert evalkit("init").code == 0
    text = Path("README.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    commands = [shlex.split(line.partition("#")[0]) for line in lines]
    assert [words[1] for words in commands] == ["run", "show", "accept", "gate"]
    for words in commands:
        assert evalkit(*words[1:]).code == 0
    for name in ("configs/evalkit.yaml", "configs/prompt/tickets.yaml", "data/answers.jsonl"):
        assert f"`{name}`" in text
        assert Path(name).is_file()


def test_a_second_init_changes_nothing(evalkit: Commands) -> None:
    assert evalkit("init").code == 0
    before = {path: path.read_bytes() for path in evalkit.folder.rglob("*") if path.is_file()}
    assert evalkit("init").code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_files_that_are_there_are_never_overwritten_without_force(evalkit: Commands) -> None:
    mine = write(evalkit.folder / "data" / "tickets.jsonl", "mine")
    error = evalkit("init").error
    assert "data/tickets.jsonl: there already, and other than what would be written; --force" in error
    assert [path for path in evalkit.folder.rglob("*") if path.is_file()] == [mine]
    assert evalkit("init", "--force").code == 0
    assert mine.read_text() != "mine"


def test_readme_and_gitignore_of_a_repository_stay(evalkit: Commands) -> None:
    readme = write(evalkit.folder / "README.md", "# Ours\n")
    ignored = write(evalkit.folder / ".gitignore", "dist/\n")
    ran = evalkit("init")
    assert ran.code == 0
    assert "kept README.md\n" in ran.out
    assert "kept .gitignore: add results/runs/, results/suites/ and .evalkit/ to it" in ran.out
    assert (readme.read_text(), ignored.read_text()) == ("# Ours\n", "dist/\n")


def test_ci_alone_is_added_to_a_project_that_has_configs(evalkit: Commands) -> None:
    write(evalkit.folder / "configs" / "task" / "ours.yaml", "task: {name: ours}\n")
    assert evalkit("init", "--ci", "github").code == 0
    written = {str(path.relative_to(evalkit.folder)) for path in evalkit.folder.rglob("*") if path.is_file()}
    assert written == {
        "configs/task/ours.yaml",
        ".github/workflows/evalkit.yml",
        ".github/workflows/evalkit-comment.yml",
    }


def test_ci_and_project_come_together_in_an_empty_folder(evalkit: Commands) -> None:
    assert evalkit("init", "new", "--ci", "github").code == 0
    assert (evalkit.folder / "new" / "configs" / "evalkit.yaml").is_file()
    assert (evalkit.folder / "new" / ".github" / "workflows" / "evalkit.yml").is_file()


def test_a_folder_that_cannot_be_written_is_one_line(evalkit: Commands) -> None:
    write(evalkit.folder / "file", "")
    assert "file/README.md: cannot be written" in evalkit("init", "file").error


def test_another_service_is_refused(evalkit: Commands) -> None:
    assert evalkit("init", "--ci", "jenkins").code == 2


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (
            {
                "url": "https://example.org/team/evalkit.git",
                "vcs_info": {"vcs": "git", "commit_id": "a" * 40},
            },
            f"evalkit @ git+https://example.org/team/evalkit.git@{'a' * 40}",
        ),
        ({"url": "file:///somebody/evalkit", "dir_info": {"editable": True}}, ""),
        ({"url": "https://me:key@example.org/e.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}, ""),
        (None, ""),
    ],
)
def test_the_workflow_installs_this_evalkit_or_asks_which(
    evalkit: Commands, monkeypatch: pytest.MonkeyPatch, origin: dict[str, object] | None, requirement: str
) -> None:
    """The name alone would fetch another project's package from the index."""
    installed = evalkit.folder / "installed" / "evalkit-0.0.dist-info"
    write(installed / "METADATA", "Metadata-Version: 2.1\nName: evalkit\nVersion: 0.0\n")
    if origin is not None:
        write(installed / "direct_url.json", json.dumps(origin))
    monkeypatch.syspath_prepend(str(installed.parent))
    said = evalkit("init", "mine", "--ci", "github").out
    text = Path("mine/.github/workflows/evalkit.yml").read_text("utf-8")
    assert f'EVALKIT: "{requirement}"' in text
    assert ("say at EVALKIT" in said) == (not requirement)
