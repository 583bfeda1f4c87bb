"""What a request costs evalkit, beside a bare loop of the official client on the same loopback server.

    python benchmarks/speed/request_cost.py [--requests 5000] [--rounds 5]

Whole processes, start-up included, run in turn (interleaved), CPU seconds of each (user + system). evalkit
renders prompts, commits every answer to the cache, scores exact match and writes the report.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BARE = Path(__file__).with_name("bare_client.py")


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Run a command to its end and return its user + system CPU seconds."""
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'output.txt').read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime


def evalkit_command(base_url: str, data: Path, concurrency: int, cache: str) -> list[str]:
    """Return the command that evaluates `data` against the server."""
    return [
        *(sys.executable, "-m", "evalkit", "run", "task=qa", "dataset=jsonl", f"dataset.path={data}"),
        *("dataset.target=target", "dataset.input.question=question", "metrics=[exact_match]"),
        *("model=openai", "model.name=bench", f"model.base_url={base_url}", f"cache={cache}"),
        *(f"executor.concurrency={concurrency}", "resamples=1000"),
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "fake_openai", "--precomputed", "--answer", "The answer"],
        cwd=ROOT / "tests",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    base_url = server.stdout.readline().strip()
    times: dict[str, list[float]] = {}
    try:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                for name, command in commands(
                    base_url, folder, options.requests, options.concurrency
                ).items():
                    times.setdefault(name, []).append(cpu_seconds(command, folder))
    finally:
        server.terminate()
        server.communicate()
    show(times, options.requests)


def commands(base_url: str, folder: Path, n: int, concurrency: int) -> dict[str, list[str]]:
    """Return what is run in one round, by name."""
    for size in (1, n):
        rows = ({"question": f"Question {one}: what?", "target": "The answer"} for one in range(size))
        (folder / f"{size}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = {}
    for kind in ("aiohttp", "httpx2"):
        bare = [sys.executable, str(BARE), base_url]
        found[f"bare client, {kind}, 1"] = [*bare, "1", str(concurrency), kind]
        found[f"bare client, {kind}"] = [*bare, str(n), str(concurrency), kind]
    found["evalkit, 1"] = evalkit_command(base_url, folder / "1.jsonl", concurrency, "refresh")
    found["evalkit"] = evalkit_command(base_url, folder / f"{n}.jsonl", concurrency, "refresh")
    found["evalkit, all from the cache"] = evalkit_command(
        base_url, folder / f"{n}.jsonl", concurrency, "replay"
    )
    return found


def show(times: dict[str, list[float]], n: int) -> None:
    """Print medians, ranges and ratios to the bare client with aiohttp."""
    middle = {name: statistics.median(values) for name, values in times.items()}
    floor = middle["bare client, aiohttp"]
    print(f"{'CPU seconds, whole process':<34}{'median':>8}{'range':>16}{'ratio':>8}")
    for name, values in times.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{name:<34}{middle[name]:>8.2f}{spread:>16}{middle[name] / floor:>8.2f}")
    print(f"\nms of CPU per request ({n} requests less the run of one):")
    for name in ("bare client, aiohttp", "bare client, httpx2", "evalkit"):
        print(f"  {name:<24}{(middle[name] - middle[f'{name}, 1']) / (n - 1) * 1000:.3f}")


if __name__ == "__main__":
    main()
