"""`evalkit report RUN --format html`: a run as a page or a text that others can read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.report.base import Report, read
from evalkit.report.find import find
from evalkit.report.html.base import PAGE, Against
from evalkit.report.renderers.names import OF_RUN
from evalkit.report.write import write_parts

if TYPE_CHECKING:
    from evalkit.config.schema import GateConfig


@dataclass(frozen=True)
class Format:
    """How a report is rendered, piece by piece; `file` in the run's folder, or None: standard output.

    `compares` says that the format can show a baseline beside the run.
    """

    render: Callable[[Report, Against | None], Iterable[str]]
    file: str | None = None
    compares: bool = False


def _html(report: Report, against: Against | None) -> Iterable[str]:
    from evalkit.report.html.page import parts

    return parts(report, against)


FORMATS = {"html": Format(_html, file=PAGE, compares=True)}
"""Formats that are no rendered text of a publication; those are OF_RUN."""
HISTORY = "--history"
"""The published runs over time instead of one run; `evalkit history` has its options."""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit report",
        description="Renders one run. Text goes to standard output; a page into the run's folder, and its "
        "path is printed.",
        epilog=f"evalkit report {HISTORY} [--task TASK --metric METRIC …] is evalkit history.",
    )
    found.add_argument("run", metavar="RUN", help="a path, run id, unique prefix, latest or latest:TASK")
    found.add_argument(
        "settings",
        nargs="*",
        metavar="gate.SETTING=VALUE",
        help="with --against, for example gate.margin=0.02",
    )
    found.add_argument("--format", choices=(*FORMATS, *OF_RUN), default="html", help="default: html")
    found.add_argument(
        "--samples",
        metavar="N",
        type=int,
        help="markdown, github, junit: how many of the worst samples to quote",
    )
    found.add_argument("-o", "--output", metavar="FILE", help="write there instead")
    found.add_argument(
        "--against",
        metavar="BASE",
        help="html: show the difference from a baseline name, run, git:REF[:NAME] or merge-base",
    )
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Render a run; print the text, or the path of what was written."""
    if HISTORY in argv:
        from evalkit.cli.history import main as history

        return history([word for word in argv if word != HISTORY])
    options = parser().parse_args(argv)
    chosen = FORMATS.get(options.format)
    if options.against is not None and (chosen is None or not chosen.compares):
        able = ", ".join(name for name, one in FORMATS.items() if one.compares)
        raise UsageError(f"--against goes with --format {able}; evalkit compare prints other formats")
    if options.settings and options.against is None:
        raise UsageError(f"{options.settings[0]}: settings of the gate need --against BASE")
    results = Path(options.results_dir)
    report = read(find(options.run, results))
    if chosen is None:
        return _publish(report, options)
    against = None if options.against is None else _against(report, options, results)
    parts = chosen.render(report, against)
    path = _path(report, chosen, options.output)
    if path is None:
        sys.stdout.writelines(parts)
        return 0
    write_parts(path, parts)
    print(path)
    return 0


def _publish(report: Report, options: argparse.Namespace) -> int:
    from evalkit.cli.publish import publish
    from evalkit.report.publication import SAMPLES, publication_of
    from evalkit.report.renderers.formats import FORMATS as TEXTS

    wanted = SAMPLES if options.samples is None else options.samples
    if wanted < 0:
        raise UsageError(f"--samples {wanted}: must not be negative")
    samples = wanted if TEXTS[options.format].samples else 0
    publish(publication_of(report, samples=samples), options.format, options.output)
    return 0


def _path(report: Report, chosen: Format, given: str | None) -> Path | None:
    if given is not None:
        return Path(given)
    assert report.folder is not None
    return None if chosen.file is None else report.folder / chosen.file


def _against(report: Report, options: argparse.Namespace, results: Path) -> Against:
    from evalkit.config.compose import load
    from evalkit.gating import against

    settings: GateConfig = load(options.settings).gate
    return against(report, options.against, results, settings)
