"""`evalkit cache`: what is kept, why something is not, moving it about, checking it, and throwing away."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import note, one_line, print_json
from evalkit.config.schema import CacheConfig
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.cache.pruning import Limits, Pruned
    from evalkit.cache.statistics import Statistics
    from evalkit.cli.cache_use import Use

DEFECTIVE = 5
PATIENCE = 10.0  # seconds that another process may hold the file
SHOWN = 10  # bad entries that are spelled out
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def main(argv: Sequence[str]) -> int:
    """Run one of the cache's commands."""
    options = parser().parse_args(argv)
    if options.command == "explain":
        from evalkit.cli.cache_explain import explain

        return explain(
            options.words, options.path, Path(options.results_dir), options.limit, as_json=options.json
        )
    path = Path(options.path or CacheConfig.path).expanduser()
    command = {"stats": _stats, "export": _export, "import": _import, "verify": _verify, "gc": _gc}
    return command[options.command](path, options)


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    parser = argparse.ArgumentParser("evalkit cache", description="The answers that were kept.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--path", help=f"the cache file (default: {CacheConfig.path})")
    common.add_argument("--json", action="store_true", help="machine-readable")
    common.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    commands.add_parser("stats", parents=[common], help="entries, bytes, models, tasks, tokens")
    explain = commands.add_parser(
        "explain", parents=[common], help="why answers are missing: the nearest entry and what differs"
    )
    explain.add_argument("words", nargs="*", metavar="SETTING=VALUE | KEY", help="as for evalkit run")
    explain.add_argument("--limit", type=int, default=20, help="misses that are explained (default: 20)")
    export = commands.add_parser("export", parents=[common], help="write one portable file")
    export.add_argument("file", metavar="FILE")
    export.add_argument("--run", action="append", metavar="RUN", help="only what this run asked; repeatable")
    taken = commands.add_parser("import", parents=[common], help="take the entries of another cache file")
    taken.add_argument("file", metavar="FILE")
    verify = commands.add_parser("verify", parents=[common], help="check every entry; exit 5 if one is bad")
    verify.add_argument("--repair", action="store_true", help="set what is bad aside, into a file")
    gc = commands.add_parser("gc", parents=[common], help="delete entries; only says what, without --yes")
    gc.add_argument("--older-than", metavar="AGE", help="like 90d, 12h, 4w")
    gc.add_argument("--max-size", metavar="SIZE", help="the oldest go until the rest fits: 1GB, 500MB")
    gc.add_argument("--unreferenced", action="store_true", help="only what no run or baseline refers to")
    gc.add_argument("--yes", action="store_true", help="do it")
    return parser


def _stats(path: Path, options: argparse.Namespace) -> int:
    from evalkit.cache.score_file import beside, kept
    from evalkit.cache.statistics import keys, statistics
    from evalkit.cli.cache_answers import tokens
    from evalkit.cli.cache_use import entries_by_task, use_of

    found, use = statistics(path, tokens), use_of(Path(options.results_dir))
    scores = kept(beside(path))
    tasks = entries_by_task(use, keys(path))
    if options.json:
        saved = {"usd": use.saved, "priced_runs": use.priced, "runs": use.runs}
        told = {"path": str(path), **asdict(found), "entries": found.entries, "tasks": tasks, "saved": saved}
        print_json(told if scores is None else {**told, "scores": asdict(scores)})
        return 0
    _print_stats(path, found, tasks, use)
    if scores is not None:
        print(f"  scores   {scores.rows} kept, {_size(scores.file_bytes)}; they can be made again")
    if use.unread:
        note(f"{len(use.unread)} runs cannot be read: {use.unread[0]}")
    return 0


def _print_stats(path: Path, found: Statistics, tasks: dict[str, int], use: Use) -> None:
    raw, stored = sum(one.raw for one in found.shares), sum(one.stored for one in found.shares)
    print(f"{one_line(str(path))}: {found.entries} answers, schema {found.schema}")
    print(f"  size     {_size(found.file_bytes)} on disk; {_size(raw)} of text in {_size(stored)}")
    if found.oldest is not None and found.newest is not None:
        print(f"  from     {_day(found.oldest)} to {_day(found.newest)} UTC")
    for one in found.shares:
        prompt, completion = one.tokens
        who = one_line(f"{one.model or '(no model named)'} at {one.server}")
        print(
            f"  model    {one.entries} of {who}: {_size(one.stored)}, {prompt} prompt and {completion} "
            "completion tokens"
        )
    for task, count in tasks.items():
        print(f"  task     {count} used by runs and baselines of {one_line(task)}")
    if use.priced:
        print(
            f"  saved    {use.saved:.4f} USD by {use.priced} of {use.runs} runs (the others know no prices), "
            "at the prices in their reports"
        )


