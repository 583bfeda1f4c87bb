"""Writes the page: a template, one style and one script, and the samples in blocks, as a stream of texts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit.report.base import Report
from evalkit.report.html import view
from evalkit.report.html.base import Against
from evalkit.report.html.plot import WIDTH
from evalkit.report.html.samples import blocks
from evalkit.report.markdown import harmless
from evalkit.report.publication import publication_of
from evalkit.report.scores import Scores

if TYPE_CHECKING:
    from jinja2 import Environment

# Nothing is loaded and nothing runs but the one script and the one style, named by their hashes; texts that
# a script would turn into markup are refused by the browser itself (trusted types).
POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def parts(report: Report, against: Against | None = None) -> Iterator[str]:
    """Yield the page, piece by piece: the samples are read as it goes, never held together.

    Raises ReportError when the samples are missing or damaged, ConfigError for a metric's class that is not
    allowed.
    """
    script, style = _source("app.js"), _source("style.css")
    scores = Scores(report)
    yield from (
        _environment()
        .get_template("page.html")
        .generate(
            report=report,
            publication=publication_of(report),
            against=against,
            view=view,
            tones=view.TONES,
            width=WIDTH,
            policy=POLICY.format(script=_hash(script), style=_hash(style)),
            script=script,
            style=style,
            about=_about(scores, against),
            blocks=blocks(report, scores, against),
        )
    )


def _about(scores: Scores, against: Against | None) -> Mapping[str, Any]:
    """What the script is told of the samples."""
    columns = [{**one, "name": harmless(one["name"])} for one in scores.columns]
    return {"metrics": columns, "baseline": None if against is None else harmless(against.label)}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalized(value: Any) -> Any:
    """Make every text harmless before it is escaped; what is markup already (a macro's) was."""
    return harmless(value) if type(value) is str else value


@cache
def _source(name: str) -> str:
    return (files("evalkit.report.html") / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
