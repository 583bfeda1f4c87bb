"""How many tokens an image takes, by the rules that OpenAI publishes ("Images and vision", costs).

Tiles: the image is fitted into a square of 2048 pixels, then its shorter side made 768; each tile of 512
pixels costs as much as the next, beside a base. Patches of 32 pixels: up to 1536, times the model's factor.
For other models there is no rule: what is said then is a guess that errs on the high side.
"""

from __future__ import annotations

import math
import re

from evalkit.images.reference import Reference

SQUARE, SHORTER, TILE = 2048, 768, 512
PATCH, MOST_PATCHES = 32, 1536
TILED = (
    (re.compile(r"gpt-4o-mini(?=$|[-:@])"), (2833, 5667)),
    (re.compile(r"(chatgpt-4o|gpt-4o|gpt-4-turbo|gpt-4\.5|gpt-4\.1(?!-(mini|nano)))(?=$|[-:@])"), (85, 170)),
    (re.compile(r"o[13](-pro)?(?=$|-\d|[:@])"), (75, 150)),
    (re.compile(r"gpt-5(-chat-latest)?(?=$|-\d|[:@])"), (70, 140)),
)
"""A model's base and what a tile costs, in tokens."""
PATCHED = (
    (re.compile(r"(gpt-4\.1|gpt-5)-mini(?=$|[-:@])"), 1.62),
    (re.compile(r"(gpt-4\.1|gpt-5)-nano(?=$|[-:@])"), 2.46),
    (re.compile(r"o4-mini(?=$|[-:@])"), 1.72),
)
# Open models cut an image into patches of 14 pixels and more, or give each a fixed share; a URL's image is
# taken for one of the largest.
SMALL_PATCH, FIXED, LARGEST = 14, 3584, 16384
PER_TOKEN = 750  # pixels, as Anthropic publishes it for its models


def usual_tokens(image: Reference | None, model: str, detail: str | None = None) -> int:
    """Return what an image likely takes; None is an image of unknown size (a URL)."""
    known = _by_rule(image, model, detail, enlarged=False)
    if known is not None:
        return known
    return FIXED if image is None else max(1, math.ceil(image.width * image.height / PER_TOKEN))


def most_tokens(image: Reference | None, model: str, detail: str | None = None) -> int:
    """Return the most that an image takes: a budget sets that aside."""
    known = _by_rule(image, model, detail, enlarged=True)
    if known is not None:
        return known
    if image is None:
        return LARGEST
    return max(FIXED, math.ceil(image.width / SMALL_PATCH) * math.ceil(image.height / SMALL_PATCH))


def _by_rule(image: Reference | None, model: str, detail: str | None, *, enlarged: bool) -> int | None:
    name = model.removeprefix("openai/").removeprefix("ft:")
    for pattern, (base, tile) in TILED:
        if pattern.match(name):
            return base if detail == "low" else base + tile * _tiles(image, enlarged=enlarged)
    for pattern, factor in PATCHED:
        if pattern.match(name):
            return math.ceil(factor * _patches(image))
    return None


def _tiles(image: Reference | None, *, enlarged: bool) -> int:
    """Count tiles. The rule does not say whether small images are made larger: at most they are."""
    if image is None:
        return math.ceil(SHORTER / TILE) * math.ceil(SQUARE / TILE)
    width, height = float(image.width), float(image.height)
    fit = min(1.0, SQUARE / max(width, height))
    width, height = width * fit, height * fit
    scale = SHORTER / min(width, height)
    if scale < 1.0 or enlarged:
        # A narrow image would be more than the square again; it never is.
        scale = min(scale, SQUARE / max(width, height))
        width, height = width * scale, height * scale
    return _ceil(width / TILE) * _ceil(height / TILE)


def _patches(image: Reference | None) -> int:
    if image is None:
        return MOST_PATCHES
    columns, rows = image.width / PATCH, image.height / PATCH
    if _ceil(columns) * _ceil(rows) > MOST_PATCHES:
        shrink = math.sqrt(MOST_PATCHES / (columns * rows))
        # So that the smaller image is whole patches wide or high, as the guide has it.
        shrink *= min(max(1, math.floor(side * shrink)) / (side * shrink) for side in (columns, rows))
        columns, rows = columns * min(1.0, shrink), rows * min(1.0, shrink)
    return min(MOST_PATCHES, _ceil(columns) * _ceil(rows))


def _ceil(value: float) -> int:
    """Round up, but for what is above a whole number only by rounding of its own."""
    return math.ceil(value - 1e-9)