def _export(path: Path, options: argparse.Namespace) -> int:
    from evalkit.cache.portable import export

    wanted: set[str] | None = None
    if options.run:
        from evalkit.cli.cache_use import request_keys
        from evalkit.report.base import read
        from evalkit.report.find import find

        reports = [read(find(name, Path(options.results_dir))) for name in options.run]
        wanted = {key for report in reports for key in request_keys(report)}
    target = Path(options.file).expanduser()
    done = export(path, target, wanted)
    if options.json:
        print_json(asdict(done) | {"file": str(target), "bytes": target.stat().st_size})
    else:
        print(f"{target}: {done.entries} answers, {_size(target.stat().st_size)}")
    if done.absent:
        note(f"{done.absent} answers of the run are not in {path} (failed requests have none)")
    if done.damaged:
        note(f"{done.damaged} damaged entries were left out; evalkit cache verify names them")
    return DEFECTIVE if done.damaged else 0


def _import(path: Path, options: argparse.Namespace) -> int:
    from evalkit.cache.portable import merge
    from evalkit.cli.cache_answers import judge

    source = Path(options.file).expanduser()
    done = merge(path, source, PATIENCE, note, judge)
    if options.json:
        print_json(asdict(done))
    else:
        print(f"{path}: {done.new} new, {done.present} present already, {done.conflicting} conflicting")
    if done.conflicting:
        note(f"{done.conflicting} requests have another answer here, which stays")
    if done.damaged:
        note(f"{done.damaged} entries of {source} are damaged or no answers, and were left out")
    return DEFECTIVE if done.damaged else 0


def _verify(path: Path, options: argparse.Namespace) -> int:
    from evalkit.cache.verification import repair, verify
    from evalkit.cli.cache_answers import judge

    found = verify(path, judge)
    aside = repair(path, found, PATIENCE, note) if options.repair else None
    if options.json:
        print_json(asdict(found) | {"clean": found.clean, "set_aside": aside and str(aside)})
        return 0 if found.clean or aside else DEFECTIVE
    for line in found.structure[:SHOWN]:
        print(one_line(f"file: {line}"))
    for bad in found.bad[:SHOWN]:
        print(one_line(f"row {bad.number}, {bad.key or 'key unknown'}: {bad.reason}"))
    if len(found.bad) > SHOWN:
        print(f"… and {len(found.bad) - SHOWN} more")
    print(f"{path}: {found.entries} entries, {len(found.bad)} bad{'' if found.clean else ', not clean'}")
    if aside is not None:
        print(f"what was bad lies in {aside}; the next run asks for it again")
    elif not found.clean:
        note("evalkit cache verify --repair sets what is bad aside, into a file")
    return 0 if found.clean or aside else DEFECTIVE


def _gc(path: Path, options: argparse.Namespace) -> int:
    from evalkit.cache.pruning import plan, prune

    limits = _limits(options)
    done = prune(path, limits, PATIENCE) if options.yes else plan(path, limits)
    if options.json:
        print_json(asdict(done) | {"done": options.yes})
        return 0
    print(_gc_line(path, done, options))
    return 0


def _gc_line(path: Path, done: Pruned, options: argparse.Namespace) -> str:
    freed = _size(max(0, done.bytes_before - done.bytes_after))
    if options.yes:
        return f"{path}: {done.removed} of {done.entries} answers deleted, {freed} freed"
    would = f"{path}: {done.removed} of {done.entries} answers would go, about {freed}"
    return f"{would}; --yes deletes them (they were paid for)" if done.removed else would


def _limits(options: argparse.Namespace) -> Limits:
    from evalkit.cache.pruning import Limits

    if options.older_than is None and options.max_size is None and not options.unreferenced:
        raise UsageError(
            "evalkit cache gc: say what may go: --older-than 90d, --max-size 1GB or --unreferenced; "
            "nothing is deleted by default"
        )
    used = None
    if options.unreferenced:
        from evalkit.cli.cache_use import use_of

        use = use_of(Path(options.results_dir))
        if use.unread:
            raise UsageError(f"--unreferenced: what a run refers to is not known: {use.unread[0]}")
        if not use.runs and not use.baselines:
            raise UsageError(
                f"no run or baseline under {options.results_dir}: every answer would go; name the folder by "
                "--results-dir, or use --older-than"
            )
        used = use.all_keys
    return Limits(
        older_than=None if options.older_than is None else time.time() - _age(options.older_than),
        used=used,
        largest=None if options.max_size is None else _bytes(options.max_size),
    )


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if match is None:
        raise UsageError(f"--older-than {text}: write a number and a unit, like 90d, 12h or 4w")
    return float(match[1]) * SECONDS[match[2]]


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]*)", text.upper())
    if match is None or match[2] not in UNITS:
        raise UsageError(f"--max-size {text}: write a number and a unit, like 500MB or 1GB")
    return int(float(match[1]) * UNITS[match[2]])


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
