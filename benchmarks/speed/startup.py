"""How soon evalkit answers: CPU of the light commands, and when a run's first request reaches the server.

    python benchmarks/speed/startup.py [--rounds 5]

The wall time to the first request is from starting the process; goals: 0.15 s of CPU for the light
commands, 1 s for `run --cfg job`, 2 s to the first request.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from request_cost import ROOT, cpu_seconds

sys.path.insert(0, str(ROOT / "tests"))

from fake_openai import FakeOpenAI

EVALKIT = str(Path(sys.executable).with_name("evalkit"))
COMMANDS = (["--help"], ["--version"], ["list"], ["run", "--cfg", "job"])


def first_request(folder: Path) -> float:
    """Return the seconds from starting `evalkit run` to its first request at the server."""
    with FakeOpenAI("x") as server:
        words = [
            "run",
            "task=qa",
            "metrics=[exact_match]",
            "model=openai",
            f"model.base_url={server.base_url}",
        ]
        started = time.monotonic()
        process = subprocess.Popen(
            [EVALKIT, *words, "cache=off"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        server.wait(received=1, timeout=30)
        seconds = time.monotonic() - started
        process.wait(timeout=60)
    return seconds


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for words in COMMANDS:
            seconds = [cpu_seconds([EVALKIT, *words], folder) for _ in range(rounds)]
            print(f"{'evalkit ' + ' '.join(words):<24}{statistics.median(seconds):.3f} s of CPU")
        print(f"{'first request':<24}{statistics.median(first_request(folder) for _ in range(rounds)):.2f} s")


if __name__ == "__main__":
    main()
