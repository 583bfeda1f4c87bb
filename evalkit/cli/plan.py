"""`evalkit plan`: what a run or a sweep would take. Nothing is sent, and no key is needed."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.cli.output import note, print_json, print_table
from evalkit.errors import ConfigError, RunStopped, UsageError

if TYPE_CHECKING:
    from evalkit.planning.plan import Plan
    from evalkit.planning.sensitivity import Detectable
    from evalkit.report.table import Table

UNKNOWN = "unknown"
MINUTE, HOUR = 60, 3600


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit plan",
        description="What `evalkit run` would take with the same settings: requests, tokens, cost, time, and "
        "the loss that a comparison would detect. Nothing is sent.",
        epilog="exit codes: 0, 2 a mistake in a setting or a file, 5 the expected cost is above --max-usd",
    )
    found.add_argument("overrides", nargs="*", metavar="SETTING=VALUE", help="as for evalkit run")
    found.add_argument("-m", "--multirun", action="store_true", help="plan every job of a sweep")
    found.add_argument(
        "--max-usd", type=float, metavar="X", help="exit with 5 when it is expected to cost more"
    )
    found.add_argument("--json", action="store_true", help="print JSON")
    return found


def main(argv: Sequence[str]) -> int:
    """Plan and print; 5 when more is expected than --max-usd."""
    options = parser().parse_intermixed_args(list(argv))
    limit: float | None = options.max_usd
    if limit is not None and not 0 <= limit < math.inf:
        raise UsageError(f"--max-usd {limit:g}: US dollars, 0 or more")
    jobs = _jobs(options.overrides, multirun=options.multirun)
    plans = _plans(jobs)
    expected = _sum(_usd(one, "usd") for one in plans)
    if options.json:
        print_json(_json(jobs, plans))
    else:
        print_table(_one(plans[0]) if len(plans) == 1 else _many(jobs, plans))
    if limit is None:
        return 0
    if expected is None:
        raise ConfigError(f"--max-usd {limit:g}: the expected cost is unknown ({_why(plans)})")
    if expected <= limit:
        return 0
    note(f"the expected cost of {expected:.4f} USD is above --max-usd {limit:g}: exit code 5")
    return RunStopped.exit_code


def _jobs(overrides: Sequence[str], *, multirun: bool) -> list[list[str]]:
    from evalkit.config.jobs import jobs_of
    from evalkit.config.study import axes

    swept = axes(overrides)
    return jobs_of([*overrides, *swept]) if multirun or swept else [list(overrides)]


def _plans(jobs: Sequence[Sequence[str]]) -> list[Plan]:
    """Plan the jobs in order: what one has sent, the next finds in the cache."""
    from evalkit.config.compose import load
    from evalkit.planning.plan import plan

    plans = []
    sent: set[str] = set()
    for overrides in jobs:
        plans.append(plan(load(overrides), sent))
        sent |= plans[-1].keys
    return plans


def _one(found: Plan) -> Table:
    from evalkit.report.table import Table

    rows = [
        (
            "requests",
            f"{found.requests}: {found.cached} in the cache, {found.to_send} to send{_later(found)}",
        ),
        ("prompt tokens", _prompt(found)),
        ("completion tokens", _completion(found)),
        ("cost", _cost(found)),
        ("time", _time(found)),
        ("detectable", _detectable(found.detectable)),
        *(("note", one) for one in found.notes),
    ]
    trials = f", {found.trials} trials" if found.trials > 1 else ""
    header = (found.task, f"{found.model}, {found.samples} samples{trials}")
    return Table(header, tuple(rows), "nothing was sent")


def _many(jobs: Sequence[Sequence[str]], plans: Sequence[Plan]) -> Table:
    from evalkit.report.table import Table

    header = (
        *("#", "settings", "requests", "cached", "to send", "prompt", "completion"),
        *("low", "expected", "worst", "time"),
    )
    rows = [
        (str(place), _differing(job, jobs), *_cells([one]))
        for place, (job, one) in enumerate(zip(jobs, plans, strict=True))
    ]
    rows.append(("", "all", *_cells(plans)))
    note = (
        "tokens and US dollars of what is to be sent; a job finds in the cache what one before it has asked; "
        "nothing was sent"
    )
    return Table(header, tuple(rows), note)


def _cells(plans: Sequence[Plan]) -> tuple[str, ...]:
    sums = [sum(getattr(one, name) for one in plans) for name in ("requests", "cached", "to_send", "prompt")]
    dollars = [_sum(_usd(one, name) for one in plans) for name in ("low_usd", "usd", "worst_usd")]
    return (
        *map(str, sums),
        _known(_sum(one.completion for one in plans), "{:.0f}"),
        *(_known(one, "{:.4f}") for one in dollars),
        _known(_sum(one.seconds for one in plans), "", _spell),
    )


def _later(found: Plan) -> str:
    return f", {found.later} of them later turns that depend on answers (estimated)" if found.later else ""


def _prompt(found: Plan) -> str:
    from evalkit.tokens import ABOUT, EXACT

    if not found.to_send:
        return "0"
    if found.later:
        how = f"{found.encoding}; " if found.encoding else ""
        return f"about {found.prompt} ({how}replies as long as expected), at most {found.prompt_most}"
    if found.prompt_how == EXACT:
        return f"{found.prompt}, exact ({found.encoding})"
    if found.prompt_how == ABOUT:
        return f"about {found.prompt} ({found.encoding}; what the server adds is not published)"
    return f"about {found.prompt} (estimated from the bytes; at most {found.prompt_most})"


def _completion(found: Plan) -> str:
    if not found.to_send:
        return "0"
    if found.completion is None:
        return f"{UNKNOWN}: {found.completion_source}"
    most = "without a limit" if found.completion_most is None else f"at most {found.completion_most}"
    return f"about {found.completion} ({found.completion_source}), {most}"


def _cost(found: Plan) -> str:
    if not found.to_send:
        return "nothing is to be paid"
    if found.prices is None:
        return UNKNOWN
    if not (found.prices.input or found.prices.output):
        return "none: its tokens have no price"
    parts = [
        f"{word} {_known(value, '{:.4f}')}"
        for word, value in (("low", found.low_usd), ("expected", found.usd), ("worst", found.worst_usd))
    ]
    recorded = f" (prices of {found.prices.recorded})" if found.prices.recorded else ""
    return f"{', '.join(parts)} USD{recorded}"


def _time(found: Plan) -> str:
    if not found.to_send:
        return "no time but reading"
    if found.seconds is None:
        return f"{UNKNOWN}: {found.seconds_source}"
    return f"about {_spell(found.seconds)} ({found.seconds_source})"


def _detectable(found: Sequence[Detectable]) -> str:
    """The losses in points, and what they rest on: a pair of measurements, or one of them."""
    if not found:
        return f"{UNKNOWN}: no earlier run of the task with these samples, and no baseline"
    losses: dict[tuple[str, str], list[Detectable]] = {}
    for one in found:
        rests = ("" if one.paired else " at the most", one.source)
        losses.setdefault(rests, []).append(one)
    parts = [f"{_losses(values)}{bound} (by {source})" for (bound, source), values in losses.items()]
    return f"with 80% power a loss of {'; '.join(parts)}"


def _losses(found: Sequence[Detectable]) -> str:
    """Spell losses in points, then those of metrics in a unit of their own."""
    from evalkit.report.table import of_unit, shown

    points = [f"{one.metric} {shown(one.effect, one.maximum)}" for one in found if one.unit is None]
    others = [
        f"{one.metric} {of_unit(shown(one.effect, one.maximum, one.unit), one.unit)}"
        for one in found
        if one.unit is not None
    ]
    return ", ".join([*([f"{', '.join(points)} points"] if points else []), *others])


def _spell(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def _json(jobs: Sequence[Sequence[str]], plans: Sequence[Plan]) -> dict[str, Any]:
    from evalkit.config.check import public_override

    return {
        "plans": [
            {"overrides": [public_override(word) for word in job], **one.to_json()}
            for job, one in zip(jobs, plans, strict=True)
        ],
        "total": {
            "counts": {
                name: sum(getattr(one, name) for one in plans) for name in ("requests", "cached", "to_send")
            },
            "usage": {
                "prompt": sum(one.prompt for one in plans),
                "completion": _sum(one.completion for one in plans),
            },
            "cost": {
                name: _sum(_usd(one, name) for one in plans) for name in ("low_usd", "usd", "worst_usd")
            },
            "timing": {"seconds": _sum(one.seconds for one in plans)},
        },
    }


def _usd(found: Plan, name: str) -> float | None:
    value: float | None = getattr(found, name)
    return value if found.to_send else 0.0


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum; None where a part of it is unknown."""
    found = list(values)
    return None if None in found else sum(one for one in found if one is not None)


def _known(value: float | None, form: str, spell: Callable[[float], str] | None = None) -> str:
    if value is None:
        return UNKNOWN
    return form.format(value) if spell is None else spell(value)


def _why(plans: Sequence[Plan]) -> str:
    unpriced = [one for one in plans if one.to_send and one.prices is None]
    if unpriced:
        return (
            f"no price is known for {unpriced[0].model}: set model.prices.input=… and "
            "model.prices.output=…, or model.prices_file=FILE"
        )
    return next(one.completion_source for one in plans if one.completion is None)


def _differing(job: Sequence[str], jobs: Sequence[Sequence[str]]) -> str:
    """Return the settings that not all jobs share."""
    from evalkit.config.check import public_override

    shared = set.intersection(*map(set, jobs))
    return " ".join(public_override(word) for word in job if word not in shared)
