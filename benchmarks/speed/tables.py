"""What a part of the benchmark reports: goals with what was measured, and tables; as Markdown and as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROUNDS = 5
HEADS = ("what", "goal", "measured", "met")


@dataclass(frozen=True)
class Goal:
    """A goal beside what was measured; `met` is None where there is nothing to judge."""

    what: str
    goal: str
    measured: str
    met: bool | None = None

    @property
    def cells(self) -> list[str]:
        return [self.what, self.goal, self.measured, {True: "yes", False: "**no**", None: "-"}[self.met]]


@dataclass(frozen=True)
class Table:
    """Rows under heads; the first column is text, the others are figures."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def markdown(self) -> str:
        lines = [self.heads, ["---", *["---:"] * (len(self.heads) - 1)], *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.caption}\n\n{table}" if self.caption else table


@dataclass(frozen=True)
class Part:
    """One part of the benchmark."""

    title: str
    goals: Sequence[Goal] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        pieces = [f"## {self.title}", *(one.markdown() for one in self.tables), *self.notes]
        return "\n\n".join(pieces)


def goals_table(goals: Iterable[Goal]) -> str:
    """Return the goals as one table."""
    lines = [HEADS, ["---"] * len(HEADS), *(one.cells for one in goals)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_part(path: Path) -> Part:
    """Return the part that a script wrote with --json."""
    told = json.loads(path.read_text("utf-8"))
    return Part(
        told["title"],
        [Goal(**one) for one in told["goals"]],
        [Table(**one) for one in told["tables"]],
        told["notes"],
    )


def parser(description: str | None, rounds: int = ROUNDS) -> argparse.ArgumentParser:
    """Return a parser with the options that every part has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--json", type=Path, help="write the result there for bench.py")
    return made


def report(options: argparse.Namespace, measure: Callable[[argparse.Namespace], Part]) -> None:
    """Measure and print, or write the result where --json says."""
    part = measure(options)
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(part)), "utf-8")
        return
    if part.goals:
        print(goals_table(part.goals), end="\n\n")
    print(part.markdown())
