"""`evalkit judge`: short for `evalkit run task=judge_… dataset.path=RUN`, a run over another run's texts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from evalkit.errors import UsageError

REGRESSED, INCONCLUSIVE = 1, 6

EPILOG = """The judge is the model of a new run, with a report like any other; settings are as in evalkit run.

examples:
  evalkit judge latest:writing model=gpt-4.1
  evalkit judge latest:writing --against 20260131-1200 model=gpt-4.1
  evalkit judge latest:qa --reference model=gpt-4.1
  evalkit judge latest:writing model=gpt-4.1 prompt.variables.scale=[1,5]
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit judge",
        description="Ask a model to judge a stored run: by criteria, against another run, or by references.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("run", metavar="RUN", help="a path, run id, unique prefix, latest or latest:TASK")
    found.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="settings, as of evalkit run")
    how = found.add_mutually_exclusive_group()
    how.add_argument(
        "--against",
        metavar="BASELINE",
        help="which answer is better, RUN's or this run's: each pair in both orders",
    )
    how.add_argument(
        "--reference", action="store_true", help="correct, partially or incorrect by the reference answers"
    )
    found.add_argument(
        "--gate",
        action="store_true",
        help="with --against: exit code 1 when RUN's answers are significantly worse (gate.alpha, one-sided)",
    )
    return found


def main(argv: Sequence[str]) -> int:
    """Run the judge and return the run's exit code."""
    from evalkit.cli import run

    options = parser().parse_intermixed_args(argv)
    if options.against is not None:
        words = ["task=judge_pairwise", f"dataset.path=[{_quoted(options.against)},{_quoted(options.run)}]"]
    else:
        task = "judge_reference" if options.reference else "judge_rubric"
        words = [f"task={task}", f"dataset.path={_quoted(options.run)}"]
    if options.gate and options.against is None:
        raise UsageError("--gate judges a win rate: name the run to compare with, --against BASELINE")
    words += options.overrides
    return _gated(words) if options.gate else run.main(words)


def _gated(words: Sequence[str]) -> int:
    """Run; return 1 for a win rate significantly below one half, 6 in doubt where the policy fails it."""
    from dataclasses import replace

    from evalkit.cli.output import note
    from evalkit.cli.run import exit_code, perform, print_finished
    from evalkit.config.compose import load
    from evalkit.report.chance import tested

    config = load(words)
    finished = perform(config, words)
    print_finished(finished.report, str(finished.folder))
    code = exit_code(finished)
    if code:
        return code
    alpha = config.gate.alpha
    for one in tested(replace(finished.report, folder=finished.folder)):
        less, more = float(one.test.p_less[0]), float(one.test.p_greater[0])
        if less < alpha:
            note(f"REGRESSED: {one.name} is below {one.null:g} (one-sided p = {less:.2g} < {alpha:g})")
            return REGRESSED
        if more < alpha:
            note(f"IMPROVED: {one.name} is above {one.null:g} (one-sided p = {more:.2g} < {alpha:g})")
            return 0
        note(f"INCONCLUSIVE: {one.name} cannot be told from {one.null:g} (p = {less:.2g} and {more:.2g})")
        return INCONCLUSIVE if config.gate.on_inconclusive == "fail" else 0
    return 0


def _quoted(name: str) -> str:
    r"""Return a name as Hydra's grammar takes any text: in quotes, those inside escaped."""
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
