"""How time goes with the number of samples and with the requests in flight.

    python benchmarks/speed/scaling.py [--rounds 1] [--sizes 1000,10000,100000] [--concurrency 8,32,128,512]

Cold runs against the fast server, as in request_cost.py. Wall time by the server's clock, from the first
request to the last answer; CPU of whole processes, and of a request beyond the first.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import workload
from asking import Asked
from fast_server import fast_server
from request_cost import CONCURRENCY, afresh, cold
from rounds import interleaved, spread
from tables import Part, Table, parser, report

HEADS = ("wall µs a request", "CPU µs a request, whole process", "CPU µs a further request", "peak MB")
REQUESTS = 5000


def numbers(value: str) -> list[int]:
    return [int(one) for one in value.split(",") if one]


def cells(asked: list[Asked], one: list[Asked], n: int) -> list[str]:
    """Return a size's figures by request."""
    wall = spread([each.served.seconds for each in asked]).middle
    cpu = spread([each.usage.cpu for each in asked]).middle
    rest = cpu - spread([each.usage.cpu for each in one]).middle
    peak = max(each.usage.peak for each in asked)
    return [
        *(f"{value * 1e6:.0f}" for value in (wall / n, cpu / n, rest / max(1, n - 1))),
        f"{peak / 1e6:.0f}",
    ]


def measure(options: argparse.Namespace) -> Part:
    cases = [(n, CONCURRENCY) for n in (1, *options.sizes)]
    cases += [(options.requests, concurrency) for concurrency in options.concurrency]
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        folder = Path(scratch)
        workload.write_configs(folder)
        data = {n: workload.write_rows(folder / f"{n}.jsonl", n) for n, _ in cases}
        made = {
            f"{n} {concurrency}": partial(afresh, server, cold(server, data[n], concurrency), folder, n)
            for n, concurrency in cases
        }
        found = interleaved(made, options.rounds)
    one = found[f"1 {CONCURRENCY}"]
    by_size = [[f"{n:,}", *cells(found[f"{n} {CONCURRENCY}"], one, n)] for n in options.sizes]
    n = options.requests
    by_concurrency = [[str(c), *cells(found[f"{n} {c}"], one, n)] for c in options.concurrency]
    return Part(
        "Scaling",
        tables=[
            Table(("samples", *HEADS), by_size, f"{CONCURRENCY} concurrent:"),
            Table(("concurrent", *HEADS), by_concurrency, f"{n:,} requests:"),
        ],
    )


def main() -> None:
    made = parser(__doc__, rounds=1)
    made.add_argument("--sizes", type=numbers, default=[1000, 10_000, 100_000])
    made.add_argument("--concurrency", type=numbers, default=[8, 32, 128, 512])
    made.add_argument("--requests", type=int, default=REQUESTS, help="of the runs by concurrency")
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
