"""Workflow commands of GitHub Actions: each check that needs attention, at the file and line that changed.

https://docs.github.com/actions/reference/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.report.markdown import harmless
from evalkit.report.renderers.base import Check, Publication, State

MOST = 10
"""Annotations of each level that GitHub shows of one step; further ones are counted in the last."""
LONGEST = 4000
"""Characters of a message; GitHub cuts off at 4 KiB of bytes or so, in the middle of a line."""
LINES = 3


def render(publication: Publication) -> str:
    """Return one line a finding: errors, warnings, and the verdict as a notice."""
    lines = [*_level("error", publication), *_level("warning", publication)]
    if publication.sentence:
        lines.append(command("notice", publication.sentence, title=publication.title))
    return "".join(f"{line}\n" for line in lines)


def command(level: str, message: str, **properties: str | int) -> str:
    """Return one workflow command; nothing in its texts can begin another."""
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{level}{' ' if told else ''}{told}::{_data(harmless(message)[:LONGEST])}"


def _level(level: str, publication: Publication) -> Iterator[str]:
    checks = [one for one in publication.checks if _level_of(one) == level]
    for one in checks[: MOST if len(checks) <= MOST else MOST - 1]:
        place: dict[str, str | int] = {}
        if one.place is not None:
            place = {"file": one.place.path, "line": one.place.line}
        yield command(level, _message(one), **place, title=f"{one.case} {one.name}")
    if len(checks) > MOST:
        yield command(level, f"{len(checks) - MOST + 1} more; the table has them", title=publication.title)


def _level_of(check: Check) -> str:
    if check.state in {State.FAILED, State.ERROR}:
        return "error"
    return "warning" if check.warning else ""


def _message(check: Check) -> str:
    worst = ", ".join(one.id for one in check.samples[:LINES])
    lines = [check.message, *check.figures[:LINES], *([f"worst samples: {worst}"] if worst else ())]
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    line = harmless(" ".join(text.split()))
    return _data(line).replace(":", "%3A").replace(",", "%2C")
