"""The sandbox as tests use it; they are skipped, with the reason, where there is none."""

from __future__ import annotations

from functools import cache

import pytest

from evalkit.errors import SandboxError
from evalkit.sandbox.base import Job, Limits, Verdict
from evalkit.sandbox.isolation import BUBBLEWRAP, isolation_of
from evalkit.sandbox.runner import Sandbox


@cache
def _why_not() -> str | None:
    try:
        Sandbox(isolation_of(BUBBLEWRAP)).check()
    except SandboxError as error:
        return str(error)
    return None


def need_sandbox() -> None:
    """Skip the test where no sandbox runs."""
    if (reason := _why_not()) is not None:
        pytest.skip(reason)


def job_of(program: str, test: str = "assert answer() == 42", entry_point: str | None = "answer") -> Job:
    return Job(program, test, entry_point=entry_point)


def run(*jobs: Job, **limits: float) -> list[Verdict]:
    """Run in bubblewrap, with limits other than the usual ones."""
    need_sandbox()
    return Sandbox(isolation_of(BUBBLEWRAP), Limits(**limits)).run(jobs)  # type: ignore[arg-type]


def verdict(program: str, test: str = "assert answer() == 42", **limits: float) -> Verdict:
    return run(job_of(program, test), **limits)[0]
