"""`evalkit run`: one evaluation, or with -m a sweep of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.cli.output import note, print_table
from evalkit.errors import RunStopped, UsageError, did_you_mean

if TYPE_CHECKING:
    from evalkit.config.schema import RunConfig
    from evalkit.evaluation import Finished
    from evalkit.report.base import Report

HELP_FLAGS = {"-h", "--help"}
# Flags that Hydra's own front knows what to do with.
HYDRA_FLAGS = frozenset(
    ["-m", "--multirun", "-r", "--run", "-c", "--cfg", "--resolve", "-p", "--package", "-i", "--info"]
) | {"-cd", "--config-dir", "--hydra-help"}


def main(argv: Sequence[str]) -> int:
    """Run and return the exit code: 0, or 5 when more samples failed than max_failed allows."""
    flags = [word.partition("=")[0] for word in argv if word.startswith("-")]
    if HELP_FLAGS.intersection(flags):
        from evalkit.cli import usage

        print(usage.text(), end="")
        return 0
    for flag in flags:
        if flag not in HYDRA_FLAGS:
            raise UsageError(
                f"evalkit run has no flag {flag}{did_you_mean(flag, HYDRA_FLAGS)}; settings are written "
                "group=choice or name=value"
            )
    if flags:
        from evalkit.cli import sweep

        return sweep.main(argv)
    from evalkit.config.compose import load

    config = load(argv)
    if config.sweep:
        from evalkit.cli import sweep

        return sweep.main(["--multirun", *argv])
    finished = perform(config)
    print_finished(finished.report, str(finished.folder))
    return exit_code(finished)


def perform(config: RunConfig) -> Finished:
    """Evaluate with progress on the terminal."""
    from evalkit.cli.progress import ProgressView
    from evalkit.config.build import build_prices
    from evalkit.evaluation import evaluate

    title = f"{config.task.name} with {config.model.name}"
    try:
        with ProgressView(title, build_prices(config.model)) as view:
            finished = evaluate(config, listen=view, say=note)
    except KeyboardInterrupt:
        if config.cache.mode in {"rw", "refresh"}:
            same = "the same command" if config.cache.mode == "rw" else "the same command with cache=rw"
            note(f"every answer received so far is in the cache; {same} goes on from there")
        raise
    _say_counts(finished, config)
    return finished


def print_finished(report: Report, folder: str) -> None:
    """Print one run's table and where the report lies."""
    from evalkit.report.overview import score_table

    print_table(score_table([report]))
    note(f"report: {folder}")


def exit_code(finished: Finished) -> int:
    """Return 5 when too many samples failed."""
    return RunStopped.exit_code if finished.too_many_failed else 0


def _say_counts(finished: Finished, config: RunConfig) -> None:
    report = finished.report
    counts = report.counts
    if counts["failed"]:
        kinds = ", ".join(f"{number} {kind}" for kind, number in report.failures.items())
        again = "; the same command asks only for them again" if config.cache.mode == "rw" else ""
        note(
            f"{counts['failed']} of {counts['requests']} requests failed ({kinds}) and are not scored{again}"
        )
    if finished.too_many_failed:
        note(f"more than max_failed={config.max_failed:g} of the requests failed: exit code 5")
    if report.prompt is None:
        note(f"{report.task['name']}: {counts['requests']} recorded outputs, nothing was sent")
        return
    sent = counts["requests"] - counts["cached"]
    note(f"{report.task['name']}: {sent} requests sent, {counts['cached']} answers from the cache")
