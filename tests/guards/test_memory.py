"""A run's memory does not grow with its samples: what a further sample leaves in memory, in bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FEW, MANY = 4_000, 16_000
TEXT = "word " * 400
MOST = 800
"""Bytes of peak memory that a further sample of 2 KB with an answer of 300 bytes may take: 6,000 once.

Samples are held up to a bound; the difference has a part of that in it.
"""
RUN = """
import sys
from evalkit import spool
spool.HELD = 2**20
from evalkit.cli.main import main
code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, int(peak.split()[1]) * 1024)
"""


def peak_of(n: int, folder: Path) -> int:
    """Run n samples through recorded outputs and return the process's peak of memory in bytes."""
    data, outputs = folder / f"{n}.jsonl", folder / f"{n}-outputs.jsonl"
    with data.open("w") as asked, outputs.open("w") as told:
        for number in range(n):
            row = {"id": f"sample {number}", "question": f"{number} {TEXT}", "answer": "yes"}
            asked.write(json.dumps(row) + "\n")
            told.write(json.dumps({"id": row["id"], "output": f"{number} {TEXT[:300]}"}) + "\n")
    words = ["run", "task=qa", "dataset=jsonl", f"dataset.path={data}", "dataset.input.question=question"]
    words += ["dataset.target=answer", "model=recorded", f"model.path={outputs}", "model.output=output"]
    words += ["metrics=[exact_match]", "task.postprocess=[strip]", "resamples=10"]
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True, cwd=folder
    )
    code, peak = ran.stdout.split()[-2:]
    assert code == "0", ran.stderr
    return int(peak)


def test_a_further_sample_is_not_held_in_memory(tmp_path: Path) -> None:
    few, many = (peak_of(n, tmp_path) for n in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < MOST
