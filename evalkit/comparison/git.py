"""Baselines at a commit: `git:REF[:NAME]`, and `merge-base`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from evalkit.errors import UsageError

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)", re.MULTILINE)
DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class Commit:
    """Files of a folder as a commit holds them."""

    def __init__(self, ref: str, folder: Path) -> None:
        self.sha = resolve(ref)
        self.place = f"{folder} at {ref}"
        self._folder = folder

    def read(self, path: str) -> str | None:
        """Return a file's text at the commit; None when it is not there."""
        # "./" makes git read the path from the working directory, not from the repository's top.
        done = _git("show", f"{self.sha}:./{(self._folder / path).as_posix()}")
        return done.stdout if done.returncode == 0 else None


def resolve(ref: str) -> str:
    """Return a ref's commit; UsageError when there is none."""
    done = _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if done.returncode:
        raise UsageError(f'git knows no commit "{ref}" here; fetch it, or name another')
    return done.stdout.strip()


def last_commit(path: Path) -> str | None:
    """Return the commit that changed a file last; None outside a repository, or for a file not committed."""
    return _git("log", "-1", "--format=%H", "--", os.fspath(path)).stdout.strip() or None


def new_line(commit: str, path: Path) -> int | None:
    """Return the first line of a file that is not as it was at a commit; None where it is, or git fails."""
    found = _HUNK.search(_git("diff", "--unified=0", "--no-ext-diff", commit, "--", os.fspath(path)).stdout)
    return max(1, int(found[1])) if found else None


def merge_base() -> str:
    """Return the commit where this branch left the default branch.

    In CI the pull request's target is taken from the environment. UsageError says how deep to fetch when the
    clone is too shallow to hold it.
    """
    target = os.environ.get("GITHUB_BASE_REF") or os.environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    candidates = (f"origin/{target}", target) if target else DEFAULT_BRANCHES
    known = [
        one for one in candidates if one and _git("rev-parse", "--verify", "--quiet", one).returncode == 0
    ]
    if not known:
        raise UsageError(
            f"no branch to take the merge base with (looked for {', '.join(filter(None, candidates))}); "
            "fetch it: git fetch origin main, or name a baseline"
        )
    done = _git("merge-base", "HEAD", known[0])
    if done.returncode:
        shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        remedy = (
            "the clone is shallow: git fetch --unshallow (or check out with fetch-depth: 0)"
            if shallow
            else "the histories are unrelated: name a baseline"
        )
        raise UsageError(f"HEAD and {known[0]} have no common commit here; {remedy}")
    return done.stdout.strip()


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise UsageError("git is not installed; name a baseline or a run instead of a git ref") from None
