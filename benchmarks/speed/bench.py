"""Every part of the benchmark, one after the other, and one table of what was measured beside the goals.

    python benchmarks/speed/bench.py [--full | --tiny] [--rounds 5] [--only startup,warm] [--save]

Each part is a script that also runs by itself, here in a process of its own. --save writes the table and the
profiles into benchmarks/speed/results under the day's date.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import machine
from tables import ROUNDS, Goal, Part, goals_table, read_part

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SIZES = ("tiny", "usual", "full")


@dataclass(frozen=True)
class Script:
    """A part's script and its words for each size; `rounds` where they are not the usual number."""

    name: str
    tiny: str = ""
    usual: str = ""
    full: str = ""
    rounds: int | None = None


SCRIPTS = (
    Script("capacity", "--requests 200", rounds=3),
    Script("request_cost", "--requests 50"),
    Script("latency", "--requests 50 --concurrency 10 --latency 0.01"),
    Script("warm", "--samples 50", "--each", "--each"),
    Script("rouge", "--pairs 50", rounds=3),
    Script("startup"),
    Script("memory", "--samples 100", "--samples 100000", "--samples 1000000", rounds=1),
    Script(
        "scaling",
        "--sizes 20,50 --concurrency 4 --requests 50",
        "--sizes 1000,10000,100000",
        "--sizes 1000,10000,100000,1000000",
        rounds=1,
    ),
    Script("profiles", "--requests 50"),
)
OVERLAP = HERE / "overlap.py"  # BLEU and chrF beside sacrebleu; prints a table of its own
OVERLAP_GOAL = 3


def run(script: Script, size: str, rounds: int, folder: Path | None) -> Part:
    """Run a part in its own process and return its result."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "part.json"
        words = [*getattr(script, size).split(), "--rounds", str(min(rounds, script.rounds or rounds))]
        if script.name == "profiles" and folder is not None:
            words += ["--save", str(folder)]
        command = [sys.executable, str(HERE / f"{script.name}.py"), *words, "--json", str(out)]
        subprocess.run(command, check=True)
        return read_part(out)


def overlap() -> Part:
    """Run the script about BLEU and chrF and read how many times faster it says they are."""
    done = subprocess.run([sys.executable, str(OVERLAP)], check=True, capture_output=True, text=True)
    times = [float(one) for one in re.findall(r"(\d+(?:\.\d+)?) (?:×|times)", done.stdout)]
    goal = Goal(
        "BLEU and chrF statistics beside plain sacrebleu",
        f"≥ {OVERLAP_GOAL} × faster",
        f"{min(times):.1f} × (the least of what it prints)" if times else "see below",
        min(times) >= OVERLAP_GOAL if times else None,
    )
    return Part("BLEU and chrF", [goal], notes=[f"```\n{done.stdout.strip()}\n```"])


def page(parts: list[Part], chosen: list[Script], options: argparse.Namespace, before: float) -> str:
    """Return the whole result of the parts that were chosen as Markdown."""
    fewer = [f"{one.name} {one.rounds}" for one in chosen if (one.rounds or options.rounds) < options.rounds]
    facts = [
        *machine.facts(),
        f"size: {options.size}; {options.rounds} rounds in turn, in alternating order; medians and ranges",
        *([f"fewer rounds: {', '.join(fewer)}"] if fewer else []),
        f"load of the machine when it began: {before:.1f}",
        *([options.note] if options.note else []),
    ]
    goals = goals_table(goal for part in parts for goal in part.goals)
    head = f"# Speed, {datetime.now(UTC):%Y-%m-%d}"
    pieces = [head, "\n".join(f"- {one}" for one in facts), goals, *(part.markdown() for part in parts)]
    return "\n\n".join(pieces) + "\n"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--full", dest="size", action="store_const", const="full", default="usual",
                      help="a million samples too")  # fmt: skip
    made.add_argument("--tiny", dest="size", action="store_const", const="tiny", help="only that it works")
    made.add_argument("--rounds", type=int, default=ROUNDS)
    made.add_argument("--only", help="parts by name, comma-separated")
    made.add_argument("--save", action="store_true")
    made.add_argument("--note", help="a line for the table: what else ran on the machine")
    return made


def main() -> int:
    """Run the parts and print the result; a part that fails ends all."""
    asked = parser()
    options = asked.parse_args()
    known = [*(one.name for one in SCRIPTS), OVERLAP.stem]
    wanted = options.only.split(",") if options.only else known
    if unknown := sorted(set(wanted) - set(known)):
        asked.error(f"no part {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [one for one in SCRIPTS if one.name in wanted]
    before, parts = machine.load(), []
    folder = RESULTS if options.save else None
    if folder is not None:
        folder.mkdir(exist_ok=True)
    for script in chosen:
        print(f"{script.name} …", file=sys.stderr, flush=True)
        parts.append(run(script, options.size, options.rounds, folder))
    if OVERLAP.stem in wanted:
        parts.append(overlap())
    text = page(parts, chosen, options, before)
    print(text)
    if folder is not None:
        path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{machine.short_name()}.md"
        path.write_text(text, "utf-8")
        print(f"written: {path.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
