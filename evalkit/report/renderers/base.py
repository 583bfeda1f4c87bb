"""What a format makes text of: one record for a run, a comparison, a gate or a table of many runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from evalkit.records import Aggregate
from evalkit.report.grid import Grid


class State(Enum):
    """How a check ended, in the words of test reports."""

    PASSED = "passed"
    FAILED = "failed"
    """What was measured is not good enough."""
    ERROR = "error"
    """It could not be measured."""
    SKIPPED = "skipped"
    """It was looked at and judges nothing."""


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1; the path is relative to the repository."""

    path: str
    line: int


@dataclass(frozen=True)
class Excerpt:
    """A sample as it is quoted: texts as they are, `remark` says what failed or could not be parsed.

    `scores` are the answer's own values in points; `before` is the baseline's output, None where it is not
    at hand.
    """

    id: str
    trial: int
    input: Mapping[str, Any]
    target: Any
    output: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    remark: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class Check:
    """One thing that passes or fails: a metric of a case, or that all requests were answered.

    `message` is one line; `figures` are the numbers behind it; `place` is what the author changed.
    """

    case: str
    name: str
    state: State
    message: str
    figures: Sequence[str] = ()
    samples: Sequence[Excerpt] = ()
    place: Place | None = None
    warning: bool = False
    """Passed, and worth a reader's attention."""


@dataclass(frozen=True)
class Publication:
    """Everything that a format may show; each takes what it has room for.

    `sentence` and `verdict` come from a comparison and are empty without one. `grids` are the tables,
    `details` further ones; `data` is the plain data that the JSON format prints. `created` is ISO 8601 with
    its zone.
    """

    title: str
    grids: Sequence[Grid] = ()
    verdict: str = ""
    sentence: str = ""
    warnings: Sequence[str] = ()
    checks: Sequence[Check] = ()
    details: Sequence[Grid] = ()
    remarks: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    texts: Sequence[tuple[str, str]] = ()
    """Titles and texts to be shown letter by letter: prompts, post-processing, signatures."""
    samples: Sequence[Excerpt] = ()
    score: Aggregate | None = None
    """The one value that a badge shows; `label` says what it is."""
    label: str = ""
    created: str = "1970-01-01T00:00:00+00:00"
    seconds: float = 0.0
    data: Any = None


Renderer = Callable[[Publication], str]


@dataclass(frozen=True)
class Format:
    """A renderer and what it needs."""

    render: Renderer
    samples: bool = False
    """Whether it quotes samples, which have to be read for it."""
