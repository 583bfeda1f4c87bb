"""`evalkit history`: published scores over time; `evalkit history add RUN` publishes one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import note, print_json, print_table
from evalkit.errors import UsageError, did_you_mean

ADD = "add"
EPILOG = """examples:
  evalkit history add latest
  evalkit history --task sentiment --metric accuracy
  evalkit history --format svg -o history.svg
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit history",
        description="Published scores over time by task, metric and model. Marks what changed between two "
        "runs (served model, data, prompt, parameters, metric) and where the level moved.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument(
        "words", nargs="*", metavar="add RUN", help="publish runs, suites or latest: one file each"
    )
    found.add_argument("--task", action="append", default=[], help="only this task (again for more)")
    found.add_argument("--metric", action="append", default=[], help="only this metric (again for more)")
    found.add_argument("--model", action="append", default=[], help="only this model (again for more)")
    found.add_argument("--format", choices=("text", "markdown", "json", "svg"), default="text")
    found.add_argument("--json", action="store_true", help="the same as --format json")
    found.add_argument("-o", "--output", metavar="FILE", help="write there instead; not with --format text")
    found.add_argument("--allow-failures", action="store_true", help="publish although requests failed")
    found.add_argument("--allow-dirty", action="store_true", help="publish although code was not committed")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Publish runs, or show what was published."""
    options = parser().parse_intermixed_args(argv)
    if options.words:
        _add(options)
    else:
        _show(options, "json" if options.json else options.format)
    return 0


def _add(options: argparse.Namespace) -> None:
    word, *names = options.words
    if word != ADD:
        raise UsageError(
            f'evalkit history has no "{word}"{did_you_mean(word, [ADD])}; evalkit history add RUN publishes '
            "a run, and without a word the history is shown"
        )
    from evalkit.comparison.load import reports_of
    from evalkit.report.history import publish

    results = Path(options.results_dir)
    for report in [one for name in names or ["latest"] for one in reports_of(name, results)]:
        path = publish(
            report, results, allow_failures=options.allow_failures, allow_dirty=options.allow_dirty
        )
        print(f"published: {path} (commit it)")


def _show(options: argparse.Namespace, form: str) -> None:
    from evalkit.report.grid import text_table
    from evalkit.report.history import Wanted, read_history
    from evalkit.report.history_view import history_grid, history_json, history_svg

    series = read_history(Path(options.results_dir), Wanted(options.task, options.metric, options.model))
    if form == "json" and options.output is None:
        print_json(history_json(series))
        return
    if not series:
        raise UsageError(
            f"nothing of that was published in {Path(options.results_dir) / 'history'}; publish a run: "
            "evalkit history add RUN"
        )
    if form == "text":
        if options.output is not None:
            raise UsageError("-o needs --format markdown, json or svg")
        print_table(text_table(history_grid(series)))
        return
    from evalkit.report.renderers.markdown import markdown_table
    from evalkit.report.write import json_text, write_text

    made = {
        "markdown": lambda: markdown_table(history_grid(series)),
        "json": lambda: json_text(history_json(series)),
        "svg": lambda: history_svg(series),
    }[form]()
    if options.output is None:
        print(made, end="")
        return
    write_text(Path(options.output), made)
    note(f"written: {options.output}")
