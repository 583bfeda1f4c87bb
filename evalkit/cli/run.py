"""`evalkit run`: one evaluation, or with -m a sweep of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.cli.output import note, print_table
from evalkit.errors import RunStopped, UsageError

if TYPE_CHECKING:
    from evalkit.config.schema import RunConfig
    from evalkit.evaluation import Finished

# Flags that Hydra's own front knows what to do with.
HYDRA_FLAGS = frozenset(
    ["-m", "--multirun", "-c", "--cfg", "-i", "--info", "-h", "--help", "--hydra-help", "-r", "--run"]
    + ["-sc", "--shell-completion", "-p", "--package", "--resolve", "-cd", "--config-dir"]
)


def main(argv: Sequence[str]) -> int:
    """Run and return the exit code: 0, or 5 when more samples failed than max_failed allows."""
    flags = [word for word in argv if word.startswith("-")]
    unknown = [word for word in flags if word.partition("=")[0] not in HYDRA_FLAGS]
    if unknown:
        raise UsageError(
            f"evalkit run has no flag {unknown[0]}; settings are written group=choice or name=value"
        )
    if flags:
        from evalkit.cli import sweep

        return sweep.main(argv)
    from evalkit.config.compose import load

    finished = perform(load(argv))

    from evalkit.report.table import score_table

    print_table(score_table([finished.report]))
    note(f"report: {finished.folder}")
    return exit_code(finished)


def perform(config: RunConfig) -> Finished:
    """Evaluate with progress on the terminal."""
    from evalkit.cli.progress import ProgressView
    from evalkit.config.build import build_prices
    from evalkit.evaluation import evaluate

    with ProgressView(f"{config.task.name} with {config.model.name}", build_prices(config.model)) as view:
        finished = evaluate(config, listen=view, say=note)
    counts = finished.report.counts
    if counts["failed"]:
        kinds = ", ".join(f"{number} {kind}" for kind, number in finished.report.failures.items())
        note(
            f"{counts['failed']} of {counts['requests']} requests failed ({kinds}); they are not scored, "
            "the same command asks only for them again"
        )
    sent = counts["requests"] - counts["cached"]
    note(f"{finished.report.task['name']}: {sent} requests sent, {counts['cached']} answers from the cache")
    return finished


def exit_code(finished: Finished) -> int:
    """Return 5 when too many samples failed."""
    return RunStopped.exit_code if finished.too_many_failed else 0
