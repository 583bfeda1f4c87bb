"""Downloading one pinned wheel with the installer, and from the index, that the user has set up."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_ADVICE = ("hint:", "warning:", "WARNING:")
TIME_LIMIT = 1800.0
"""Seconds for one download: 93 MB still fit through a line of half a megabit a second."""


class DownloadError(Exception):
    """The wheel could not be had; the message is one line that says why."""


def download(requirement: str, folder: Path, time_limit: float = TIME_LIMIT) -> None:
    """Put the wheel of a `name==version --hash=sha256:…` line into `folder`, or its unpacked files.

    pip writes the .whl file; uv (for environments without pip) unpacks it. Both check the hash, install
    nothing, and read the user's own configuration. Raises DownloadError.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(requirement + "\n", encoding="utf-8")
    if importlib.util.find_spec("pip") is not None:
        _run(_pip_download(wanted, folder), time_limit)
        return
    uv = shutil.which("uv")
    if uv is not None:
        _run(_uv_unpack(uv, wanted, folder), time_limit)
        return
    _run(_pip_download(wanted, folder), time_limit, {"PYTHONPATH": str(_borrowed_pip(folder))})


def _pip_download(wanted: Path, folder: Path) -> list[str]:
    # -P: files of the working directory must not stand in for pip's own modules.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar=off", "--no-deps", "--only-binary=:all:"]
    return [*command, "--require-hashes", f"--dest={folder}", f"--requirement={wanted}"]


def _uv_unpack(uv: str, wanted: Path, folder: Path) -> list[str]:
    # uv has no `download`; installing into a folder of its own is the same thing, unpacked.
    # Copied, not linked: a file that shares its blocks with uv's cache would change with it.
    command = [uv, "pip", "install", "--quiet", "--no-progress", "--python", sys.executable, "--no-deps"]
    command += ["--only-binary", ":all:", "--link-mode", "copy", "--require-hashes"]
    return [*command, "--target", str(folder), "-r", str(wanted)]


def _borrowed_pip(folder: Path) -> Path:
    """Unpack the pip that Python carries below `folder`, and return the directory to import it from."""
    root = folder / "pip"
    try:
        _run([sys.executable, "-P", "-m", "ensurepip", "--root", str(root)], 120.0)
    except DownloadError as error:
        raise DownloadError(f"this Python has no pip, there is no uv on the path, and {error}") from None
    for found in root.rglob("pip/__main__.py"):
        return found.parent.parent
    raise DownloadError("this Python has no pip, there is no uv on the path, and ensurepip gave none")


def _run(command: list[str], time_limit: float, extra: Mapping[str, str] | None = None) -> None:
    # A download installs nothing, so a rule that pip must run inside a virtual environment has no point here.
    env = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", **(extra or {})}
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=time_limit,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DownloadError(f"the download took longer than {time_limit:.0f} s") from None
    except OSError as error:
        raise DownloadError(f"{command[0]} did not start: {error.strerror or error}") from None
    if done.returncode:
        raise DownloadError(reason(done.stdout.decode("utf-8", "replace"), done.returncode))


def reason(output: str, code: int) -> str:
    """Return the one line of an installer's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not line.startswith("[notice]")]
    if any("DO NOT MATCH THE HASHES" in line or "Hash mismatch" in line for line in lines):
        return "the wheel that the package index offers is not the pinned one (its SHA-256 differs)"
    if any("connection broken" in line or "Failed to fetch" in line for line in lines):
        return "the package index cannot be reached"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if errors:
        return errors[0]
    # uv puts the fact first and advice after it.
    causes = [line.removeprefix("error:").strip() for line in lines if not line.startswith(_ADVICE)]
    return " ".join(causes[:2]) if causes else f"the installer ended with code {code}"


Download = Callable[[str, Path], None]
"""What fetching needs of `download`; tests put a folder with a prepared wheel in its place."""
