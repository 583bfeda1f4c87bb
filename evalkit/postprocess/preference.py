"""Which of two answers a judge prefers, and the two scores of a review of two answers.

Verdicts are told in terms of the runs, whatever order the answers were shown in. Only the judge's own words
are read; where a form stands several times, the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from evalkit.postprocess.base import Context, Step, Unparsed
from evalkit.postprocess.json_field import objects_in
from evalkit.postprocess.score import WIDTH, ends_of

A, B, TIE = "A", "B", "tie"
_KEYS = ("winner", "verdict", "preference", "preferred", "better", "choice", "结论", "胜者")
_SIDES = {
    **dict.fromkeys(("a", "1", "first", "a>b", "a>>b", "第一", "甲"), A),
    **dict.fromkeys(("b", "2", "second", "b>a", "b>>a", "第二", "乙"), B),
    **dict.fromkeys(("c", "tie", "tied", "draw", "equal", "a=b", "b=a", "none", "neither", "both"), TIE),
    **dict.fromkeys(("平局", "平手", "相同"), TIE),
}
_WHO = r"(?:(?:the|assistant|answer|response|text|model|option|回答|答案|助手|文本)\s*)*"
_SIDE = r"(?P<side>[abc12](?!\w|\.\d)|first\b|second\b|tied?\b|draw\b|equal\b|平局|平手|相同)"
_BRACKETED = re.compile(r"\[\[\s*(?P<side>[^\[\]\n]{1,20}?)\s*\]\]")
# Read are "Winner: A", "my final verdict is: Answer B", "结论:平局", "更好的回答是B" and the like.
_LABELLED = re.compile(
    r"(?:\b(?:winner|verdict|preference|preferred)\b|\b(?:better|best)\s+(?:answer|response|text|assistant)\b"
    r"|结论|胜者|更好的(?:回答|答案|文本)?)[\"'*_`\s]*(?::|=|\bis\b|为|是)+[\"'*_`\s:]*"
    rf"{_WHO}[\"'*_`]*{_SIDE}",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"[*_`\"'\s]*{_WHO}{_SIDE}[*_`\"'\s.。!]*", re.IGNORECASE)
_NUMBER = r"\d+(?:\.\d+)?"
_OF = r"(?:\s*/\s*\d+)?"
_FIRST_LINE = re.compile(rf"\s*({_NUMBER}){_OF}\s*(?:,|;|\s|and)\s*({_NUMBER}){_OF}[\s.]*")
# Both "Assistant 1: 8" and "Answer B gets 7/10" are such.
_NAMED = re.compile(
    rf"(?:assistant|answer|response|回答|助手)\s*(?P<who>[12AB])\b(?:'s)?(?:\s+score)?[*_\s]*"
    rf"(?::|=|\bgets\b|\bis\b|\bscored?\b)[*_\s]*(?P<score>{_NUMBER}){_OF}",
    re.IGNORECASE,
)
_PAIR = re.compile(rf"[(\[]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[)\]]")
_TWO = 2


class Preference(Step):
    """Read "A", "B" or "tie" out of a judge's answer about two answers.

    Read are, in this order, a JSON object's `winner` (or `verdict`, `preference`), the whole text, `[[A]]`
    (`[[C]]` and `[[tie]]` are ties, MT-bench's form; `[[A>B]]` too), two scores on the first line (`8 9`, as
    in FastChat's reviews by GPT-4) and `Winner: A`. Where the trial showed the answers in the other order
    (`task.vary.swap`) A and B are exchanged: the prediction is about the runs, not about places.
    """

    name = "preference"
    needs_context: ClassVar[bool] = True

    def __call__(self, value: Any) -> Any:
        """Return the verdict as it is written: A is the answer that was shown first."""
        text = value.translate(WIDTH)
        for form in (_in_objects, _whole, _bracketed, _by_scores, _labelled):
            found = list(form(text))
            if found:
                return found[-1]
        raise Unparsed("no verdict")

    def read(self, value: Any, context: Context) -> Any:
        """Return the verdict about the runs."""
        verdict = self(value)
        if context.sample.added.get("swapped"):
            return {A: B, B: A}.get(verdict, verdict)
        return verdict


class Scores(Step):
    """Read the two scores of a review of two answers, [first, second], both on `scale`.

    As GPT-4's reviews in FastChat have them: two numbers on the first line; else the last `Assistant 1: 8`
    and `Assistant 2: 9`, else the last pair `(8, 9)`.
    """

    name = "scores"

    def __init__(self, *, scale: Sequence[float] = (1, 10)) -> None:
        self._low, self._high = ends_of(scale, "post-processing step scores")

    def __call__(self, value: Any) -> Any:
        """Return the pair."""
        pair = two_scores(value.translate(WIDTH))
        if pair is None:
            raise Unparsed("no two scores")
        if not all(self._low <= one <= self._high for one in pair):
            scale = f"{self._low:g} to {self._high:g}"
            raise Unparsed(f"{pair[0]:g} and {pair[1]:g} are not both on the scale {scale}")
        return pair


def two_scores(text: str) -> list[float] | None:
    """Return the two scores of a review, the first answer's first; None where there are no two."""
    line = _FIRST_LINE.fullmatch(text.lstrip().partition("\n")[0])
    if line is not None:
        return [float(line[1]), float(line[2])]
    named: dict[str, float] = {}
    for match in _NAMED.finditer(text):
        named[_SIDES[match["who"].casefold()]] = float(match["score"])
    if len(named) == _TWO:
        return [named[A], named[B]]
    pairs = _PAIR.findall(text)
    return [float(one) for one in pairs[-1]] if pairs else None


def _in_objects(text: str) -> Iterator[str]:
    for answer in objects_in(text):
        for name in _KEYS:
            value = answer.get(name)
            if isinstance(value, str) and (whole := list(_whole(value)) or list(_side(value))):
                yield whole[0]
                break


def _whole(text: str) -> Iterator[str]:
    match = _ALONE.fullmatch(text)
    if match is not None:
        yield from _side(match["side"])


def _bracketed(text: str) -> Iterator[str]:
    for match in _BRACKETED.finditer(text):
        yield from list(_whole(match["side"])) or list(_side(match["side"]))


def _by_scores(text: str) -> Iterator[str]:
    pair = two_scores(text)
    if pair is not None:
        yield TIE if pair[0] == pair[1] else A if pair[0] > pair[1] else B


def _labelled(text: str) -> Iterator[str]:
    for match in _LABELLED.finditer(text):
        yield from _side(match["side"])


def _side(text: str) -> Iterator[str]:
    found = _SIDES.get(re.sub(r"\s+", "", text.casefold()))
    if found is not None:
        yield found
