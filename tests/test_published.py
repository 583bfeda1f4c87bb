"""The committed score table, chart and badge are what the code makes of the committed answers."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
TASKS = ("qa", "sentiment", "summarization", "translation")
FILES = ("scores.md", "scores.html", "scores.csv", "scores.svg", "badge.svg")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script of CI writes, without key, model file and cache of this machine."""
    if find_spec("xllamacpp") is None:
        pytest.skip("the `local` extra is not installed")
    folder = tmp_path_factory.mktemp("scores")
    evalkit = folder / "evalkit"
    evalkit.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m evalkit "$@"\n')
    evalkit.chmod(0o755)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [ROOT / ".ci" / "scores", folder / "published"],
        env=kept
        | {
            "EVALKIT": str(evalkit),
            "RESULTS": str(folder / "results"),
            "EVALKIT_HOME": str(folder / "nothing"),
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-2000:]}\nnew answers: ASK=1 .ci/scores"
    assert done.stderr.count("0 requests sent") == len(TASKS)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_committed_file_is_what_the_answers_give(made: Path, name: str) -> None:
    assert (made / "published" / name).read_bytes() == (PUBLISHED / name).read_bytes(), (
        ".ci/scores writes it anew; look at what changed before it is committed"
    )


def test_every_task_has_a_page_with_its_samples(made: Path) -> None:
    pages = sorted((made / "results" / "runs").glob("*/*/report.html"))
    assert tuple(page.parent.parent.name for page in pages) == TASKS


def test_nothing_else_is_published_and_it_stays_small() -> None:
    assert {path.name for path in PUBLISHED.iterdir()} == {*FILES, "answers.sqlite"}
    assert sum(path.stat().st_size for path in PUBLISHED.iterdir()) < 1_000_000


def test_readme_shows_the_table_and_the_chart() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = (PUBLISHED / "scores.md").read_text("utf-8").splitlines()
    assert "\n".join(line for line in lines if line.startswith("|")) in readme
    assert "](results/published/scores.svg)" in readme
