"""What earlier runs tell: how long answers were, how long they took, and how samples' scores vary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError
from evalkit.report.base import Report, read
from evalkit.report.find import run_folders

if TYPE_CHECKING:
    from evalkit.client.base import Model
    from evalkit.task import Task

NEWEST = 50  # runs that are looked at


@dataclass(frozen=True)
class Answers:
    """One earlier run's answers: completion tokens of one answer by sample id, seconds of one answer."""

    run_id: str
    completion: Mapping[str, float] = field(default_factory=dict)
    latency: float | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Completion tokens of an answer, on average over the samples."""
        return sum(self.completion.values()) / len(self.completion)


@dataclass(frozen=True)
class History:
    """The runs of a results folder that a plan can learn from, the most alike first, then the newest."""

    of_task: Sequence[Report]
    others: Sequence[Report]
    """Runs of the same model on other tasks."""
    model: str
    identity: str

    def lengths(self) -> Answers | None:
        """Return the answers of the same model to the same task; None where no run knows their tokens."""
        known = (answers_of(one) for one in self.of_task if self._same_model(one))
        return next((one for one in known if one.completion), None)

    def pace(self) -> Answers | None:
        """Return the answers of the same model whose latency is known, of another task if need be."""
        known = (answers_of(one) for one in (*self.of_task, *self.others) if self._same_model(one))
        return next((one for one in known if one.latency is not None), None)

    def _same_model(self, report: Report) -> bool:
        return report.model["asked"] == self.model and report.model.get("identity") == self.identity


def history(task: Task, model: Model, results_dir: Path) -> History:
    """Look through the newest runs."""
    folders = run_folders(results_dir)[::-1]
    of_task = [one for one in folders if one.parent.name == task.name][:NEWEST]
    others = [one for one in folders if one.parent.name != task.name][:NEWEST]

    def unlike(report: Report) -> tuple[bool, ...]:
        prompt = report.prompt["sha256"] if report.prompt else None
        return (
            report.model["asked"] != model.name,
            report.dataset["fingerprint"] != task.dataset.fingerprint,
            prompt != task.prompt.sha256,
            dict(report.model["params"]) != dict(model.settings),
        )

    return History(
        sorted(_readable(of_task), key=unlike), list(_readable(others)), model.name, model.identity
    )


def answers_of(report: Report) -> Answers:
    """Read what a run's samples say of its answers."""
    tokens: dict[str, list[int]] = {}
    seconds: list[float] = []
    for line in _lines(report):
        for answer in (*line.get("turns", ()), line):
            if answer.get("usage") is not None:
                tokens.setdefault(line["id"], []).append(answer["usage"]["completion"])
            elif line["id"] in tokens:
                tokens[line["id"]].append(0)  # a further choice of a request: its tokens stand at the first
            if answer.get("latency"):
                seconds.append(answer["latency"])
    return Answers(
        report.run_id,
        {name: sum(counts) / len(counts) for name, counts in tokens.items()},
        sum(seconds) / len(seconds) if seconds else None,
        report.timing.get("limits") or {},
    )


def _lines(report: Report) -> Iterator[dict[str, Any]]:
    with suppress(ReportError):
        yield from (line for line in report.samples() if "failure" not in line)


def _readable(folders: Sequence[Path]) -> Iterator[Report]:
    """A damaged report, or one of a newer version, is no reason not to plan."""
    for folder in folders:
        with suppress(ReportError):
            yield read(folder)
