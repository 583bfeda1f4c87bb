"""Where a number comes from: code, versions, machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("openai", "datasets", "rouge-score", "sacrebleu", "hydra-core", "numpy", "jinja2", "xllamacpp")


def provenance() -> dict[str, Any]:
    """Return git commit and state, package versions and platform; nothing that names user or machine."""
    from evalkit import __version__

    return {
        "git": _git(),
        "versions": {"python": platform.python_version(), "evalkit": __version__, **_versions()},
        "platform": f"{platform.system()} {platform.machine()}",
        "implementation": sys.implementation.name,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any] | None:
    sha = _output("rev-parse", "HEAD")
    if sha is None:
        return None
    return {"sha": sha, "dirty": bool(_output("status", "--porcelain", "--untracked-files=no"))}


def _output(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603, S607
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
