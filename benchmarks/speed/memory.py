"""Peak memory and time of large runs: neither may grow faster than the samples.

    python benchmarks/speed/memory.py [--samples 1000000] [--rounds 1] [--through recorded,server]

Samples of 1 KB with outputs of 300 bytes, exact match, through recorded outputs and through the fast server
(with a new cache). Runs over all samples, a tenth of them, 10,000, and one, whose time is what starting
costs. Growth is the time of a further sample in the largest run over that of 10,000 (of a tenth, where all
are fewer). A run of seconds sees the machine as it is at that moment, one of minutes its average: the short
ones run again after each of the longer ones.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import workload
from fast_server import FastServer, fast_server
from measure import Usage, run
from request_cost import CONCURRENCY, afresh, cold
from rounds import interleaved, spread
from tables import Goal, Part, Table, parser, report

SAMPLES = 100_000
BASE = 10_000  # what growth is measured from
PEAK, TIMES, GROWTH = 500, 1.3, 1.2
PIECES = 2  # texts in a question: with the reference a row has 1 KB
Runs = dict[int, list[Usage]]


def sizes(samples: int) -> list[int]:
    """Return the sizes that are run, in order: one, 10,000 where that is less than all, a tenth, all."""
    tenth = max(2, samples // 10)
    return sorted({1, min(BASE, tenth), tenth, samples})


def through_recorded(folder: Path, n: int) -> Usage:
    """Score n recorded outputs."""
    words = workload.recorded(folder / f"{n}-outputs.jsonl")
    return run(workload.evalkit(*workload.run_words(folder / f"{n}.jsonl", *words)), folder)


def through_server(server: FastServer, folder: Path, n: int) -> Usage:
    """Ask the server n times, with a new cache."""
    return afresh(server, cold(server, folder / f"{n}.jsonl", CONCURRENCY), folder, n).usage


def turns(samples: int) -> list[int]:
    """Return the sizes in the order of a round: the short ones, and again after each longer one."""
    short = [n for n in sizes(samples) if n <= BASE]
    return short + [n for long in sizes(samples)[len(short) :] for n in (long, *short)]


def measured(act: Callable[[int], Usage], options: argparse.Namespace) -> Runs:
    """Return the usages of each size."""
    order = turns(options.samples)
    found = interleaved({str(turn): partial(act, n) for turn, n in enumerate(order)}, options.rounds)
    runs: Runs = {n: [] for n in sizes(options.samples)}
    for turn, n in enumerate(order):
        runs[n] += found[str(turn)]
    return runs


def further(runs: Runs, n: int, of: str) -> float:
    """Return the µs of a sample beyond the first."""
    middle = {size: spread([getattr(one, of) for one in runs[size]]).middle for size in (1, n)}
    return float((middle[n] - middle[1]) / (n - 1) * 1e6)


def peak(runs: Runs, n: int) -> float:
    """Return the highest peak of a size, in MB."""
    return max(one.peak for one in runs[n]) / 1e6


def growth(runs: Runs, small: int, large: int) -> Goal:
    """Judge the time of a further sample; not where the noise of starting hides it."""
    costs = {of: (further(runs, small, of), further(runs, large, of)) for of in ("cpu", "wall")}
    what, goal = f"time of a further sample, {large:,} beside {small:,}", f"≤ {GROWTH} ×"
    if costs["cpu"][0] * small / 1e6 < runs[1][0].cpu / 2:
        return Goal(what, goal, "too few samples to tell from what starting costs")
    times = {of: last / first for of, (first, last) in costs.items()}
    shown = f"{times['cpu']:.2f} × of CPU, {times['wall']:.2f} × of wall time"
    return Goal(what, goal, shown, max(times.values()) <= GROWTH)


def goals(name: str, runs: Runs) -> list[Goal]:
    """Judge the largest run, beside the one before it and the first."""
    ordered = sorted(runs)
    small, middle, large = ordered[1], ordered[-2], ordered[-1]
    times = peak(runs, large) / peak(runs, middle)
    grown = growth(runs, small, large)
    return [
        Goal(
            f"peak memory of {large:,} samples, {name}",
            f"≤ {PEAK} MB",
            f"{peak(runs, large):.0f} MB",
            peak(runs, large) <= PEAK,
        ),
        Goal(
            f"the same beside {middle:,} samples, {name}",
            f"≤ {TIMES} ×",
            f"{times:.2f} × ({peak(runs, middle):.0f} MB)",
            times <= TIMES,
        ),
        replace(grown, what=f"{grown.what}, {name}"),
    ]


def table(name: str, runs: Runs) -> Table:
    """Return a row for each size."""
    rows = [
        [
            f"{n:,}",
            f"{peak(runs, n):.0f}",
            spread([one.wall for one in runs[n]]).shown(2),
            spread([one.cpu for one in runs[n]]).shown(2),
            *(f"{further(runs, n, of):.0f}" if n > 1 else "-" for of in ("wall", "cpu")),
        ]
        for n in sorted(runs)
    ]
    heads = ("samples", "peak MB", "wall s (range)", "CPU s (range)", "µs a further sample", "µs of CPU")
    return Table(heads, rows, f"{name}:")


def measure(options: argparse.Namespace) -> Part:
    found: dict[str, Runs] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        workload.write_configs(folder)
        for n in sizes(options.samples):
            workload.write_rows(folder / f"{n}.jsonl", n, PIECES)
            workload.write_outputs(folder / f"{n}-outputs.jsonl", n)
        if "recorded" in options.through:
            found["model=recorded"] = measured(partial(through_recorded, folder), options)
        if "server" in options.through:
            with fast_server() as server:
                act = partial(through_server, server, folder)
                found["the fast server"] = measured(act, options)
    return Part(
        "Memory and growth",
        [goal for name, runs in found.items() for goal in goals(name, runs)],
        [table(name, runs) for name, runs in found.items()],
    )


def main() -> None:
    made = parser(__doc__, rounds=1)
    made.add_argument("--samples", type=int, default=SAMPLES)
    made.add_argument("--through", default="recorded,server")
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
