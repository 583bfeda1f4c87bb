"""The same run again: every answer is in the cache. CPU seconds from start to finished report.

    python benchmarks/speed/warm.py [--rounds 5] [--samples 10000]

Exact match, ROUGE and BLEU over outputs and references of 60 words. No request may reach the server, and no
answer be scored again where the run says how many were.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import workload
from asking import asking
from fast_server import FastServer, fast_server
from measure import Usage
from request_cost import CONCURRENCY
from rounds import interleaved, spread
from tables import Goal, Part, Table, parser, report

GOAL = 3.0
METRICS = {
    "exact_match": "exact_match",
    "exact_match, ROUGE": "exact_match,rouge",
    "exact_match, BLEU": "exact_match,bleu",
    "exact_match, ROUGE, BLEU": "exact_match,rouge,bleu",
}
WHOLE = "exact_match, ROUGE, BLEU"


@dataclass(frozen=True)
class Rerun:
    """What a rerun took, and how many answers it scored anew; None where it does not tell."""

    usage: Usage
    scored: int | None


def command(server: FastServer, data: Path, metrics: str) -> list[str]:
    """Return the command of a run that keeps and finds answers in the cache."""
    words = [*workload.served(server.base_url, CONCURRENCY), "cache=rw", f"metrics=[{metrics}]"]
    return workload.evalkit(*workload.run_words(data, *words))


def latest(folder: Path) -> dict[str, Any]:
    """Return the newest report under a folder."""
    newest = max((folder / "results" / "runs").rglob("report.json"), key=lambda path: path.stat().st_mtime)
    told: dict[str, Any] = json.loads(newest.read_text("utf-8"))
    return told


def scored_again(told: dict[str, Any]) -> int | None:
    """Return how many answers were scored by the run itself; None where its report does not tell."""
    found = told["timing"].get("scores", {}).get("computed")
    return None if found is None else int(found)


def rerun(server: FastServer, folder: Path, data: Path, metrics: str) -> Rerun:
    """Run again with these metrics; no request may be sent."""
    usage = asking(server, command(server, data, metrics), folder, 0).usage
    return Rerun(usage, scored_again(latest(folder)))


def measure(options: argparse.Namespace) -> Part:
    n = options.samples
    with tempfile.TemporaryDirectory() as scratch, fast_server() as server:
        folder = Path(scratch)
        workload.write_configs(folder)
        data = workload.write_rows(folder / "rows.jsonl", n)
        cold = asking(server, command(server, data, METRICS[WHOLE]), folder, n)
        wanted = METRICS if options.each else {WHOLE: METRICS[WHOLE]}
        made = {name: partial(rerun, server, folder, data, metrics) for name, metrics in wanted.items()}
        for name in made.keys() - {WHOLE}:
            made[name]()  # what a run keeps of its scores is then there for every set of metrics
        found = interleaved(made, options.rounds)
        assert latest(folder)["counts"]["requests"] == n
    return shown(found, cold.usage, n)


def shown(found: dict[str, list[Rerun]], cold: Usage, n: int) -> Part:
    """Return the part: goals are for all metrics together."""
    again = found[WHOLE][-1].scored
    whole = spread([one.usage.cpu for one in found[WHOLE]])
    rows = [
        [
            f"again, {name}",
            spread([one.usage.cpu for one in values]).shown(2),
            f"{spread([one.usage.wall for one in values]).middle:.2f}",
        ]
        for name, values in found.items()
    ]
    rows.insert(0, [f"the first time, {WHOLE}", f"{cold.cpu:.2f}", f"{cold.wall:.2f}"])
    goals = [
        Goal(
            f"warm rerun of {n:,} ({WHOLE})",
            f"≤ {GOAL:.0f} s of CPU",
            whole.shown(2, "s"),
            whole.middle <= GOAL,
        ),
        Goal("requests of a warm rerun", "0", "0", met=True),
        Goal(
            "answers scored again by a warm rerun",
            "0",
            "the run does not tell" if again is None else str(again),
            None if again is None else again == 0,
        ),
    ]
    return Part("The same run again", goals, [Table(("run", "CPU s (range)", "wall s"), rows)])


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--samples", type=int, default=10_000)
    made.add_argument("--each", action="store_true", help="reruns with some of the metrics too")
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
