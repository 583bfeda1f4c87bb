"""What a request costs evalkit, beside bare loops that only collect the answers to the same requests.

    python benchmarks/speed/request_cost.py [--rounds 5] [--requests 5000]

CPU seconds (user + system) of whole processes, start-up included, in turn. evalkit renders prompts, commits
every answer to a new cache, scores exact match and writes the report.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import workload
from asking import Asked, asking, rates
from capacity import REQUESTS, enough, loaded
from fast_server import FastServer, fast_server
from rounds import interleaved, ratio, spread
from tables import Goal, Part, Table, parser, report

FLOOR = "bare AsyncOpenAI, aiohttp"
NAMES = {"aiohttp": FLOOR, "httpx2": "bare AsyncOpenAI, httpx2", "raw": "bare aiohttp"}
CONCURRENCY = 64
GOAL, STRETCH = 1.0, 0.7
FIRST = ", one request"
LOAD = "load generator"


def cold(server: FastServer, data: Path, concurrency: int) -> list[str]:
    """Return the command of a run that asks for everything and keeps every answer."""
    words = [*workload.served(server.base_url, concurrency), "cache=refresh"]
    return workload.evalkit(*workload.run_words(data, *words))


def contestants(
    server: FastServer, folder: Path, n: int, concurrency: int, floors: list[str]
) -> dict[str, Callable[[], Asked]]:
    """Return what runs in each round: evalkit and the floors, with n requests and with one."""
    workload.write_configs(folder)
    found: dict[str, Callable[[], Asked]] = {}
    for size, ending in ((1, FIRST), (n, "")):
        data = workload.write_rows(folder / f"{size}.jsonl", size)
        for kind in floors:
            command = workload.bare(kind, server.base_url, data, concurrency)
            found[NAMES[kind] + ending] = partial(asking, server, command, folder, size)
        command = cold(server, data, concurrency)
        found[f"evalkit{ending}"] = partial(afresh, server, command, folder, size)
    return found


def afresh(server: FastServer, command: list[str], folder: Path, n: int, latency: float = 0.0) -> Asked:
    """Run evalkit with an empty cache: the file of the round before would only be overwritten."""
    for path in (folder / ".evalkit").glob("cache.sqlite*"):
        path.unlink()
    return asking(server, command, folder, n, latency)


def rows_of(found: Mapping[str, list[Asked]], n: int) -> list[list[str]]:
    """Return a row for each contestant."""
    cpu = {name: [one.usage.cpu for one in values] for name, values in found.items()}
    rows = []
    for name in [one for one in found if not one.endswith(FIRST)]:
        rest = spread(cpu[name]).middle - spread(cpu[name + FIRST]).middle
        rows.append(
            [
                name,
                spread(cpu[name]).shown(2),
                ratio(cpu[name], cpu[FLOOR]).shown(2),
                f"{rest / (n - 1) * 1e6:.0f}",
                f"{spread(cpu[name + FIRST]).middle:.2f}",
                f"{rates(found[name]).middle:,.0f}",
                f"{found[name][0].served.received_bytes / n:.0f}",
            ]
        )
    return rows


def measure(options: argparse.Namespace) -> Part:
    n, floors = options.requests, options.floors.split(",")
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        made = contestants(server, Path(scratch), n, options.concurrency, floors)
        made[LOAD] = partial(loaded, server, Path(scratch), requests=min(REQUESTS, 40 * n))
        found = interleaved(made, options.rounds)
    able = found.pop(LOAD)
    cpu = {name: [one.usage.cpu for one in values] for name, values in found.items()}
    whole = ratio(cpu["evalkit"], cpu[FLOOR])
    goal = Goal(
        f"CPU of a cold run of {n:,}, beside {FLOOR}",
        f"≤ {GOAL:.1f} × (stretch {STRETCH})",
        f"{whole.shown(2)}",
        whole.middle <= GOAL,
    )
    heads = (
        *("whole process", "CPU s (range)", "ratio (range of rounds)", "µs a further request"),
        *("CPU s of one request", "requests/s", "bytes of a body"),
    )
    caption = f"{n:,} requests, {options.concurrency} concurrent, no latency; {options.rounds} rounds."
    whole_runs = [name for name in found if not name.endswith(FIRST)]
    fastest = max(whole_runs, key=lambda name: rates(found[name]).middle)
    return Part(
        "CPU of a request",
        [goal, enough(fastest, able, found[fastest])],
        [Table(heads, rows_of(found, n), caption)],
    )


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=5000)
    made.add_argument("--concurrency", type=int, default=CONCURRENCY)
    made.add_argument("--floors", default=",".join(NAMES), help="the first is what ratios are to: aiohttp")
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
