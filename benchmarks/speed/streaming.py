"""Seconds and peak memory of a whole run over the first samples of a large file.

    python benchmarks/speed/streaming.py [--rounds 3] [--bytes 1000000000] [--limit 100] [--format F]

A JSON Lines file of that size is made in a temporary folder (`jsonl.gz` and `parquet` hold the same rows),
and `evalkit run` scores recorded outputs of the first rows: nothing of the rest of the file may be read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from pathlib import Path

import workload
from measure import run
from rounds import spread
from tables import Part, Table, parser, report

FILLER = "all work and no play makes a long document " * 45
BATCH = 10_000


def rows(size: int) -> Iterator[dict[str, str]]:
    """Yield rows of about 2 KB until they are `size` bytes."""
    written = number = 0
    while written < size:
        row = {"id": str(number), "text": f"{number} {FILLER}", "label": "yes" if number % 2 else "no"}
        written += len(row["text"]) + 44
        number += 1
        yield row


def write(path: Path, size: int) -> int:
    """Write the rows in the format that the name ends with; return how many."""
    if path.suffix == ".parquet":
        return write_parquet(path, size)
    count = 0
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as file:
        for count, row in enumerate(rows(size), 1):  # noqa: B007 - the last is how many
            file.write(json.dumps(row) + "\n")
    return count


def write_parquet(path: Path, size: int) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "label")])
    batch: list[dict[str, str]] = []
    with pq.ParquetWriter(path, schema) as writer:
        for count, row in enumerate(rows(size), 1):  # noqa: B007 - the last is how many
            batch.append(row)
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch.clear()
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema))
    return count


def words(path: Path, outputs: Path, limit: int, *, shuffle: bool) -> list[str]:
    """Return the words of the run."""
    return [
        *("run", "task=sentiment", "prompt=sentiment_text", f"dataset={path.name.split('.')[1]}"),
        *(f"dataset.path={path}", f"dataset.limit={limit}", "dataset.input={text: text}"),
        *("dataset.target=label", "model=recorded", f"model.path={outputs}", "model.output=output"),
        *("task.postprocess=[strip]", "metrics=[accuracy]", *(["dataset.shuffle=0"] if shuffle else [])),
    ]


def measure(options: argparse.Namespace) -> Part:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path, outputs = folder / f"large.{options.format}", folder / "outputs.jsonl"
        # Elsewhere: a child's peak memory counts from its parent's at the moment of the fork.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            count = pool.apply(write, (path, options.bytes))
        with outputs.open("w") as file:
            for number in range(count if options.shuffle else min(count, options.limit)):
                file.write(json.dumps({"id": str(number), "output": "yes"}) + "\n")
        command = workload.evalkit(*words(path, outputs, options.limit, shuffle=options.shuffle))
        usages = [run(command, folder) for _ in range(options.rounds)]
        name = f"{path.name}, {path.stat().st_size / 1e9:.2f} GB, {count:,} rows, limit {options.limit}"
    figures = (
        spread([one.wall for one in usages]).shown(2),
        spread([one.cpu for one in usages]).shown(2),
        spread([one.peak / 1e6 for one in usages]).shown(0),
    )
    heads = ("file", "wall s (range)", "CPU s (range)", "peak MB (range)")
    return Part("The first samples of a large file", tables=[Table(heads, [[name, *figures]])])


def main() -> None:
    made = parser(__doc__, rounds=3)
    made.add_argument("--bytes", type=int, default=1_000_000_000)
    made.add_argument("--limit", type=int, default=100)
    made.add_argument("--format", choices=["jsonl", "jsonl.gz", "parquet"], default="jsonl")
    made.add_argument("--shuffle", action="store_true", help="draw the samples: reads the whole file")
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
