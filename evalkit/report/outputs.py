"""Outputs of other runs as rows, so that a judge can be asked about them: one run's, or two runs' in pairs.

A judge is a run of its own whose samples are these rows. What the judged model wrote, and what it had been
asked, are `added` to a sample: no part of what is compared, so that two judged runs can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from evalkit.datasets.base import Row
from evalkit.errors import DatasetError, PromptError
from evalkit.metrics.base import SHORT_HASH
from evalkit.prompts.turns import said
from evalkit.records import content_hash, text_of
from evalkit.report.base import read
from evalkit.report.find import find
from evalkit.report.line import replies_of, sample_of
from evalkit.report.requests import Requests

FENCE = 16  # hex digits of the hash that marks where a judged text begins and ends
SYSTEM = ("system", "developer")
TRIAL = "#"  # between a sample's id and the number of the trial
ASKED = ("instructions", "conversation", "asked")
Place = tuple[str, int]
"""A sample's id and the number of the trial."""


def pinned(path: Any, results_dir: str) -> Any:
    """Return the runs that a setting names by ids that stay theirs: `latest` will be another run tomorrow."""
    if isinstance(path, list):
        return [pinned(one, results_dir) for one in path]
    if path is None or Path(str(path)).exists():
        return path
    return find(str(path), Path(results_dir)).name


class Asked(NamedTuple):
    """What a model was asked: instructions, what was said before, and the question."""

    instructions: str
    conversation: tuple[Mapping[str, str], ...]
    question: str

    @property
    def columns(self) -> dict[str, Any]:
        """As a row has it."""
        return {
            "instructions": self.instructions,
            "conversation": list(self.conversation),
            "asked": self.question,
        }


class _Judged:
    """A run's answers by sample and trial, and what it had been asked."""

    def __init__(self, name: Any, results_dir: str) -> None:
        self.report = read(find(str(name), Path(results_dir)))
        self.failed = 0
        self.lines: dict[Place, Mapping[str, Any]] = {}
        for line in self.report.samples():
            if "failure" in line:
                self.failed += 1
            else:
                self.lines[line["id"], line["trial"]] = line
        self.several = any(trial for _, trial in self.lines)
        self._requests = Requests(self.report)

    @property
    def facts(self) -> dict[str, Any]:
        """Who wrote what is judged."""
        report = self.report
        return {
            "run": report.run_id,
            "task": report.task["name"],
            "model": report.model["asked"],
            "served": sorted(report.model["served"]),
            "prompt": None if report.prompt is None else report.prompt["sha256"],
            "dataset": report.dataset["name"],
            "fingerprint": report.dataset["fingerprint"],
            "answers": len(self.lines),
            "failed": self.failed,
        }

    def asked(self, line: Mapping[str, Any]) -> Asked:
        """Return what was asked; of recorded outputs, to which no prompt is known, what the sample holds."""
        messages = self._requests.messages(line) or self._of_recorded(line)
        system = [_text(one["content"]) for one in messages if one["role"] in SYSTEM]
        said = [
            {"role": one["role"], "content": _text(one.get("content") or "")}
            for one in messages
            if one["role"] not in SYSTEM
        ]
        # What the prompt itself says before, its examples above all, is no part of the conversation.
        before = 2 * len(line.get("turns", ())) + len(self._history(line))
        talk = said[-1 - before : -1]
        return Asked("\n\n".join(system), tuple(talk), said[-1]["content"])

    def _history(self, line: Mapping[str, Any]) -> list[Any]:
        """Return the messages that the sample came with."""
        name = self._setting("history")
        found = None if name is None else sample_of(line).fields.get(name)
        return [one for one in found or () if one.get("role") not in SYSTEM]

    def _of_recorded(self, line: Mapping[str, Any]) -> list[dict[str, Any]]:
        turns, replies, sample = self._setting("turns"), replies_of(line), sample_of(line)
        if turns is not None:
            with suppress(PromptError):
                users = said(turns, sample, replies, self.report.task["name"])
                pairs = zip(users, (*replies, None), strict=False)
                return [
                    {"role": role, "content": text}
                    for user, reply in pairs
                    for role, text in (("user", user), ("assistant", reply))
                    if text is not None
                ]
        return [{"role": "user", "content": of_fields(line)}]

    def _setting(self, name: str) -> str | None:
        """Return a setting of the run's prompt."""
        found = self.report.config.get("prompt", {}).get(name)
        return None if found is None else str(found)


