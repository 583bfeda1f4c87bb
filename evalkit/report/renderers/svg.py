"""Parts of small drawings: texts whose width is known, numbers of few digits, colours for light and dark."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from evalkit.report.renderers.xml import attributes, text

FONT = "Verdana,'DejaVu Sans',Geneva,sans-serif"
# Advance widths of Verdana, which DejaVu Sans shares nearly, in thousandths of the font's size.
WIDTHS = {
    352: "ijlI|",
    394: "ft,.:;!'()[]{}\\/ ",
    470: '-rJsz"',
    590: "ackvxyLTF_?$",
    640: "bdeghnopquEPSBXYZKAVRC0123456789*",
    780: "DGHNOQUw+=<>#~^&",
    980: "mMW@%",
}
WIDTH_OF = {char: width / 1000 for width, chars in WIDTHS.items() for char in chars}
OTHER = 0.65
MOST = 1000
"""Characters that a text is measured by: no drawing is wider."""
WIDE = 1.05

STYLE = """\
.card{fill:#ffffff;stroke:#d1d9e0}.ink{fill:#1f2328}.soft{fill:#59636e}.rule{stroke:#d1d9e0}
.pale{opacity:.5}.halo{paint-order:stroke;stroke:#ffffff;stroke-width:3px}.bar{stroke:#0969da}.dot{fill:#0969da}.top{fill:#1a7f37}.edge{stroke:#1a7f37}
@media (prefers-color-scheme:dark){
.card{fill:#0d1117;stroke:#3d444d}.ink{fill:#f0f6fc}.soft{fill:#9198a1}.rule{stroke:#3d444d}
.halo{stroke:#0d1117}.bar{stroke:#4493f8}.dot{fill:#4493f8}.top{fill:#3fb950}.edge{stroke:#3fb950}}"""
"""Colours with a contrast of 4.5 and more on their own card, which stands on any page."""


def width_of(value: str, size: float) -> float:
    """Return about how wide a text is in the drawing's units; it is then set to that width."""
    return sum(map(_advance, value)) * size


def _advance(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    return WIDE if unicodedata.east_asian_width(char) in {"W", "F"} else WIDTH_OF.get(char, OTHER)


def fitted(value: str, size: float, width: float) -> str:
    """Return a text that is no wider, its end cut where it would be."""
    line = " ".join(value.split())
    room, kept = width - width_of("…", size), 0.0
    for place, char in enumerate(line):
        kept += _advance(char) * size
        if kept > room:
            return line if width_of(line[: MOST + 1], size) <= width else f"{line[:place].rstrip()}…"
    return line


def words(
    at: tuple[float, float], value: str, style: str = "ink", anchor: str = "start", size: float = 12
) -> str:
    """Return a text element at its baseline."""
    told = {"x": number(at[0]), "y": number(at[1]), "class": style, "text-anchor": anchor, "font-size": size}
    return f"<text{attributes(told)}>{text(value)}</text>"


def line(start: tuple[float, float], end: tuple[float, float], style: str, width: float = 1) -> str:
    """Return a straight line."""
    told = {
        "x1": number(start[0]),
        "y1": number(start[1]),
        "x2": number(end[0]),
        "y2": number(end[1]),
        "class": style,
        "stroke-width": width,
    }
    return f"<line{attributes(told)}/>"


def drawing(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a whole file: a card with a title for those who hear it read."""
    size = {
        "width": number(width),
        "height": number(height),
        "viewBox": f"0 0 {number(width)} {number(height)}",
    }
    card = {"x": 0.5, "y": 0.5, "width": number(width - 1), "height": number(height - 1), "rx": 6}
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg"{attributes(size)} role="img" font-family="{FONT}">',
            f"<title>{text(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="card"{attributes(card)}/>',
            *parts,
            "</svg>",
            "",
        )
    )


def number(value: float) -> str:
    """Return a position with one decimal at most: the same on every machine."""
    text_of = f"{value:.1f}".removesuffix(".0")
    return "0" if text_of == "-0" else text_of


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from at or below `low` to at or above `high`, at most about so many."""
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / (most - 1)))
    step = next(one * power for one in (1, 2, 5, 10) if one * power * (most - 1) >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]
