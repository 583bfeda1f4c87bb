"""An installed copy works outside the checkout: configs and benchmark data travel inside the wheel."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def evalkit(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new environment that holds the wheel, and this environment's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Our own editable install must not be found before the copy: a .pth comes after site-packages itself.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    command = folder / "bin" / "evalkit"
    command.write_text(
        f"#!{folder}/bin/python\nimport sys\nfrom evalkit.cli.main import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return command


def call(command: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [command, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


def test_wheel_holds_configs_benchmarks_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml")}
    assert {f"evalkit/{name}" for name in shipped} <= names
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "benchmarks").glob("*/data.jsonl")}
    assert data
    assert {f"evalkit/{name}" for name in data} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "evalkit/py.typed" in names
    assert "hydra_plugins/evalkit_searchpath/__init__.py" in names
    assert not any(name.startswith(("tests/", "evalkit/benchmarks/speed")) for name in names)


def test_installed_copy_runs_from_another_folder(evalkit: Path, tmp_path: Path) -> None:
    where = call(evalkit, tmp_path, "--version")
    assert where.stdout.startswith("evalkit ")
    assert "sentiment" in call(evalkit, tmp_path, "list", "tasks").stdout
    with FakeOpenAI('{"sentiment": "positive"}') as server:
        done = call(
            evalkit, tmp_path, "run", "model=openai", "model.name=gpt-4o", f"model.base_url={server.base_url}"
        )
        assert done.returncode == 0, done.stderr
        assert server.count == 60
    report = json.loads(next(tmp_path.glob("results/runs/sentiment/*/report.json")).read_text())
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(20 / 60)  # a third is positive
    assert report["dataset"]["n"] == 60


def test_installed_copy_is_the_one_that_runs(evalkit: Path, tmp_path: Path) -> None:
    python = evalkit.parent / "python"
    done = subprocess.run(
        [python, "-c", "import evalkit; print(evalkit.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert str(evalkit.parents[1]) in done.stdout