class RunOutputs:
    """A run's answers as rows: its samples' columns, `output`, `asked`, `reference`, `fence`.

    `path` names the run (a path, an id, the beginning of one, latest or latest:TASK). Failed requests have no
    answer and are left out. Several trials are several rows, `<id>#<trial>`, grouped by sample.
    """

    format: ClassVar[str] = "run"
    whole: ClassVar[bool] = True
    """Takes `dataset.path` as it is: a run's name is no pattern of files."""
    added: ClassVar[tuple[str, ...]] = (*ASKED, "output", "fence")

    def __init__(self, path: Any, *, results_dir: str = "results") -> None:
        if not path or isinstance(path, list):
            raise DatasetError("dataset=run reads one run: set dataset.path=RUN (latest:TASK, an id, a path)")
        self._judged = _Judged(path, results_dir)
        self.name = f"run {self._judged.report.run_id}"
        self.title = self._judged.report.dataset["name"]

    pin = staticmethod(pinned)

    @property
    def origin(self) -> Mapping[str, Any]:
        """Who wrote what is judged."""
        return {"judged": [self._judged.facts]}

    @property
    def notes(self) -> tuple[str, ...]:
        """That there are answers which do not exist."""
        return _left_out(self._judged)

    def rows(self) -> Iterator[Row]:
        """Yield one row an answer; DatasetError when the run has none."""
        judged = self._judged
        if not judged.lines:
            raise DatasetError(f"{self.name}: every request failed, so there is nothing to judge")
        for number, (place, line) in enumerate(judged.lines.items(), start=1):
            output = _output(line)
            asked = judged.asked(line)
            columns = {
                **_columns(place, line, several=judged.several),
                **asked.columns,
                "output": output,
                "fence": _fence(asked, output),
            }
            yield Row(columns, f"answer {number}")


class RunPairs:
    """Two runs' answers to the same samples as rows: `output_a` and `output_b`, of the first and second run.

    Left out are samples that one of them lacks, failed or has with another input or target.
    """

    format: ClassVar[str] = "pair"
    whole: ClassVar[bool] = True
    added: ClassVar[tuple[str, ...]] = (*ASKED, "output_a", "output_b", "fence")

    def __init__(self, path: Any, *, results_dir: str = "results") -> None:
        if not isinstance(path, list) or len(path) != 2:  # noqa: PLR2004
            raise DatasetError(
                "dataset=pair reads two runs: set dataset.path=[BASELINE,CANDIDATE] (ids, paths, latest:TASK)"
            )
        self._a, self._b = (_Judged(one, results_dir) for one in path)
        if self._a.report.run_id == self._b.report.run_id:
            raise DatasetError(f"dataset.path names run {self._a.report.run_id} twice; name two runs")
        self.name = f"runs {self._a.report.run_id} and {self._b.report.run_id}"
        self.title = self._b.report.dataset["name"]
        self._lost: Counter[str] = Counter()

    pin = staticmethod(pinned)

    @property
    def origin(self) -> Mapping[str, Any]:
        """Who wrote what is judged: A, then B."""
        return {"judged": [self._a.facts, self._b.facts]}

    @property
    def notes(self) -> tuple[str, ...]:
        """What has no counterpart."""
        told = [f"{self._lost[why]} samples are not judged: {why}" for why in self._lost]
        return (*_left_out(self._a), *_left_out(self._b), *told)

    def rows(self) -> Iterator[Row]:
        """Yield one row for each sample and trial that both answered; DatasetError when there is none."""
        a, b = self._a, self._b
        self._lost.clear()
        shared = []
        for place in dict.fromkeys((*a.lines, *b.lines)):
            if place not in a.lines or place not in b.lines:
                lacking = a if place not in a.lines else b
                self._lost[f"run {lacking.report.run_id} has no answer to them"] += 1
            elif a.lines[place]["hash"] != b.lines[place]["hash"]:
                self._lost["the two runs have them with another input or target"] += 1
            else:
                shared.append(place)
        if not shared:
            raise DatasetError(
                f"{self.name}: they have no sample with the same content in common; run both on the same data"
            )
        several = any(trial for _, trial in shared)
        for number, place in enumerate(shared, start=1):
            yield Row(self._pair(place, several=several), f"pair {number}")

    def _pair(self, place: Place, *, several: bool) -> dict[str, Any]:
        a, b = self._a.lines[place], self._b.lines[place]
        asked, first, second = _together(self._a.asked(a), a), _replies(a), _replies(b)
        if asked != _together(self._b.asked(b), b):  # other prompts: what both were to answer are the fields
            asked = Asked("", (), of_fields(b))
        return {
            **_columns(place, b, several=several),
            **asked.columns,
            "output_a": first,
            "output_b": second,
            "fence": _fence(asked, first, second),
        }


