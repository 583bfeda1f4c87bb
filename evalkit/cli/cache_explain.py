"""`evalkit cache explain`: why answers are not in the cache, by the nearest entry and what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.output import one_line, print_json
from evalkit.errors import CacheError, UsageError

if TYPE_CHECKING:
    from evalkit.cache.sqlite import SqliteCache
    from evalkit.config.schema import RunConfig
    from evalkit.executors.base import Job

KEY = re.compile(r"[0-9a-f]{6,64}")
NAMED = 3  # samples spelled out where several have the same difference


def explain(words: Sequence[str], path: str | None, results_dir: Path, limit: int, *, as_json: bool) -> int:
    """Explain the misses of a run with these settings, or one key."""
    key = words[0] if len(words) == 1 and KEY.fullmatch(words[0]) else None
    if key is not None:
        return _key(key, path, results_dir, as_json=as_json)
    from evalkit.config.compose import load

    return _settings(load(words), path, limit, as_json=as_json)


def _key(key: str, path: str | None, results_dir: Path, *, as_json: bool) -> int:
    from evalkit.config.schema import CacheConfig

    place = Path(path or CacheConfig.path).expanduser()
    stored = _stored(place, key)
    if stored is not None:
        _show_entry(stored, as_json=as_json)
        return 0
    from evalkit.cli.cache_use import run_with
    from evalkit.config.compose import from_plain

    report = run_with(key, results_dir)
    if report is None:
        raise UsageError(
            f'no entry "{key}" in {place}, and no run under {results_dir} asked it: a key alone does not say '
            "what was asked; explain it with the run's settings: evalkit cache explain task=… model=…"
        )
    return _settings(from_plain(report.config), str(place), 1, only=key, as_json=as_json)


def _settings(config: RunConfig, path: str | None, limit: int, *, as_json: bool, only: str = "") -> int:
    from evalkit.asking import jobs_of
    from evalkit.cache.sqlite import SqliteCache
    from evalkit.config.build import build_task
    from evalkit.config.model import build_model, trials_of

    model, task = build_model(config), build_task(config)
    if not model.cacheable:
        raise UsageError(f"model={model.name}: its answers are never cached; there is nothing to explain")
    jobs = [job for job in jobs_of(task, model, trials_of(config)) if job.request.key.startswith(only)]
    if not jobs:
        raise UsageError(
            f'no request of {task.name} has the key "{only}" any more: its prompt or data changed'
        )
    cache = SqliteCache(path or config.cache.path, read_only=True)
    try:
        there = cache.get_many(job.request.key for job in jobs)
        missing = [job for job in jobs if job.request.key not in there]
        misses = [_miss(job, cache) for job in missing[:limit]]
    finally:
        cache.close()
    if as_json:
        counts = {"task": task.name, "requests": len(jobs), "missing": len(missing)}
        print_json(counts | {"explained": misses})
        return 0
    print(f"{task.name}: {len(jobs) - len(missing)} of {len(jobs)} answers are in {cache.path}")
    for line in _lines(misses):
        print(f"  {one_line(line)}")
    if len(missing) > limit:
        print(f"… and {len(missing) - limit} more misses (--limit {len(missing)} explains them all)")
    return 0


def _miss(job: Job, cache: SqliteCache) -> dict[str, Any]:
    from evalkit.cache.explain import nearest

    near = nearest(job.request, cache.alike(job.request))
    return {
        "sample": job.sample_id,
        "trial": job.trial,
        "key": job.request.key,
        "nearest": None if near is None else near.key,
        "differences": [] if near is None else [asdict(one) | {"text": str(one)} for one in near.differences],
    }


def _lines(misses: Sequence[dict[str, Any]]) -> Iterator[str]:
    from evalkit.cache.explain import listed

    alike: dict[str, list[dict[str, Any]]] = {}
    for miss in misses:
        what = listed(one["text"] for one in miss["differences"]) or "nothing is stored to compare with"
        alike.setdefault(what, []).append(miss)
    for what, some in alike.items():
        names = ", ".join(f"{one['sample']} ({one['key'][:12]})" for one in some[:NAMED])
        more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
        yield f"{names}{more}: {what}"


def _stored(path: Path, key: str) -> dict[str, Any] | None:
    from evalkit.cache.row import body_of, request_of
    from evalkit.cache.statistics import reading

    with reading(path) as connection:
        rows = connection.execute(
            "SELECT key, request, body, sha256, latency, created FROM entries WHERE key BETWEEN ? AND ?",
            [bytes.fromhex(key.ljust(64, "0")), bytes.fromhex(key.ljust(64, "f"))],
        ).fetchmany(2)
    if not rows:
        return None
    if len(rows) > 1:
        raise UsageError(f'"{key}" is the beginning of several keys; write more of it')
    [(whole, request, packed, sha256, latency, created)] = rows
    asked, body = request_of(request), body_of(packed, sha256)
    if asked is None or body is None:
        raise CacheError(
            f"{path}: entry {whole.hex()} is damaged; evalkit cache verify --repair sets it aside"
        )
    return {
        "key": whole.hex(),
        "created": datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds"),
        "latency": latency,
        "request": asked,
        "body": body.decode("utf-8", "replace"),
    }


def _show_entry(stored: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(stored)
        return
    from evalkit.report.markdown import harmless

    print(f"{stored['key']}: in the cache since {stored['created']}, {stored['latency']:.3f} s")
    print(harmless(json.dumps(stored["request"], ensure_ascii=False, indent=2)))
    print(harmless(stored["body"]))
