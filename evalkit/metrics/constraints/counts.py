"""What can be counted in a text; a constraint then bounds the count. Each is a pure function of the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from evalkit.metrics.text import UNSPACED, words

# Abbreviations whose full stop ends no sentence where another word follows.
_ABBREVIATIONS = frozenset(
    {
        *("mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "rev", "hon", "gen", "col", "sgt", "capt", "lt"),
        *("vs", "etc", "e.g", "i.e", "cf", "approx", "dept", "est", "fig", "no", "vol"),
    }
)
_STOP = re.compile(r"(?P<mark>[.!?…]+)[\"'”’)\]*_»]*(?=\s|$)|[。！？]+[”’」』）]*")
_CAPITAL = re.compile(r"\w[\w.\-]*")  # contractions are two words: I, 'm
_HIGHLIGHTS = (re.compile(r"\*([^\n*]*)\*"), re.compile(r"\*\*([^\n*]*)\*\*"))


def count_words(text: str, *, runs: bool = False) -> int:
    """Words in any language, each character one where there are no spaces between words (Chinese, Thai, …).

    `runs` counts runs of letters and digits instead, whatever the script, as IFEval does.
    """
    return len(re.findall(r"\w+", text)) if runs else len(words(text))


def count_characters(text: str, *, spaces: bool = False) -> int:
    """Characters without white space; with it (but not around the text) when `spaces`."""
    return len(text.strip()) if spaces else len("".join(text.split()))


def count_sentences(text: str) -> int:
    """Sentences by their marks (. ! ? … 。 ！ ？); a line break ends none, and what has no mark counts once.

    "Dr.", "e.g." and initials end none, nor a full stop before a lower-case letter.
    """
    count, begin = 0, 0
    for match in _STOP.finditer(text):
        if match["mark"] == "." and not _ends(text, match.start(), match.end()):
            continue
        count += bool(re.search(r"\w", text[begin : match.start()]))
        begin = match.end()
    return count + bool(re.search(r"\w", text[begin:]))


def _ends(text: str, stop: int, after: int) -> bool:
    following = text[after:].lstrip()
    if not following:
        return True
    word = re.search(r"[\w.]*$", text[max(0, stop - 20) : stop])
    before = word.group() if word else ""
    initial = len(before) == 1 and before.isalpha() and before.isupper() and before != "I"
    enumerator = before.isdigit() and text[: stop - len(before)].rpartition("\n")[2].strip() == ""
    return not (initial or enumerator or before.casefold() in _ABBREVIATIONS or following[0].islower())


def count_paragraphs(text: str, *, divider: str | None = None) -> int:
    """Parts between blank lines, or between dividers such as `***`; 0 when one in the middle is empty."""
    if divider is None:
        return len([part for part in re.split(r"\n\s*\n", text) if part.strip()])
    parts = re.split(rf"\s?{re.escape(divider)}\s?", text)
    kept = [bool(part.strip()) for part in parts]
    return sum(kept) if all(kept[1:-1]) else 0


def count_lines(text: str) -> int:
    """Lines that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def count_keyword(text: str, *, keyword: str, ignore_case: bool = True, whole_words: bool = False) -> int:
    """How often a word or phrase occurs; with `whole_words` not inside another word."""
    return len(
        re.findall(as_pattern(keyword, whole_words=whole_words), text, _flags(ignore_case=ignore_case))
    )


def count_letter(text: str, *, letter: str, ignore_case: bool = True) -> int:
    """How often a character occurs."""
    return text.lower().count(letter.lower()) if ignore_case else text.count(letter)


def count_bullets(text: str, *, rules: bool = False) -> int:
    """Lines of a Markdown list with `*` or `-`; `rules` counts lines like `---` too, as IFEval does."""
    lines = re.findall(r"^\s*(?:\*[^*].*|-.*)$", text, re.MULTILINE)
    return len(lines) if rules else sum(not re.fullmatch(r"\s*-[-\s]*", line) for line in lines)


def count_numbered(text: str) -> int:
    """Items of a numbered list: lines that begin with 1. 2. 3. (or `)`, `、`), counted while in order."""
    following = 1
    for number in re.findall(r"^\s*[*_]*(\d{1,4})[.)、．]\s*\S", text, re.MULTILINE):
        if int(number) == following:
            following += 1
        elif int(number) == 1 and following == 1:
            following = 2
    return following - 1


def count_headings(text: str, *, level: int | None = None) -> int:
    """Markdown headings, of one level (`#` is 1) or of any."""
    found = re.findall(r"^ {0,3}(#{1,6})[ \t]+\S", text, re.MULTILINE)
    return sum(level is None or len(marks) == level for marks in found)


def count_highlights(text: str) -> int:
    """Parts in `*one*` or `**two**` asterisks."""
    return sum(bool(part.strip()) for pattern in _HIGHLIGHTS for part in pattern.findall(text))


def count_placeholders(text: str) -> int:
    """Parts in square brackets, such as [address]."""
    return len(re.findall(r"\[.*?\]", text))


def count_sections(text: str, *, marker: str) -> int:
    """Times that a marker with a number begins a section: `Section 1`, `PART 2`."""
    return len(re.findall(rf"{re.escape(marker.strip())}\s?\d+", text))


def count_capital_words(text: str) -> int:
    """Words in capital letters alone, "I" and "A" included."""
    return sum(word.isupper() for word in _CAPITAL.findall(text))


def as_pattern(keyword: str, *, whole_words: bool) -> str:
    """Return the regular expression of a keyword; scripts without spaces have no word boundaries."""
    pattern = re.escape(keyword.strip())
    if not whole_words:
        return pattern
    first, last = keyword.strip()[:1], keyword.strip()[-1:]
    return f"{_boundary(first)}{pattern}{_boundary(last)}"


def _boundary(letter: str) -> str:
    from evalkit.metrics.text import scripted_words

    found = scripted_words(letter)
    return r"\b" if found and found[0][1] not in UNSPACED else ""


def _flags(*, ignore_case: bool) -> int:
    return re.IGNORECASE if ignore_case else 0


COUNTS: Mapping[str, Callable[..., int]] = {
    "words": count_words,
    "characters": count_characters,
    "sentences": count_sentences,
    "paragraphs": count_paragraphs,
    "lines": count_lines,
    "keyword": count_keyword,
    "letter": count_letter,
    "bullets": count_bullets,
    "numbered": count_numbered,
    "headings": count_headings,
    "highlights": count_highlights,
    "placeholders": count_placeholders,
    "sections": count_sections,
    "capital_words": count_capital_words,
}
"""By type: what is counted. A constraint of such a type has `min`, `max` or `exact` (none: at least one)."""
