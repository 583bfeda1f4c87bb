"""Where the time of a cold and of a warm run goes: the functions that take the most, as text.

    python benchmarks/speed/profiles.py [--requests 5000] [--save FOLDER]

Both runs under cProfile, the cache's thread included. Seconds are of wall time, without what waits for
others; the profiler makes calls dearer than they are, so small functions that are called often look worse
than they are. (The name `profile` would hide the module that cProfile is made from.)
"""

import argparse
import pstats
import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import workload
from fast_server import FastServer, fast_server
from measure import run
from request_cost import CONCURRENCY, cold
from tables import Part, Table, parser, report
from warm import METRICS, WHOLE, command

SHOWN, BRIEF = 40, 12
COLD, WARM = "cold", "warm"
WAITING = (
    "<method 'get' of '_queue.SimpleQueue' objects>",
    "<method 'poll' of 'select.epoll' objects>",
    "<method 'poll' of 'select.poll' objects>",
    "<method 'acquire' of '_thread.lock' objects>",
)
PREFIXES = (r".*/site-packages/", re.escape(f"{workload.ROOT}/"), r".*/lib/python3\.\d+/")
PREFIX = re.compile("|".join(PREFIXES))
HEADS = ("own s", "with callees s", "calls", "own µs a request", "function")


def profile(words: list[str], folder: Path) -> pstats.Stats:
    """Run evalkit with these words under the profiler."""
    script, out = Path(__file__).with_name("profiled.py"), folder / "profile"
    run([sys.executable, str(script), str(out), *words], folder)
    return pstats.Stats(str(out))


def profiles(server: FastServer, folder: Path, n: int, kinds: str) -> Iterator[tuple[str, pstats.Stats]]:
    """Yield the profiles of a cold run and of a warm one (its answers were asked for without a profiler)."""
    workload.write_configs(folder)
    data = workload.write_rows(folder / "rows.jsonl", n)
    if COLD in kinds:
        yield COLD, profile(cold(server, data, CONCURRENCY)[3:], folder)
    if WARM not in kinds:
        return
    warm = command(server, data, METRICS[WHOLE])
    run(warm, folder)
    yield WARM, profile(warm[3:], folder)


def lines(stats: pstats.Stats, n: int) -> list[list[str]]:
    """Return the functions by own time; paths begin at the package."""
    # (file, line, name) -> (primitive calls, calls, own seconds, with callees, callers)
    found: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(stats)["stats"]
    working = [entry for entry in found.items() if entry[0][2] not in WAITING]
    ordered = sorted(working, key=lambda entry: -entry[1][2])
    return [
        [f"{own:.3f}", f"{whole:.3f}", f"{calls:,}", f"{own / n * 1e6:.1f}", place(*where)]
        for where, (_, calls, own, whole, _) in ordered
    ]


def place(file: str, line: int, name: str) -> str:
    """Return where a function is, without the machine's folders."""
    return name if file == "~" else f"{PREFIX.sub('', file, count=1)}:{line} {name}"


def page(kind: str, stats: pstats.Stats, n: int) -> str:
    """Return the first functions of a profile as a text file."""
    found = lines(stats, n)
    rows, total = [HEADS, *found[:SHOWN]], sum(float(one[0]) for one in found)
    body = "\n".join(
        f"{own:>8} {whole:>15} {calls:>10} {each:>17}  {name}" for own, whole, calls, each, name in rows
    )
    return f"{kind} run of {n:,} samples under cProfile: {total:.2f} s in all, waiting left out\n\n{body}\n"


def measure(options: argparse.Namespace) -> Part:
    n, tables = options.requests, []
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        for kind, stats in profiles(server, Path(scratch), n, options.kinds):
            if options.save is not None:
                name = f"{datetime.now(UTC):%Y-%m-%d}-profile-{kind}.txt"
                (options.save / name).write_text(page(kind, stats, n), "utf-8")
            heads = (HEADS[-1], *HEADS[:-1])
            rows = [[f"`{one[-1]}`", *one[:-1]] for one in lines(stats, n)[:BRIEF]]
            tables.append(Table(heads, rows, f"The {kind} run under cProfile (dearer than without):"))
    return Part("Where the time goes", tables=tables)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=5000)
    made.add_argument("--kinds", default=f"{COLD},{WARM}")
    made.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write the first 40 functions of each there"
    )
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
