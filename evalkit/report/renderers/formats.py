"""The formats by name. A further one is a file with a function, and a line here."""

from __future__ import annotations

from evalkit.report.renderers import badge, chart, delimited, fragment, github, junit, latex, markdown, plain
from evalkit.report.renderers.base import Format

FORMATS = {
    "markdown": Format(markdown.render, samples=True),
    "comment": Format(markdown.comment, samples=True),
    "github": Format(github.render, samples=True),
    "junit": Format(junit.render, samples=True),
    "latex": Format(latex.render),
    "csv": Format(delimited.csv),
    "tsv": Format(delimited.tsv),
    "json": Format(plain.render),
    "badge": Format(badge.render),
    "svg": Format(chart.scores),
    "svg-cost": Format(chart.cost),
    "html": Format(fragment.render),
}
