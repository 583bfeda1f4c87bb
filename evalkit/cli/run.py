"""`evalkit run`: one evaluation, or with -m a sweep of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.cli.main import INTERRUPTED
from evalkit.cli.output import note, print_table
from evalkit.errors import RunStopped, UsageError, did_you_mean

if TYPE_CHECKING:
    from evalkit.budget import Budget
    from evalkit.config.schema import RunConfig
    from evalkit.evaluation import Finished
    from evalkit.report.base import Report

HELP_FLAGS = {"-h", "--help"}
FROM_REPORT = "--from-report"
# Flags that Hydra's own front knows what to do with.
HYDRA_FLAGS = frozenset(
    ["-m", "--multirun", "-r", "--run", "-c", "--cfg", "--resolve", "-p", "--package", "-i", "--info"]
) | {"-cd", "--config-dir", "--hydra-help"}


def main(argv: Sequence[str]) -> int:
    """Run and return the exit code: 0, or 5 when more samples failed than max_failed allows."""
    source, argv = _from_report(argv)
    flags = [word.partition("=")[0] for word in argv if word.startswith("-")]
    if HELP_FLAGS.intersection(flags):
        from evalkit.cli import usage

        print(usage.text(), end="")
        return 0
    for flag in flags:
        if flag not in HYDRA_FLAGS:
            raise UsageError(
                f"evalkit run has no flag {flag}{did_you_mean(flag, {*HYDRA_FLAGS, FROM_REPORT})}; "
                "settings are written group=choice or name=value"
            )
    if source is not None:
        return _again(source, argv)
    if flags:
        from evalkit.cli import sweep

        return sweep.main(argv)
    from evalkit.config.compose import load

    config = load(argv)
    if config.sweep:
        from evalkit.cli import sweep

        return sweep.main(["--multirun", *argv])
    finished = perform(config, argv)
    print_finished(finished.report, str(finished.folder))
    return exit_code(finished)


def _from_report(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take --from-report RUN out of the words; it allows no flag beside it."""
    words = [part for word in argv for part in _parted(word)]
    if FROM_REPORT not in words:
        return None, words
    place = words.index(FROM_REPORT)
    rest = words[:place] + words[place + 2 :]
    flags = [word for word in rest if word.startswith("-")]
    if place + 1 == len(words) or flags:
        beside = f", and {flags[0]} does not go with it" if flags else ""
        raise UsageError(f"{FROM_REPORT} needs a report: a path, a run id, latest{beside}")
    return words[place + 1], rest


def _parted(word: str) -> tuple[str, ...]:
    start = f"{FROM_REPORT}="
    return (FROM_REPORT, word.removeprefix(start)) if word.startswith(start) else (word,)


def _again(source: str, overrides: Sequence[str]) -> int:
    """Run a report's settings again, and say what is otherwise than it was."""
    from pathlib import Path

    from evalkit.config.repeat import relative_paths, repeated_settings
    from evalkit.report.base import read
    from evalkit.report.find import find
    from evalkit.report.repeat import unlike

    report = read(find(source, Path("results")))
    config = repeated_settings(report, overrides)
    paths = relative_paths(config)
    if paths:
        note(f"looked for from this folder: {', '.join(paths)}")
    finished = perform(config, (FROM_REPORT, source, *overrides))
    same = ["data, prompt, model, metrics and code are the same"]
    for difference in unlike(report, finished.report) or same:
        note(f"against run {report.run_id}: {difference}")
    print_finished(finished.report, str(finished.folder))
    return exit_code(finished)


