"""The Python interface: what the commands do, as functions that return records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.comparison.base import Comparison, Side
from evalkit.comparison.rescore import Answers
from evalkit.comparison.side import side_of
from evalkit.gating import Gated
from evalkit.report.base import Report, read

DEFAULT_RESULTS = Path("results")
Comparable = Report | str | Path


def run(*overrides: str) -> Report:
    """Evaluate with these Hydra overrides, as `evalkit run` does, and return the report.

    Raises UsageError for a mistake in settings or data, RunStopped when the server ends the run, and returns
    a report with status complete_with_failures when single requests failed.
    """
    from evalkit.config.compose import load
    from evalkit.evaluation import evaluate

    finished = evaluate(load(overrides))
    if finished.stopped is not None:
        raise finished.stopped
    return read(finished.folder)


def score(run: Comparable, *overrides: str, results_dir: str | Path = DEFAULT_RESULTS) -> Report:
    """Score a stored run's outputs again, as `evalkit score` does, and return the new report.

    Overrides are those of metrics, post-processing, slices and resampling, like "metrics=[bleu,ter]". No
    model is asked. Raises ConfigError for an override that would change what was asked.
    """
    from evalkit.evaluation import score_again

    report = run if isinstance(run, Report) else load_report(run, results_dir)
    return read(score_again(report, overrides).folder)


def load_report(path: str | Path, results_dir: str | Path = DEFAULT_RESULTS) -> Report:
    """Read a report by path, run id, unique prefix, `latest` or `latest:TASK`."""
    from evalkit.report.find import find

    return read(find(str(path), Path(results_dir)))


def compare(
    baseline: Comparable,
    candidate: Comparable,
    *settings: str,
    intersect: bool = False,
    results_dir: str | Path = DEFAULT_RESULTS,
) -> Comparison:
    """Compare two runs (reports, paths, ids, or a baseline's name) sample by sample.

    `settings` are overrides of the gate's settings, like "gate.margin=0.02". Cases that do not match have a
    `problem` instead of metrics.
    """
    from evalkit.comparison.compare import compare as compare_sides
    from evalkit.comparison.load import load_baseline, load_runs
    from evalkit.config.compose import load
    from evalkit.config.gate import comparison_options

    config = load(settings).gate
    results = Path(results_dir)
    before = _side(baseline) or load_baseline(str(baseline), results)
    after = _side(candidate) or load_runs(str(candidate), results)
    answers = _answers(candidate, results)
    return compare_sides(before, after, comparison_options(config, intersect=intersect, answers=answers))


def gate(
    candidate: str | Path = "latest",
    *settings: str,
    baseline: str | None = None,
    results_dir: str | Path = DEFAULT_RESULTS,
) -> Gated:
    """Judge a run or suite against a baseline; `.result.code` is the exit code of `evalkit gate`."""
    from evalkit.config.compose import load
    from evalkit.gating import gate as judge

    return judge(str(candidate), baseline, Path(results_dir), load(settings).gate)


def accept(
    run: str | Path,
    reason: str,
    *,
    baseline: str = "main",
    results_dir: str | Path = DEFAULT_RESULTS,
    allow_failures: bool = False,
    allow_dirty: bool = False,
) -> Path:
    """Make a run or suite the baseline, as `evalkit accept` does; returns the baseline's folder."""
    from evalkit.gating import accept as promote

    return promote(
        str(run),
        baseline,
        reason,
        Path(results_dir),
        allow_failures=allow_failures,
        allow_dirty=allow_dirty,
    )


def _side(one: Comparable) -> Sequence[Side] | None:
    return [side_of(one, one.run_id)] if isinstance(one, Report) else None


def _answers(one: Comparable, results_dir: Path) -> Answers:
    from evalkit.comparison.load import reports_of
    from evalkit.evaluation import stored_answers

    return stored_answers(one if isinstance(one, Report) else reports_of(str(one), results_dir)[0])
