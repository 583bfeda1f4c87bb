"""A third party's package with one plugin of each kind; importing it leaves a mark."""

from __future__ import annotations

from pathlib import Path

from commands import write

SOURCE = """
import pathlib
import subprocess

pathlib.Path({mark!r}).write_text("imported")

from evalkit.client.base import Reply
from evalkit.datasets.base import Row
from evalkit.metrics.base import MeanMetric
from evalkit.postprocess import Step, Unparsed
from evalkit.records import Request, Response


class Length(MeanMetric):
    names = ("length",)

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale

    @property
    def signature(self) -> str:
        return f"scale:{{self.scale}}"

    def score(self, prediction, references):
        return (len(prediction) * self.scale,)


class Numbers:
    name = "numbers"

    def __init__(self, *, count: int = 3) -> None:
        self.count = count

    def rows(self):
        for number in range(self.count):
            yield Row({{"text": str(number), "label": "positive"}}, f"number {{number}}")


class Shout(Step):
    name = "shout"

    def __init__(self, *, mark: str = "!") -> None:
        self.mark = mark

    def __call__(self, value):
        if not value:
            raise Unparsed("nothing to shout")
        return value.upper() + self.mark


class Echo:
    needs_prompt = True
    cacheable = False
    prices = None
    identity = "echo"

    def __init__(self, *, name: str, params=None, suffix: str = "") -> None:
        self.name = name
        self.settings = dict(params or {{}})
        self.suffix = suffix

    def check(self, samples):
        pass

    def request(self, sample, question, trial):
        return Request("echo", "echo", {{"text": question.messages[-1]["content"]}}, trial)

    def parse(self, request, body):
        return Response(body.decode())

    async def send(self, request):
        return Reply((request.body["text"] + self.suffix).encode(), 0.0)

    async def close(self):
        pass


class Picky:
    def __init__(self) -> None:
        raise ValueError("never satisfied")

    def rows(self):
        return []


def factory():
    return Numbers()
"""


def make_package(folder: Path, name: str) -> Path:
    """Write the package; return the file that exists once it was imported."""
    mark = folder / f"{name}-was-imported"
    write(folder / name / "__init__.py", "")
    write(folder / name / "parts.py", SOURCE.format(mark=str(mark)))
    return mark
