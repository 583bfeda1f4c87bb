"""The step for answers that say that there is none: as a prediction, the empty text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Step

# What is looked at is folded by _bare: no capitals, no full-width punctuation.
_WHOLE = (
    r"unanswerable|unknown|none|n/?a|not (?:available|applicable|known|sure)",
    r"(?:no answer|nothing)(?: in (?:the|these) .*)?",
    (
        r"not (?:in|mentioned|stated|given|specified|provided|found|said)(?: in| by| anywhere in)?"
        r"(?: (?:the|these|any of the)(?: \w+){1,3})?"
    ),
    "不知道|未知|无法回答|无法确定|没有答案|没有相关信息|未提及|未提到|未说明|没有提到|没有提及|没有说明",
    (
        "(?:文中|文章中?|资料中?|段落中?|知识库中?|以上内容中?)(?:没有|未)(?:提到|提及|说明|给出|包含|找到)?"
        "(?:答案|相关信息)?"
    ),
)
"""The whole answer, but for what stands around it."""

_TEXTS = r"(?:passages?|texts?|documents?|context|information|sources?|knowledge base)(?: provided| given)?"
_VERBS = r"(?:answer|contain|give|have|include|indicate|mention|name|provide|say|specif|state|tell)"
_SOURCES = "(?:根据)?(?:所给|提供的|给出的|以上|这些|上述)?(?:文中|文章|资料|段落|内容|知识库|信息)[中里]?,?"
_BEGINNING = (
    rf"(?:the|these)(?: given| provided| retrieved)? {_TEXTS} (?:do|does|did)(?: not|n't) {_VERBS}",
    rf"(?:none of the|no)(?: given| provided| retrieved)? {_TEXTS} {_VERBS}",
    (
        r"i (?:do not|don't|can ?not|can't|could not|couldn't) "
        r"(?:know|find|say|tell|answer|determine)\b(?!.*\bbut\b)"
    ),
    r"(?:there is|there's) (?:no|not enough) (?:information|mention|answer)\b",
    (
        r"(?:the answer|it|this|that)(?: is|'s| was) not "
        r"(?:in|mentioned|stated|given|specified|provided|found|said)\b"
    ),
    r"(?:the answer|it|this|that) can(?:not| not|'t) be (?:found|determined|answered|known)\b",
    rf"{_SOURCES}(?:并?没有|并?未)(?:提到|提及|说明|给出|包含|找到|提供)",
    rf"{_SOURCES}无法(?:确定|回答|得知|判断|找到)",
)
"""How a sentence begins that goes on to say what is missing."""

_APOLOGY = re.compile("(?:(?:i'm |i am )?sorry,?(?: but)?|抱歉,?|对不起,?) *")


class Abstention(Step):
    """An answer that says there is none ("not in the passages", "I don't know", "文中没有提到") becomes "".

    That is how SQuAD 2.0 spells it: the right answer to an unanswerable question, a wrong one to any other.
    English and Chinese forms are known; `phrases` are further ones, which must be the whole answer. Case,
    width and punctuation around the answer do not count. Of any other answer the first line that is not blank
    is kept.
    """

    name = "abstention"

    def __init__(self, *, phrases: Sequence[str] = ()) -> None:
        if isinstance(phrases, str) or not all(isinstance(one, str) for one in phrases):
            raise ConfigError(
                f"post-processing step abstention: phrases must be a list of texts, got {phrases!r}"
            )
        self._phrases = frozenset(map(_bare, phrases))
        self._whole = re.compile("|".join(f"(?:{one})" for one in _WHOLE))
        self._beginning = re.compile("|".join(f"(?:{one})" for one in _BEGINNING))

    def __call__(self, value: Any) -> Any:
        first = next((line.strip() for line in value.splitlines() if line.strip()), "")
        text = _bare(first)
        if not text or text in self._phrases or self._whole.fullmatch(text):
            return ""
        sorry = _APOLOGY.match(text)
        return "" if self._beginning.match(text, sorry.end() if sorry else 0) else first


def _bare(text: str) -> str:
    """Return a text without case, width, and the punctuation and spaces around it."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    kept = [place for place, char in enumerate(folded) if unicodedata.category(char)[0] not in "PSZC"]
    return " ".join(folded[kept[0] : kept[-1] + 1].split()) if kept else ""