def told(judged: Mapping[str, Any]) -> str:
    """Return in a line who wrote what a run judged, from its report's `dataset.origin.judged`."""
    prompt = judged["prompt"]
    asked = "recorded outputs" if prompt is None else f"prompt {prompt[:SHORT_HASH]}"
    return (
        f"{judged['answers']} answers of {judged['model']} to {judged['task']}, {asked}, run {judged['run']}"
    )


def of_fields(line: Mapping[str, Any]) -> str:
    """Return a sample's fields as a text: the field itself where there is one, else each with its name."""
    fields = line["input"]
    if len(fields) == 1:
        return text_of(next(iter(fields.values())))
    return "\n\n".join(f"{name}: {text_of(value)}" for name, value in fields.items())


def _columns(place: Place, line: Mapping[str, Any], *, several: bool) -> dict[str, Any]:
    """Return a judged sample's own columns, under the names that they had, with its target as `reference`."""
    name, trial = place
    return {
        **line.get("metadata", {}),
        **line["input"],
        "id": f"{name}{TRIAL}{trial}" if several else name,
        "group": line.get("group", name if several else None),
        **({} if line["target"] is None else {"reference": line["target"]}),
    }


def _output(line: Mapping[str, Any]) -> str:
    """Return what the model wrote; where it refused in a field of its own, that."""
    return str(line["output"] or line.get("refusal") or "")


def _together(asked: Asked, line: Mapping[str, Any]) -> Asked:
    """Return the user's turns as one question: the replies between them are what differs in a pair."""
    if not line.get("turns"):
        return asked
    users = [one["content"] for one in asked.conversation if one["role"] == "user"]
    return Asked(asked.instructions, (), _numbered([*users, asked.question]))


def _replies(line: Mapping[str, Any]) -> str:
    """Return what a model wrote, over all turns."""
    return _numbered([*replies_of(line), _output(line)])


def _numbered(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"Turn {number}: {text}" for number, text in enumerate(texts, start=1))


def _fence(asked: Asked, *outputs: str) -> str:
    """Return a mark that no text of the row can hold: it would have to hold a part of its own hash."""
    return content_hash([asked.columns, outputs])[:FENCE]


def _text(content: Any) -> str:
    """Return a message's text; parts that are no text are named by their type."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or f"[{part.get('type', 'part')}]" for part in content)


def _left_out(judged: _Judged) -> tuple[str, ...]:
    if not judged.failed:
        return ()
    total = judged.failed + len(judged.lines)
    return (f"{judged.failed} of {total} requests of run {judged.report.run_id} failed: not judged",)
