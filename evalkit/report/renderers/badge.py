"""A badge: the score with its interval and the verdict, drawn here and asked of no service."""

from __future__ import annotations

from evalkit.records import Aggregate
from evalkit.report.renderers.base import Publication
from evalkit.report.renderers.svg import FONT, fitted, number, width_of
from evalkit.report.renderers.xml import attributes, text
from evalkit.report.table import interval, shown

SIZE, HEIGHT, PAD = 11, 20, 7
LONGEST = 220
# White text has a contrast of 4.5 and more on each.
COLOURS = {
    "PASSED": "#1a7f37",
    "IMPROVED": "#1a7f37",
    "NO REGRESSION FOUND": "#1a7f37",
    "REGRESSED": "#c62828",
    "INVALID": "#9a6700",
    "INCONCLUSIVE": "#9a6700",
    "NOT COMPARABLE": "#9a6700",
}
NEUTRAL = "#0969da"
LABEL = "#4a4f55"


def render(publication: Publication) -> str:
    """Return the SVG; without a score the verdict alone, without either the words "not scored"."""
    one = publication.score
    label = fitted(publication.label or publication.title, SIZE, LONGEST)
    verdict = publication.verdict.lower()
    value = " · ".join(filter(None, ("" if one is None else score(one), verdict))) or "not scored"
    left, right = (round(width_of(part, SIZE)) + 2 * PAD for part in (label, value))
    size = {"width": left + right, "height": HEIGHT, "viewBox": f"0 0 {left + right} {HEIGHT}"}
    halves = (("0", left, LABEL), (number(left), right, COLOURS.get(publication.verdict, NEUTRAL)))
    boxes = "".join(
        f'<rect x="{x}" width="{width}" height="{HEIGHT}" fill="{fill}"/>' for x, width, fill in halves
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg"{attributes(size)} role="img">',
            f"<title>{text(f'{label}: {value}')}</title>",
            f'<clipPath id="r"><rect width="{left + right}" height="{HEIGHT}" rx="3"/></clipPath>',
            f'<g clip-path="url(#r)">{boxes}</g>',
            f'<g fill="#fff" font-family="{FONT}" font-size="{SIZE}">',
            _words(PAD, left - 2 * PAD, label),
            _words(left + PAD, right - 2 * PAD, value),
            "</g>",
            "</svg>",
            "",
        )
    )


def score(one: Aggregate) -> str:
    """Return `87.3 ± 3.1` where the interval lies even about the value, else `87.3 [81.2, 92.0]`."""
    value = shown(one.value, one.maximum, one.unit)
    if interval(one) == "-":
        return value
    assert one.low is not None
    assert one.high is not None
    below, above = (shown(abs(end - one.value), one.maximum, one.unit) for end in (one.low, one.high))
    return f"{value} ± {above}" if below == above else f"{value} {interval(one)}"


def _words(x: float, width: float, value: str) -> str:
    told = {"x": number(x), "y": 14, "textLength": number(width), "lengthAdjust": "spacingAndGlyphs"}
    return f"<text{attributes(told)}>{text(value)}</text>"
