"""The regression workflow: gate a run against the accepted baseline, confirm critical samples, accept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.comparison.anchor import changed_line, commit_of
from evalkit.comparison.base import Comparison, Side
from evalkit.comparison.baseline import baseline_folder, write_baseline
from evalkit.comparison.beside import against_of
from evalkit.comparison.compare import compare
from evalkit.comparison.gate import GateResult, decide
from evalkit.comparison.load import default_baseline, load_baseline, reports_of
from evalkit.comparison.publication import Sides
from evalkit.comparison.selfcheck import SelfCheck, read_selfcheck, selfcheck, write_selfcheck
from evalkit.comparison.side import side_of
from evalkit.comparison.slices import right_answers, right_or_wrong
from evalkit.config.gate import comparison_options, policy_of
from evalkit.errors import ReportError, RunStopped, UsageError
from evalkit.evaluation import answer_again, stored_answers
from evalkit.report.base import read
from evalkit.report.remarks import ending
from evalkit.report.renderers.base import Place

if TYPE_CHECKING:
    from evalkit.config.schema import GateConfig
    from evalkit.report.base import Report
    from evalkit.report.html.base import Against

Say = Callable[[str], None]


@dataclass(frozen=True)
class Gated:
    """A comparison with what the gate made of it."""

    comparison: Comparison
    result: GateResult
    remarks: Sequence[str] = ()
    """What an A/A experiment found about this gate, where one was made."""
    sides: Sides | None = None
    """What was compared, for formats that quote samples."""


def contrast(
    baseline: str, candidate: str, results_dir: Path, config: GateConfig
) -> tuple[Comparison, Sides]:
    """Compare a run or suite with a baseline or another run, without judging."""
    reports = reports_of(candidate, results_dir)
    sides = [side_of(report, report.run_id) for report in reports]
    bases = load_baseline(baseline, results_dir)
    options = comparison_options(config, answers=stored_answers(reports[0]))
    return compare(bases, sides, options), _sides(bases, sides, baseline, results_dir)


def _sides(bases: Sequence[Side], sides: Sequence[Side], baseline: str, results_dir: Path) -> Sides:
    """Return both sides with what finds the line of the prompt that changed between them."""

    def anchor(before: Side, after: Side) -> Place | None:
        if after.folder is None:
            return None
        commit = commit_of(baseline, results_dir) if before.folder is None else None
        return changed_line(read(after.folder), before, commit)

    return Sides(bases, sides, anchor)


def against(report: Report, baseline: str, results_dir: Path, config: GateConfig) -> Against:
    """Compare one run with a baseline or another run, for a page that shows both sides of each sample."""
    side, answers = side_of(report, report.run_id), stored_answers(report)
    bases = load_baseline(baseline, results_dir)
    comparison = compare(bases, [side], comparison_options(config, answers=answers))
    return against_of(comparison, bases, side, report, answers)


def gate(
    candidate: str,
    baseline: str | None,
    results_dir: Path,
    config: GateConfig,
    say: Say = lambda _: None,
) -> Gated:
    """Compare a run or suite with a baseline (default: `main`, or the merge base in CI) and judge it.

    Raises NoBaseline when there is none, ReportError when a side cannot be read.
    """
    policy = policy_of(config)
    reports = reports_of(candidate, results_dir)
    sides = [side_of(report, report.run_id) for report in reports]
    name = baseline or default_baseline()
    bases = load_baseline(name, results_dir)
    comparison = compare(bases, sides, comparison_options(config, answers=stored_answers(reports[0])))
    blocked: list[str] = []
    if config.critical is not None:
        for report, side in zip(reports, sides, strict=True):
            before = next((one for one in bases if one.case == side.case), None)
            if before is not None:
                blocked += _blocking(report, before, side, config, say)
    checks = [
        read_selfcheck(one.case, baseline_folder(results_dir, bases[0].baseline or "")) for one in sides
    ]
    remarks = [f"{one.case}: {one.sentence}" for one in checks if one is not None]
    compared = _sides(bases, sides, name, results_dir)
    return Gated(comparison, decide(comparison, policy, blocked), remarks, compared)


def accept(
    name: str,
    baseline: str,
    reason: str,
    results_dir: Path,
    *,
    allow_failures: bool = False,
    allow_dirty: bool = False,
) -> Path:
    """Make a run or suite the baseline; returns its folder.

    Refuses a run with failed requests, and one made from uncommitted code: nobody could make it again.
    """
    reports = reports_of(name, results_dir)
    if not reason.strip():
        raise ReportError("--reason is empty; say why these scores are accepted")
    for report in reports:
        failed, git = report.counts["failed"], report.provenance.get("git")
        if failed and not allow_failures:
            early = "".join(f"{one}; " for one in ending(report))
            raise ReportError(
                f"run {report.run_id}: {early}{failed} of {report.counts['requests']} requests failed; run "
                "again to ask for them, or accept it with --allow-failures"
            )
        if git and git["dirty"] and not allow_dirty:
            raise ReportError(
                f"run {report.run_id} was made from uncommitted changes; commit and run again (answers come "
                "from the cache), or accept it with --allow-dirty"
            )
    cases = [side_of(report, report.run_id) for report in reports]
    twice = {side.case for side in cases if sum(one.case == side.case for one in cases) > 1}
    if twice:
        raise ReportError(
            f"several runs measure {', '.join(sorted(twice))}; a baseline holds one run a task: "
            "accept one of them"
        )
    return write_baseline(cases, baseline, reason, results_dir)


def _blocking(report: Report, before: Side, after: Side, config: GateConfig, say: Say) -> Iterator[str]:
    """Yield a sentence for each critical sample that was right, is wrong, and stays so when asked again."""
    broken = [one for one in _critical(report, config.critical or "") if _was_broken(one, before, after)]
    if not broken:
        return
    if config.confirm:
        say(f"{after.case}: asking {len(broken)} broken critical samples {config.confirm} times again")
    for one, answers in _asked_again(report, after, broken, config.confirm).items():
        wrong = sum(not right for right in answers)
        if 2 * wrong > len(answers):
            yield f"{after.case}: critical sample {one} is wrong in {wrong} of {len(answers)} answers"


def _critical(report: Report, column: str) -> list[str]:
    found = [
        line["id"]
        for line in report.samples()
        if line["trial"] == 0
        and str(line.get("metadata", {}).get(column, "")).lower() in {"true", "1", "yes"}
    ]
    known = {name for line in report.samples() for name in line.get("metadata", {})}
    if column not in known:
        raise ReportError(
            f'run {report.run_id} has no metadata column "{column}" (gate.critical); it has '
            f"{', '.join(sorted(known)) or 'none'}"
        )
    return found


def _was_broken(name: str, before: Side, after: Side) -> bool:
    old = right_or_wrong(before, name)
    new = right_or_wrong(after, name)
    return old is True and new is False


def _asked_again(report: Report, side: Side, ids: Sequence[str], times: int) -> dict[str, list[bool]]:
    """Return whether each answer is right, over the run's own trials and `times` further ones."""
    try:
        again = answer_again(report, ids, times)
    except RunStopped as error:
        raise RunStopped(f"critical samples could not be asked again: {error}") from None
    return {one: right_answers(side.families, rows) for one, rows in again.items()}


def check_self(
    name: str, config: GateConfig, results_dir: Path, *, rounds: int, baseline: str
) -> list[SelfCheck]:
    """Run the A/A experiment on each run that a name stands for; the results are kept beside the baseline."""
    policy = policy_of(config)
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: must be at least 1")
    found = [
        selfcheck(side_of(report, report.run_id), policy, rounds=rounds, seed=0)
        for report in reports_of(name, results_dir)
    ]
    for one in found:
        write_selfcheck(one, baseline_folder(results_dir, baseline))
    return found
