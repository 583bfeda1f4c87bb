"""The score that a judge gave.

Only the judge's own words are read. Where a form of score stands several times the last one counts: a judge
may quote the text before it says what it thinks of it, and is asked to end with its verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Context, Step, Unparsed
from evalkit.postprocess.json_field import objects_in

# ASCII in full width, as Chinese texts have it; one character for one, so that places stay what they are.
WIDTH = {0xFF01 + place: 0x21 + place for place in range(94)} | {0x3000: 0x20, 0x2212: 0x2D}
NUMBER = r"[-+]?\d+(?:\.\d+)?"
_KEYS = ("score", "rating", "grade", "overall_score", "overall", "评分", "分数", "得分", "总分")
_REST = r"(?P<rest>[^\n]{0,20})"
# Read are "Score: 7", "**Final score:** 7/10", "Rating (1-10) = 7", "a score of 7", "评分为8分" and the like.
_LABELLED = re.compile(
    r"(?:\b(?:score|rating|grade)\b|评分|得分|分数|打分|总分) \s* (?:\([^()\n]{0,30}\))? [\"'*_`\s]*"
    rf"(?: : | = | [\u2013\u2014] | \bis\b | \bof\b | 为 | 是 ) [\"'*_`\s\[]* (?P<score>{NUMBER}) {_REST}",
    re.VERBOSE | re.IGNORECASE,
)
_BRACKETED = re.compile(rf"\[\[\s*(?P<score>{NUMBER})(?P<rest>[^\]\n]{{0,20}})\]\]")
_SHARE = re.compile(rf"(?<![\d./])(?P<score>{NUMBER})(?P<rest>\s*(?:/|out\s+of)\s*\d+(?:\.\d+)?)(?![\d/])")
_POINTS = re.compile(
    rf"(?<!满分)(?<!满分为)(?<![\d./])(?P<score>{NUMBER})\s*分(?![钟之析为类别段成明享布])(?P<rest>)"
)
_ALONE = re.compile(rf"[*_`\"'\s]*(?P<score>{NUMBER})(?P<rest>)[*_`\"'\s.。]*")
# What may stand before the label on its line where only such lines count.
_BEFORE = re.compile(r"[\W_]*(?:(?:my|the|final|overall|total|最终|综合|总体)[\W_]*){0,3}", re.IGNORECASE)
_OF = re.compile(r"[*_`\s]*(?:/|out\s+of)\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_RANGE = re.compile(r"\s*(?:[-\u2013\u2014~]|to|到|至)\s*\d")
_ENDS = 2


@dataclass(frozen=True, slots=True)
class Found:
    """A number that stands where a score does, the place where it begins, and what follows it."""

    text: str
    start: int
    rest: str = ""


class Score(Step):
    """Read a score on `scale` ([lowest, highest], both included) out of a judge's answer.

    Read are, in this order, a JSON object's `score`, a number that stands alone, `[[7]]`, `Score: 7`, `7/10`
    and `7分`; the last one of the first form that there is. A score outside the scale, of another scale
    (`7/100`) or a range (`7-8`) is unparsed. With `strict` there must be an object, a number alone, `[[7]]`
    or a line that begins with `Score: 7`: in prose "the score is 1" may be about the match reported on.

    With `weighted` it is the expected score: the tokens that could have stood in the score's place, weighted
    by their probabilities and normalised over the scale's whole numbers (G-Eval, Liu et al. 2023, arXiv
    2303.16634, section 2: the sum of p(s) s; there estimated by sampling, here read from
    `top_logprobs`). That needs model.params.logprobs; where the score is no single token it is unparsed.
    """

    name = "score"
    needs_context: ClassVar[bool] = True

    def __init__(
        self, *, scale: Sequence[float] = (1, 10), weighted: bool = False, strict: bool = False
    ) -> None:
        self._low, self._high = ends_of(scale, "post-processing step score")
        self._weighted, self._strict = weighted, strict
        self.needs_logprobs = weighted

    def __call__(self, value: Any) -> Any:
        """Return the score that is written."""
        return self._checked(self._find(value.translate(WIDTH)))

    def read(self, value: Any, context: Context) -> Any:
        """Return the score that is written, or the expected one where that is asked for."""
        if not self._weighted:
            return self(value)
        found = self._find(value.translate(WIDTH))
        self._checked(found)
        return self._expected(value, found, context.response.logprobs)

    def _find(self, text: str) -> Found:
        in_object = list(_in_objects(text))
        if in_object:
            return in_object[-1]
        whole = _ALONE.fullmatch(text)
        if whole is not None:
            return _found(whole)
        forms = (_BRACKETED, _LABELLED) if self._strict else (_BRACKETED, _LABELLED, _SHARE, _POINTS)
        for form in forms:
            matches = [_found(match) for match in form.finditer(text)]
            if form is _SHARE:  # "3/4 of the text" is no score
                matches = [one for one in matches if self._of_scale(one)]
            if form is _LABELLED and self._strict:
                lines = [_begins_line(match) for match in form.finditer(text)]
                matches = [one for one, begins in zip(matches, lines, strict=True) if begins]
            if matches:
                return matches[-1]
        raise Unparsed("no score")

    def _of_scale(self, found: Found) -> bool:
        other = _OF.match(found.rest)
        return other is None or float(other.group(1)) == self._high

    def _checked(self, found: Found) -> float:
        value = float(found.text)
        if not self._of_scale(found):
            raise Unparsed(f"{found.text}{found.rest.rstrip()} is of another scale, not up to {self._high:g}")
        if _RANGE.match(found.rest):
            raise Unparsed(f"a range that begins with {found.text}")
        if not self._low <= value <= self._high:
            raise Unparsed(f"{found.text} is outside the scale {self._low:g} to {self._high:g}")
        return value

    def _expected(self, text: str, found: Found, logprobs: Any) -> float:
        tokens = _tokens(logprobs)
        if not tokens:
            raise Unparsed("no log-probabilities: set model.params.logprobs=true")
        if found.start < 0:
            raise Unparsed("it is not clear where the score stands")
        # In bytes: a token may be half of a character.
        whole, before = b"".join(token for token, _ in tokens), text[: found.start].encode()
        offset = whole.rfind(text.encode())
        if offset < 0:
            raise Unparsed("the log-probabilities are those of another text")
        start, end = offset + len(before), offset + len(before) + len(found.text)
        place = 0
        for token, alternatives in tokens:
            if place <= start and end <= place + len(token):
                around = token[: start - place], token[end - place :]
                return self._mean(around, alternatives)
            place += len(token)
        raise Unparsed(f"the score {found.text} is no single token")

    def _mean(self, around: tuple[bytes, bytes], alternatives: Mapping[bytes, float]) -> float:
        """Return the expected score over the tokens that hold a score with the same text around it."""
        before, after = around
        weights: dict[int, float] = {}
        for token, logprob in alternatives.items():
            number = token.removeprefix(before).removesuffix(after)
            same = token.startswith(before) and token.endswith(after)
            if same and number.isdigit() and self._low <= int(number) <= self._high:
                weights[int(number)] = weights.get(int(number), 0.0) + math.exp(logprob)
        total = sum(weights.values())
        if not total:
            raise Unparsed("no score of the scale is among the log-probabilities")
        return sum(score * weight for score, weight in weights.items()) / total


def ends_of(scale: Any, where: str) -> tuple[float, float]:
    """Return the ends of a scale; ConfigError for what is none."""
    ends = list(scale) if isinstance(scale, Sequence) else []
    if len(ends) == _ENDS and all(isinstance(end, int | float) for end in ends) and ends[0] < ends[1]:
        return float(ends[0]), float(ends[1])
    raise ConfigError(f"{where}: scale must be [lowest, highest], like [1, 10], got {scale!r}")


def _begins_line(match: re.Match[str]) -> bool:
    text = match.string
    return _BEFORE.fullmatch(text[text.rfind("\n", 0, match.start()) + 1 : match.start()]) is not None


def _found(match: re.Match[str]) -> Found:
    return Found(match["score"], match.start("score"), match["rest"])


def _in_objects(text: str) -> Iterator[Found]:
    for answer in objects_in(text):
        for name in _KEYS:
            value = answer.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                spelled = re.search(rf'"{re.escape(name)}"\s*:\s*(?P<score>{NUMBER})', text)
                yield Found(f"{value:g}", -1 if spelled is None else spelled.start("score"))
                break
            inner = re.fullmatch(rf"\s*(?P<score>{NUMBER}){_REST}", value) if isinstance(value, str) else None
            if inner is not None:
                yield Found(inner["score"], text.find(value) + inner.start("score"), inner["rest"])
                break


def _tokens(logprobs: Any) -> list[tuple[bytes, dict[bytes, float]]]:
    """Return each token with those that could have stood in its place, as chat completions tell them."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    found = []
    for one in content or ():
        others = [*one.get("top_logprobs", ()), one]
        found.append((_bytes(one), {_bytes(other): float(other["logprob"]) for other in others}))
    return found


def _bytes(token: Mapping[str, Any]) -> bytes:
    told = token.get("bytes")
    return bytes(told) if told is not None else str(token["token"]).encode()
