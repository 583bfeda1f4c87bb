"""How many requests a second the fast server answers by itself, measured before anything is tested on it.

    python benchmarks/speed/capacity.py [--rounds 3] [--requests 20000]

One request on its way in each of 64 connections, as clients send them, and sixteen, where the server alone is
the limit. What is tested must stay below a third of the first (request_cost.py has a load generator in every
round), else the server is measured and not the client.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from asking import Asked, asking, rates
from fast_server import FastServer, fast_server
from rounds import interleaved, ratio, spread
from tables import Goal, Part, Table, parser, report

TIMES = 3
REQUESTS = 20_000
CONNECTIONS = 64
DEPTHS = (1, 16)


def loaded(server: FastServer, folder: Path, depth: int = 1, requests: int = REQUESTS) -> Asked:
    """Run a load generator that is as plain as the server."""
    script = str(Path(__file__).with_name("load.py"))
    words = ["--connections", str(CONNECTIONS), "--depth", str(depth), "--requests", str(requests)]
    return asking(server, [sys.executable, script, server.base_url, *words], folder, requests)


def enough(name: str, able: Sequence[Asked], tested: Sequence[Asked]) -> Goal:
    """Return whether the server answers a load generator three times as fast as what is tested."""
    times = ratio([one.served.rate for one in able], [one.served.rate for one in tested])
    met = times.middle >= TIMES
    warning = "" if met else "; **warning: the server may be what was measured**"
    both = f"{rates(able).middle:,.0f} and {rates(tested).middle:,.0f} requests/s"
    return Goal(
        f"capacity of the server beside the fastest, {name}",
        f"≥ {TIMES} ×",
        f"{times.shown(1)} × ({both}){warning}",
        met,
    )


def measure(options: argparse.Namespace) -> Part:
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        made = {
            str(depth): partial(loaded, server, Path(scratch), depth, options.requests) for depth in DEPTHS
        }
        found = interleaved(made, options.rounds)
    rows = [
        [
            depth,
            rates(asked).shown(0),
            f"{spread([one.served.cpu / one.served.count for one in asked]).middle * 1e6:.0f}",
        ]
        for depth, asked in found.items()
    ]
    on_their_way = f"requests on their way in each of {CONNECTIONS} connections"
    heads = (on_their_way, "requests/s (range)", "µs of CPU of the server")
    return Part("Capacity of the server", tables=[Table(heads, rows)])


def main() -> None:
    made = parser(__doc__, rounds=3)
    made.add_argument("--requests", type=int, default=REQUESTS)
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
