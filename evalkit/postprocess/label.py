"""One of a few labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Step, Unparsed

# Scripts whose words stand without spaces or take endings without one: Thai to Khmer, Han, Kana, Hangul.
_JOINED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"
    r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
)
_SPACED_LETTER = rf"[^\W{_JOINED}]"

# What directly denies the label after it: "not positive", "isn't really positive", "不是正面", "不太正面".
_DENIAL = re.compile(
    r"""(?: (?: \b(?:not|no|non|never|neither|nor|cannot) | n['\u2019]t )
            (?: [\s\-]+ (?:be|an?|the|very|really|clearly|entirely|particularly|necessarily) )*
            [\s\-"'\u2018\u201c*_`]+
          | [不非没] (?:是|算|属于|太|够|很|完全|有)* [\s"'\u2018\u201c「『*_`]* )$""",
    re.VERBOSE,
)
_DENIAL_LENGTH = 60  # characters before a label in which its denial is looked for


class Label(Step):
    """Map the text to one of `labels`, which may have `aliases` (other spellings, other languages).

    Case, width and punctuation around the text do not count, and a space may stand for "_". The whole text
    is tried first; else a single label must be named in it: none, or two different ones, is unparsed. A
    label that is directly denied ("not positive", "不是正面"; English and Chinese are known) is not named:
    that text says another label or none. Labels of one letter are found in prose too ("a"): capture them with
    `regex` first.
    """

    name = "label"

    def __init__(self, *, labels: Sequence[str], aliases: Mapping[str, Sequence[str]] | None = None) -> None:
        if isinstance(labels, str) or not labels:
            raise ConfigError("post-processing step label: labels must be a list with at least one label")
        strangers = set(aliases or {}) - set(labels)
        if strangers:
            raise ConfigError(
                f"post-processing step label: aliases for {sorted(map(str, strangers))}, which are no labels "
                f"({', '.join(map(str, labels))})"
            )
        self.labels = tuple(labels)
        self._spellings: dict[str, str] = {}
        for label in labels:
            others = (aliases or {}).get(label) or ()
            for spelling in (label, *([others] if isinstance(others, str) else others)):
                self._add(spelling, label)
        for label in labels:  # "card_arrival" may be written "card arrival", "refund?" without its mark
            for spelling in (_bare(_fold(label)), _bare(_fold(label)).replace("_", " ")):
                if spelling:
                    self._spellings.setdefault(spelling, label)
        self._pattern = re.compile(
            "|".join(_as_word(one) for one in sorted(self._spellings, key=len, reverse=True))
        )

    def _add(self, spelling: Any, label: str) -> None:
        if not isinstance(spelling, str) or not _fold(spelling):
            raise ConfigError(
                f"post-processing step label: {spelling!r} is no text that a model could write; "
                'put quotes around numbers, "yes", "no", "true" and "false"'
            )
        known = self._spellings.setdefault(_fold(spelling), label)
        if known != label:
            raise ConfigError(
                f'post-processing step label: "{spelling}" stands for both {known} and {label}; '
                "spellings must differ in more than case"
            )

    def __call__(self, value: Any) -> Any:
        text = _fold(value)
        for whole in (text, _bare(text)):
            if whole in self._spellings:
                return self._spellings[whole]
        named = {
            self._spellings[match.group()]
            for match in self._pattern.finditer(text)
            if not _DENIAL.search(text, max(0, match.start() - _DENIAL_LENGTH), match.start())
        }
        if len(named) == 1:
            return named.pop()
        if named:
            raise Unparsed(f"names several labels: {', '.join(sorted(named))}")
        raise Unparsed(f"names none of the labels {', '.join(self.labels)}")


def _fold(text: str) -> str:
    """Case, width and surrounding space do not tell labels apart."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _bare(text: str) -> str:
    """Return a text without the punctuation, symbols and spaces around it."""
    kept = [place for place, char in enumerate(text) if unicodedata.category(char)[0] not in "PSZ"]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def _as_word(spelling: str) -> str:
    """A word must stand alone ("positive", not "positively") where its script has spaces between words."""
    before = rf"(?<!{_SPACED_LETTER})" if re.match(_SPACED_LETTER, spelling[0]) else ""
    after = rf"(?!{_SPACED_LETTER})" if re.match(_SPACED_LETTER, spelling[-1]) else ""
    return before + re.escape(spelling) + after
