"""`evalkit init`: a project that runs at once, and the workflow that evaluates its pull requests."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import UsageError

SCAFFOLD = Path(__file__).parents[1] / "scaffold"
PROJECT = "project"
SERVICES = ("github",)
DOT = "dot-"  # ".gitignore" lies there as "dot-gitignore": it must not act on our own repository

REQUIREMENT = "EVALKIT_REQUIREMENT"  # stands in the workflow for what pip installs
_PUBLIC = re.compile(r"https://[\w.:/~-]+")

OWN = {"README.md": "", ".gitignore": ": add results/runs/, results/suites/ and .evalkit/ to it"}
"""Files that a repository has anyway: they stay as they are."""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit init",
        description="Start a project: configs, 20 samples, recorded answers. It runs without a key. With "
        "--ci in a project that has configs, only the workflow is written.",
    )
    found.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="default: this one")
    found.add_argument("--ci", choices=SERVICES, help="write the workflow that evaluates pull requests")
    found.add_argument("--force", action="store_true", help="overwrite files that are there")
    return found


def main(argv: Sequence[str]) -> int:
    """Write the files; refuses, before anything is written, when one is there already and differs."""
    options = parser().parse_args(argv)
    folder = Path(options.folder)
    has_configs = (folder / "configs").is_dir()
    kits = ([] if options.ci and has_configs else [PROJECT]) + ([options.ci] if options.ci else [])
    files = {folder / name: text for kit in kits for name, text in _files(kit).items()}
    if not options.force:
        _refuse_overwriting(files)
    for path, text in files.items():
        if path.name in OWN and path.exists() and not options.force:
            if not _holds(path, text):
                print(f"kept {path}{OWN[path.name]}")
            continue
        _write(path, text)
        print(f"wrote {path}")
    _say_next(folder, kits)
    return 0


def _files(kit: str) -> dict[str, str]:
    """Return the texts of a kit's files by their place in the project."""
    root, requirement = SCAFFOLD / kit, _requirement() or ""
    return {
        path.relative_to(root).as_posix().replace(DOT, "."): path.read_text("utf-8").replace(
            REQUIREMENT, requirement
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _requirement() -> str | None:
    """Return what installs this evalkit again: its commit, where it came from a repository; else None.

    Never a bare name and version: the index knows another project by that name. Installers write the address
    down without its credentials (https://packaging.python.org/specifications/direct-url/).
    """
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        origin = json.loads(distribution("evalkit").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit = origin.get("vcs_info", {}).get("commit_id")
    address = str(origin.get("url"))
    return f"evalkit @ git+{address}@{commit}" if commit and _PUBLIC.fullmatch(address) else None


def _refuse_overwriting(files: dict[Path, str]) -> None:
    other = [
        path
        for path, text in files.items()
        if path.exists() and path.name not in OWN and not _holds(path, text)
    ]
    if other:
        raise UsageError(
            f"{', '.join(map(str, other))}: there already, and other than what would be written; "
            "--force overwrites, or choose another folder"
        )


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text("utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error


def _say_next(folder: Path, kits: Sequence[str]) -> None:
    if PROJECT in kits:
        change = "" if folder == Path() else f"cd {folder} && "
        print(f"next: {change}evalkit run")
    if "github" in kits:
        if _requirement() is None:
            print("next: say at EVALKIT in .github/workflows/evalkit.yml what pip shall install")
        print(
            "next: commit the workflows and a baseline (evalkit accept latest --reason …); set the secret "
            "OPENAI_API_KEY where a model needs one"
        )
