"""Where configs and benchmark data lie, in a checkout and in an installed copy; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

active = False
"""Set while evalkit itself composes: Hydra's plugin must leave other programs' search paths alone."""

BENCHMARK = "benchmark:"


def shipped(folder: str) -> Path:
    """Return `configs` or `benchmarks`: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def user_configs() -> Path | None:
    """Return the user's own ./configs, unless that is the shipped folder itself."""
    mine = Path.cwd() / "configs"
    return mine if mine.is_dir() and not mine.samefile(shipped("configs")) else None


def data_path(path: str | None) -> str | None:
    """Return the file for `benchmark:<name>`, or `benchmark:<name>/<file>`; any other path as it is."""
    if path is None or not path.startswith(BENCHMARK):
        return path
    name, _, file = path.removeprefix(BENCHMARK).partition("/")
    return str(shipped("benchmarks") / name / f"{file or 'data'}.jsonl")
