"""Writes a publication where its format belongs: standard output, a file, the step summary of a workflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from evalkit.errors import ReportError
from evalkit.report.renderers.base import Publication

SUMMARY = "GITHUB_STEP_SUMMARY"


def publish(publication: Publication, form: str, output: str | None = None) -> None:
    """Print a publication in one format, or write it to a file and print the file's path.

    `github` prints annotations, which a workflow reads from standard output, and appends the summary to the
    file that the workflow names; without one the summary follows the annotations.
    """
    from evalkit.report.renderers.formats import FORMATS
    from evalkit.report.write import write_text

    text = FORMATS[form].render(publication)
    if form == "github":
        sys.stdout.write(text)
        _summarise(publication, output)
    elif output is None:
        sys.stdout.write(text)
    else:
        write_text(Path(output), text)
        print(output)


def _summarise(publication: Publication, output: str | None) -> None:
    from evalkit.report.renderers.markdown import render
    from evalkit.report.write import write_text

    summary, path = render(publication), os.environ.get(SUMMARY)
    if output is not None:
        write_text(Path(output), summary)
    elif path:
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(summary)
        except OSError as error:
            raise ReportError(
                f"{SUMMARY}={path}: cannot be written ({error.strerror or error}); write it with -o FILE"
            ) from error
    else:
        sys.stdout.write(summary)
