"""`evalkit model`: fetch the embedded model ahead of time, or see what is there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from evalkit.cli.output import note, print_json, print_table
from evalkit.client.local import artifact, pins
from evalkit.report.table import Table


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("evalkit model", description="The embedded model's file on this machine.")
    commands = found.add_subparsers(dest="command", required=True)
    pull = commands.add_parser("pull", help="fetch and verify the file, so that model=local works offline")
    pull.add_argument("name", nargs="?", default=next(iter(pins.MODELS)), help="default: %(default)s")
    listing = commands.add_parser("list", help="the embedded models, and which are here")
    listing.add_argument("--json", action="store_true", help="machine-readable")
    return found


def main(argv: Sequence[str]) -> int:
    """Run `pull [NAME]` or `list`."""
    options = parser().parse_args(argv)
    if options.command == "pull":
        print(artifact.ensure(pins.model(options.name), note))
        return 0
    rows = []
    for one in pins.MODELS.values():
        place = artifact.locate(one)
        rows.append((one.name, one.title, one.megabytes, one.licence, str(place or "not here yet")))
    header = ("name", "title", "size", "licence", "file")
    if options.json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        print_table(Table(header, tuple(rows), "evalkit model pull NAME fetches one"))
    return 0
