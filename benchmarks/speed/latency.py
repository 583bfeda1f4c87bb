"""How near a run comes to the ideal wall time, where every answer takes its time.

    python benchmarks/speed/latency.py [--rounds 5] [--requests 5000] [--concurrency 128] [--latency 0.2]

From the first request that the server receives to the last answer that it sends, by the server's clock;
ideal is requests x latency / concurrency.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import workload
from asking import asking
from fast_server import fast_server
from request_cost import FLOOR, afresh, cold
from rounds import interleaved, ratio, spread
from tables import Goal, Part, Table, parser, report

GOAL = 1.10


def measure(options: argparse.Namespace) -> Part:
    n, concurrency, latency = options.requests, options.concurrency, options.latency
    ideal = n * latency / concurrency
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        folder = Path(scratch)
        workload.write_configs(folder)
        data = workload.write_rows(folder / "rows.jsonl", n)
        floor = workload.bare("aiohttp", server.base_url, data, concurrency)
        ours = cold(server, data, concurrency)
        made = {
            FLOOR: partial(asking, server, floor, folder, n, latency),
            "evalkit": partial(afresh, server, ours, folder, n, latency),
        }
        found = interleaved(made, options.rounds)
    seconds = {name: [one.served.seconds for one in values] for name, values in found.items()}
    ratios = {name: ratio(values, [ideal] * options.rounds) for name, values in seconds.items()}
    rows = [
        [
            name,
            spread(seconds[name]).shown(2),
            ratios[name].shown(3),
            f"{found[name][0].served.connections}",
            f"{found[name][0].served.most_waiting}",
        ]
        for name in found
    ]
    whole = -(-n // concurrency) * latency
    return Part(
        "Wall time where answers take their time",
        [
            Goal(
                f"wall time of {n:,} requests at {latency * 1000:.0f} ms, {concurrency} concurrent",
                f"≤ {GOAL:.2f} × ideal",
                ratios["evalkit"].shown(3),
                ratios["evalkit"].middle <= GOAL,
            )
        ],
        [
            Table(
                (
                    "first request to last answer",
                    "s (range)",
                    "ratio to ideal (range)",
                    "connections",
                    "most in flight",
                ),
                rows,
                f"Ideal is {ideal:.2f} s; in whole waves of {concurrency} it is {whole:.2f} s.",
            )
        ],
    )


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=5000)
    made.add_argument("--concurrency", type=int, default=128)
    made.add_argument("--latency", type=float, default=0.2)
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
