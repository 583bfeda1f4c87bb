"""How many requests a second the fast server answers by itself, measured before anything is tested on it.

    python benchmarks/speed/capacity.py [--rounds 3] [--requests 20000]

One request on its way in each of 64 connections, as clients send them, and sixteen, where the server alone
is the limit. What is tested must stay below a third of the first, else the server is measured and not the
client.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from fast_server import FastServer, Served, fast_server
from rounds import spread
from tables import Goal, Part, Table, parser, report

TIMES = 3
REQUESTS = 20_000
DEPTHS = (1, 16)


def capacity(server: FastServer, depth: int = 1, requests: int = REQUESTS) -> float:
    """Return how many requests a second the server answers to a plain load generator."""
    script = Path(__file__).with_name("load.py")
    words = [server.base_url, "--depth", str(depth), "--requests", str(requests)]
    told = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=True)
    return float(told.stdout)


def enough(able: float, tested: dict[str, list[Served]]) -> Goal:
    """Return whether the server can do three times what the fastest contestant asked of it."""
    fastest = max(tested, key=lambda name: max(one.rate for one in tested[name]))
    asked = max(one.rate for one in tested[fastest])
    met = able >= TIMES * asked
    warning = "" if met else "; **warning: the server is too slow for this machine's clients**"
    return Goal(
        f"capacity of the server beside the fastest contestant ({fastest})",
        f"≥ {TIMES} ×",
        f"{able / asked:.1f} × ({able:,.0f} and {asked:,.0f} requests/s){warning}",
        met,
    )


def measure(options: argparse.Namespace) -> Part:
    rows = []
    with fast_server() as server:
        for depth in DEPTHS:
            server.reset()
            found = [capacity(server, depth, options.requests) for _ in range(options.rounds)]
            served = server.report()
            cost = served.cpu / served.count * 1e6
            rows.append([str(depth), spread(found).shown(0), f"{cost:.0f}"])
    heads = (
        "requests on their way in each of 64 connections",
        "requests/s (range)",
        "µs of CPU of the server",
    )
    return Part("Capacity of the server", tables=[Table(heads, rows)])


def main() -> None:
    made = parser(__doc__, rounds=3)
    made.add_argument("--requests", type=int, default=REQUESTS)
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
