"""Seconds and peak memory of a whole run over the first samples of a large file.

    python benchmarks/speed/streaming.py [--bytes 1000000000] [--limit 100] [--format jsonl]

A JSON Lines file of that size is made in a temporary folder (`jsonl.gz` and `parquet` hold the same rows),
and `evalkit run` scores recorded outputs of the first rows: nothing of the rest of the file may be read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FILLER = "all work and no play makes a long document " * 45


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--format", choices=["jsonl", "jsonl.gz", "parquet"], default="jsonl")
    parser.add_argument("--shuffle", action="store_true", help="draw the samples: reads the whole file")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = folder / f"large.{options.format}"
        # Elsewhere: a child's peak memory counts from its parent's at the moment of the fork.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows = pool.apply(_write, (path, options.bytes))
        outputs = folder / "outputs.jsonl"
        with outputs.open("w") as file:
            for number in range(rows if options.shuffle else options.limit):
                file.write(json.dumps({"id": str(number), "output": "yes"}) + "\n")
        print(f"{path.name}: {path.stat().st_size / 1e9:.2f} GB, {rows} rows, limit {options.limit}")
        for _ in range(options.repeat):
            seconds, cpu, peak = _run(folder, path, options.limit, shuffle=options.shuffle)
            print(f"{seconds:.2f} s, {cpu:.2f} s of CPU, {peak / 1e6:.0f} MB at the peak")
    return 0


def _rows(size: int) -> Iterator[dict[str, str]]:
    written = number = 0
    while written < size:
        row = {"id": str(number), "text": f"{number} {FILLER}", "label": "yes" if number % 2 else "no"}
        written += len(row["text"]) + 44
        number += 1
        yield row


def _write(path: Path, size: int) -> int:
    count = 0
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(name, pa.string()) for name in ("id", "text", "label")])
        batch: list[dict[str, str]] = []
        with pq.ParquetWriter(path, schema) as writer:
            for row in _rows(size):
                batch.append(row)
                count += 1
                if len(batch) == 10_000:
                    writer.write_table(pa.Table.from_pylist(batch, schema))
                    batch.clear()
            if batch:
                writer.write_table(pa.Table.from_pylist(batch, schema))
        return count
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as file:
        for row in _rows(size):
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def _run(folder: Path, path: Path, limit: int, *, shuffle: bool) -> tuple[float, float, int]:
    """Return wall seconds, CPU seconds and peak resident bytes of the command's process."""
    words = [
        *("run", "task=sentiment", "prompt=sentiment_text", f"dataset={path.name.split('.')[1]}"),
        *(f"dataset.path={path}", f"dataset.limit={limit}", "dataset.input={text: text}"),
        *("dataset.target=label", "model=recorded", "model.path=outputs.jsonl", "model.output=output"),
        *("task.postprocess=[strip]", "metrics=[accuracy]", *(["dataset.shuffle=0"] if shuffle else [])),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words], cwd=folder, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"evalkit run ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


if __name__ == "__main__":
    raise SystemExit(main())
