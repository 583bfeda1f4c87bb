"""How soon evalkit answers: CPU of the light commands, and the time to a run's first request.

    python benchmarks/speed/startup.py [--rounds 5]

The time to the first request is wall time from starting the process, by the server's clock; beside it a bare
process that composes a copy of the same configs with Hydra and imports openai, and one that also sends a
request.
"""

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import workload
from fast_server import FastServer, fast_server
from measure import run
from rounds import interleaved, ratio, spread
from tables import Goal, Part, Table, parser, report

LIGHT, FIRST = 0.15, 1.25
SAMPLES = 4
BARE_PYTHON = "python -c pass"
COMMANDS = ("--help", "list", "--version", "run --cfg job")
GOALS = ("--help", "list")
START = "compose and import openai"
SENDING = "compose, import openai and send"
OURS = "evalkit run"


def configs_of_its_own(folder: Path) -> Path:
    """Return a copy of the shipped configs that composes without evalkit's schema."""
    copy = folder / "bare"
    shutil.copytree(workload.ROOT / "configs", copy)
    shutil.copytree(folder / "configs", copy, dirs_exist_ok=True)
    primary = copy / "evalkit.yaml"
    primary.write_text(primary.read_text("utf-8").replace("  - evalkit_schema\n", ""), "utf-8")
    return copy


def until_first(server: FastServer, command: list[str], folder: Path) -> float:
    """Return the seconds from starting the process to the first request at the server."""
    server.reset()
    started = run(command, folder).started
    return server.report().first_received - started


def until_ready(command: list[str], folder: Path) -> float:
    """Return the seconds from starting the process to the moment that it prints."""
    started = run(command, folder).started
    return float((folder / "output.txt").read_text("utf-8")) - started


def first_requests(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds until the first request, by who sends it."""
    workload.write_configs(folder)
    data = workload.write_rows(folder / "rows.jsonl", SAMPLES)
    bare = [sys.executable, str(Path(__file__).with_name("bare_start.py")), str(configs_of_its_own(folder))]
    with fast_server() as server:
        words = [*workload.run_words(data, *workload.served(server.base_url, 16)), "cache=refresh"]
        made = {
            START: partial(until_ready, [*bare, *words[1:]], folder),
            SENDING: partial(until_first, server, [*bare, *words[1:], "--url", server.base_url], folder),
            OURS: partial(until_first, server, workload.evalkit(*words), folder),
        }
        return interleaved(made, rounds)


def commands(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of the light commands."""
    made = {f"evalkit {words}": workload.evalkit(*words.split()) for words in COMMANDS}
    made[BARE_PYTHON] = [sys.executable, "-c", "pass"]
    found = interleaved({name: partial(run, command, folder) for name, command in made.items()}, rounds)
    return {name: [one.cpu for one in usages] for name, usages in found.items()}


def measure(options: argparse.Namespace) -> Part:
    with tempfile.TemporaryDirectory() as scratch:
        light = commands(Path(scratch), options.rounds)
        first = first_requests(Path(scratch), options.rounds)
    whole = ratio(first[OURS], first[START])
    goals = [
        Goal(
            name,
            f"≤ {LIGHT} s of CPU",
            spread(light[name]).shown(3, "s"),
            spread(light[name]).middle <= LIGHT,
        )
        for name in (f"evalkit {words}" for words in GOALS)
    ]
    goals.append(
        Goal(
            "time to a run's first request, beside composing with Hydra and importing openai",
            f"≤ {FIRST} ×",
            whole.shown(2),
            whole.middle <= FIRST,
        )
    )
    return Part(
        "Start",
        goals,
        [
            Table(
                ("command", "CPU s (range)"), [[name, spread(one).shown(3)] for name, one in light.items()]
            ),
            Table(
                ("until the first request", "wall s (range)", "ratio (range of rounds)"),
                [
                    [name, spread(one).shown(2), ratio(one, first[START]).shown(2)]
                    for name, one in first.items()
                ],
            ),
        ],
    )


def main() -> None:
    report(parser(__doc__).parse_args(), measure)


if __name__ == "__main__":
    main()
