"""What kill -9 costs: two evalkit processes on one cache file, killed at random moments, then run again.

    python benchmarks/speed/kill.py [--rounds 50] [--samples 150] [--seed 0]

Counts answers that were committed and lost (0 is promised), requests that the next run sent again (at most
those in flight at the kill), and whether every entry verifies after each kill. Exit 1 if one round fails.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from fake_openai import FakeOpenAI  # noqa: E402 - found through the line above
from killing import kill_round  # noqa: E402


def main() -> int:
    """Run the rounds and print the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--samples", type=int, default=150, help="requests of each process in a round")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    rounds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeOpenAI(answer="yes", latency=lambda _: rng.uniform(0.001, 0.03), keep_bodies=False) as server,
    ):
        for number in range(options.rounds):
            one = kill_round(
                server,
                Path(folder),
                f"round {number}",
                rng,
                samples=options.samples,
                concurrency=options.concurrency,
            )
            rounds.append(one)
            print(f"{number + 1:>4}  {one}", flush=True)
    bad = [one for one in rounds if not one.good]
    print(
        f"{len(rounds)} rounds, 2 processes killed in each: {sum(one.committed for one in rounds)} answers "
        f"committed before a kill, {sum(one.lost for one in rounds)} lost; "
        f"{sum(one.asked_again for one in rounds)} asked again of {sum(one.in_flight for one in rounds)} in "
        f"flight; {sum(one.clean for one in rounds)} rounds verify clean; {len(bad)} bad"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