def perform(config: RunConfig, words: Sequence[str] = ()) -> Finished:
    """Evaluate with progress on the terminal; `words` are the command line's, for the report."""
    from evalkit.cli.interrupts import heeding
    from evalkit.cli.memory import give_back
    from evalkit.cli.progress import ProgressView
    from evalkit.config.check import public_override
    from evalkit.config.model import build_prices
    from evalkit.evaluation import evaluate
    from evalkit.executors.halt import Halt

    give_back()
    title = f"{config.task.name} with {config.model.name}"
    command = ("evalkit", "run", *map(public_override, words))
    halt = Halt()
    try:
        with heeding(halt), ProgressView(title, build_prices(config.model)) as view:
            finished = evaluate(config, listen=view, say=note, command=command, halt=halt)
    except KeyboardInterrupt:
        _say_how_to_go_on(config)
        raise
    _say_counts(finished, config)
    if finished.interrupted or finished.stopped:
        _say_how_to_go_on(config)
    return finished


def _say_how_to_go_on(config: RunConfig) -> None:
    if config.cache.mode in {"rw", "refresh"}:
        same = "the same command" if config.cache.mode == "rw" else "the same command with cache=rw"
        note(f"every answer received so far is in the cache; {same} goes on from there")


def print_finished(report: Report, folder: str) -> None:
    """Print one run's table and where the report lies."""
    from dataclasses import replace
    from pathlib import Path

    from evalkit.report.chance import tested
    from evalkit.report.overview import score_table

    print_table(score_table([report]))
    for one in tested(replace(report, folder=Path(folder))):
        note(str(one))
    note(f"report: {folder}")


def exit_code(finished: Finished) -> int:
    """Return 130 for an interrupted run, 5 for one that was stopped, over budget or failed too often."""
    if finished.interrupted:
        return INTERRUPTED
    ended = finished.too_many_failed or finished.used_up or finished.stopped
    return RunStopped.exit_code if ended else 0


def _say_used_up(budget: Budget, report: Report) -> None:
    from evalkit.records import OVER_BUDGET

    spent, over = budget.spent, report.failures[OVER_BUDGET]
    limits = [] if budget.usd is None else [f"budget.usd={budget.usd:g}: {budget.cost(spent):.6f} USD"]
    if budget.tokens is not None:
        limits.append(f"budget.tokens={budget.tokens}: {spent.prompt + spent.completion} tokens")
    said = f"{' and '.join(limits)} spent, {over} of {report.counts['requests']} requests not asked"
    if budget.unknown_attempts:
        said += f"; {budget.unknown_attempts} attempts of unknown usage are counted at their worst"
    worst = budget.refused
    if worst is not None:
        cost = "" if budget.usd is None else f", {budget.cost(worst):.6f} USD"
        said += f"; the next could have used {worst.prompt} + {worst.completion} tokens{cost}"
    note(f"{said}: exit code 5")


def _say_counts(finished: Finished, config: RunConfig) -> None:
    from evalkit.records import ENDED_EARLY
    from evalkit.report.base import WITH_FAILURES
    from evalkit.report.remarks import drift, ending

    report = finished.report
    counts = report.counts
    early = sum(report.failures.get(kind, 0) for kind in ENDED_EARLY)
    if failed := counts["failed"] - early:
        kinds = ", ".join(f"{n} {kind}" for kind, n in report.failures.items() if kind not in ENDED_EARLY)
        again = "; the same command asks only for them again" if config.cache.mode == "rw" else ""
        note(f"{failed} of {counts['requests']} requests failed ({kinds}) and are not scored{again}")
    if finished.used_up is not None:
        _say_used_up(finished.used_up, report)
    for remark in (*(() if finished.used_up else ending(report)), *drift(report)):
        note(remark)
    if finished.stopped is not None:
        note(f"evalkit: {finished.stopped}")
    elif finished.too_many_failed and report.status == WITH_FAILURES:
        note(f"more than max_failed={config.max_failed:g} of the requests failed: exit code 5")
    if report.prompt is None:
        note(f"{report.task['name']}: {counts['requests']} recorded outputs, nothing was sent")
        return
    sent = counts["requests"] - counts["cached"] - early
    note(f"{report.task['name']}: {sent} requests sent, {counts['cached']} answers from the cache")
