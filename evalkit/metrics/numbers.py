r"""Numbers in texts, and which of them is the answer: read exactly, as fractions.

What is read: `1,234.5`, `.5`, `-3`, `$1,000`, `3/4`, `2 1/2`, `\frac{3}{4}`, `1.5e6`, `2 \times 10^{3}`,
`3 million`, `3.5万`, `1亿2000万`, full-width digits, non-breaking or thin spaces and apostrophes between
thousands; "minus 3" and 零下3 are negative. A number inside a word (`CO2`, `GPT4`) is none; a sign directly
after a digit, a letter or a closing bracket is an operator or a hyphen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

DECIMALS = ("point", "comma")
PERCENTS = ("ignore", "fraction")

_LONGEST = 300  # digits of a number, and the largest power of ten: beyond, it is noise
_INTEGER = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)"
_PLAIN = rf"(?:{_INTEGER}(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(
    rf"""(?P<sign>(?<![A-Za-z0-9_)\]}}%.])[-+](?=[\d.$€£¥₹\\])
      |(?P<minus>(?<!\d[ ])\b(?:minus|negative)[ ]|零下[ ]?|负[ ]?))?
    (?:[$€£¥₹][ ]?(?P<inner>-)?)?
    (?:
      (?:(?P<mixed>\d{{1,9}})[ ]?)?\\frac[ ]?(?:
        \{{[ ]*(?P<above>-?{_PLAIN})[ ]*\}}[ ]?\{{[ ]*(?P<below>-?{_PLAIN})[ ]*\}}
        | (?P<top>\d)(?P<bottom>\d) )
      | (?<![A-Za-z0-9_])(?<![0-9]\.)(?:
          (?:(?P<whole>\d{{1,9}})[ ])?
          (?P<numerator>\d{{1,{_LONGEST}}})/(?P<denominator>\d{{1,{_LONGEST}}})(?![\d/])
        | (?P<plain>{_PLAIN})(?:[eE](?P<power>[-+]?\d{{1,4}})(?![A-Za-z0-9]))?
      )
    )
    (?:[ ]?(?:\\times|\\cdot|[\u00d7\u00b7])[ ]?10\^(?:\{{(?P<ten>-?\d{{1,4}})\}}|(?P<bare>-?\d{{1,4}})))?
    (?:(?P<han>(?:千(?![克米瓦卡帕焦赫伏吨])|[百万亿萬億])+)
      | [ ]?(?P<word>thousand|million|billion|trillion)\b)?
    [ ]?(?P<percent>%)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HAN = {"百": 10**2, "千": 10**3, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_WORDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_THIN = re.compile("(?<=\\d)['\u2019\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_LATEX = (
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[!,;: ]"), ""),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile("\u2212"), "-"),
    (re.compile("\u2044"), "/"),
)
_SWAPPED = str.maketrans(",.", ".,")

_HASHES = "####"
_BOXED = re.compile(r"\\f?boxed\s*\{")
# "The answer is", "Final answer:", GSM8K's "A:", and the Chinese for them.
_ANNOUNCED = re.compile(
    r"""\banswers?\b[^\n:=]{0,40}?(?:\bis\b|\bare\b|\bwould\ be\b|[:=])
    | ^[ \t>*_]*A[ \t]*: | 答案?[是为為:]""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
# What may stand between the announcement and its number without the number being another one.
_DIRECTLY = re.compile(r"[\s:*_`~≈=\\(\[{$€£¥₹]*(?:about|approximately|exactly|约|大约)?[\s*\\(\[{$€£¥₹]*")


@dataclass(frozen=True, slots=True)
class Found:
    """A number and where it stands in the text as `plain` spells it."""

    value: Fraction
    start: int
    end: int
    percent: bool = False


def plain(text: str, decimal: str = "point") -> str:
    """Return the text as numbers are read in it: NFKC, one minus sign, no LaTeX spaces, a decimal point."""
    text = unicodedata.normalize("NFKC", _THIN.sub(",", text))
    for pattern, other in _LATEX:
        text = pattern.sub(other, text)
    return text.translate(_SWAPPED) if decimal == "comma" else text


def numbers_in(text: str, *, percent: str = "ignore") -> list[Found]:
    """Return the numbers of a text that `plain` has spelt, in order.

    `percent`: "ignore" reads 50% as 50, "fraction" as 1/2.
    """
    return list(_joined(_found(text, percent)))


def final_number(text: str, *, decimal: str = "point", percent: str = "ignore") -> Fraction | None:
    r"""Return the number that a text gives as its answer; None where it has none.

    In this order: the first after the last `####`; the last in the last `\boxed{…}`; the number directly
    after the last "the answer is", "A:" or 答案是, else the last of that line; the last of all.
    """
    text = plain(text, decimal)
    _, hashes, after = text.rpartition(_HASHES)
    if hashes and (found := numbers_in(after, percent=percent)):
        return found[0].value
    boxed = boxed_in(text)
    if boxed is not None and (found := numbers_in(boxed, percent=percent)):
        return found[-1].value
    line = _announced(text)
    if line is not None and (found := numbers_in(line, percent=percent)):
        direct = _DIRECTLY.match(line)
        at_once = direct is not None and found[0].start <= direct.end()
        return found[0 if at_once and "=" not in line else -1].value
    found = numbers_in(text, percent=percent)
    return found[-1].value if found else None


def boxed_in(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{…}`, to the end of the text where it is cut off."""
    last = None
    for last in _BOXED.finditer(text):  # noqa: B007 - only the last is wanted
        pass
    if last is None:
        return None
    depth = 1
    for place in range(last.end(), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[last.end() : place]
    return text[last.end() :]


def announced_in(text: str) -> str | None:
    """Return what a text announces as its answer: after `####`, boxed, after "the answer is"; or None."""
    _, hashes, after = text.rpartition(_HASHES)
    if hashes:
        return after.strip()
    boxed = boxed_in(text)
    answer = _announced(text) if boxed is None else boxed
    return None if answer is None else answer.strip()


def spelled(value: Fraction) -> str:
    """Return a number's one spelling: `18`, `-0.5`, `1/3` where no decimal is exact."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    if value.denominator == 1:
        return str(value.numerator)
    places = max(1, value.denominator.bit_length() + 1)
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:].rstrip('0')}"


def _announced(text: str) -> str | None:
    last = None
    for last in _ANNOUNCED.finditer(text):  # noqa: B007 - only the last is wanted
        pass
    if last is None:
        return None
    rest = text[last.end() :].lstrip(" \t*_:")
    if not rest.strip():
        return None
    return next(line for line in rest.splitlines() if line.strip())


def _found(text: str, percent: str) -> Iterator[tuple[Found, int]]:
    """Yield each number with the Han magnitude it was multiplied by (1 for none)."""
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is None:
            continue
        scale = 1
        for letter in match["han"] or "":
            scale *= _HAN[letter]
        scaled = value * scale * _WORDS.get((match["word"] or "").lower(), 1)
        if match["sign"] == "-" or match["minus"] or match["inner"]:
            scaled = -scaled
        if match["percent"] and percent == "fraction":
            scaled /= 100
        yield Found(scaled, match.start(), match.end(), bool(match["percent"])), scale


def _joined(found: Iterator[tuple[Found, int]]) -> Iterator[Found]:
    """Add up what is one number in parts of falling magnitude: 1亿2000万."""
    before: tuple[Found, int] | None = None
    for one, scale in found:
        if before is not None and before[0].end == one.start and scale < before[1]:
            total = before[0].value + (-one.value if before[0].value < 0 else one.value)
            before = Found(total, before[0].start, one.end, one.percent), scale
            continue
        if before is not None:
            yield before[0]
        before = one, scale
    if before is not None:
        yield before[0]


def _value(match: re.Match[str]) -> Fraction | None:
    if match["plain"] is not None:
        value = _exact(match["plain"], match["power"])
    else:
        whole = match["mixed"] or match["whole"] or "0"
        above = _exact(match["above"] or match["top"] or match["numerator"])
        below = _exact(match["below"] or match["bottom"] or match["denominator"])
        value = int(whole) + above / below if above is not None and below else None
    ten = match["ten"] or match["bare"]
    if value is None or ten is None:
        return value
    return value * Fraction(10) ** int(ten) if abs(int(ten)) <= _LONGEST else None


def _exact(digits: str, power: str | None = None) -> Fraction | None:
    digits = digits.replace(",", "")
    if len(digits) > _LONGEST or (power is not None and abs(int(power)) > _LONGEST):
        return None
    return Fraction(Decimal(f"{digits}e{power or 0}"))
