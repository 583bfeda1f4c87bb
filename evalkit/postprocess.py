"""Post-processing: named steps that turn a response's text into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import Any, ClassVar

from evalkit.errors import ConfigError

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

_OBJECT_START = re.compile(r'\{(?=\s*["}])')
_OBJECT_STARTS = 1000  # braces tried: every failed parse reads on, and a broken answer may be all braces

# A fenced block, closed or cut off; the words after its language (a file's name) are no part of it.
_FENCED = re.compile(
    r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_PYTHON = frozenset({"", "python", "python3", "py", "py3"})
_DEFINITION = re.compile(r"^(?:async def|def|class)\s", re.MULTILINE)


class Unparsed(Exception):  # noqa: N818 - a finding about an answer, not an error of the program
    """The output has no prediction in it; the message says what was looked for."""


class Step:
    """One step: text (or what the step before left) in, text or value out."""

    name: ClassVar[str]

    def __call__(self, value: Any) -> Any:
        """Return the next value; raise Unparsed when the output does not hold one."""
        raise NotImplementedError


class Strip(Step):
    """Remove white space around the text."""

    name = "strip"

    def __call__(self, value: Any) -> Any:
        return value.strip()


class FirstLine(Step):
    """Keep the first line that is not blank."""

    name = "first_line"

    def __call__(self, value: Any) -> Any:
        for line in value.splitlines():
            if line.strip():
                return line.strip()
        raise Unparsed("no line of text")


class Regex(Step):
    """Keep what a pattern captures: group 1 (the whole match without groups), of the first or last match."""

    name = "regex"

    def __init__(
        self, *, pattern: str, group: int | None = None, match: str = "first", ignore_case: bool = False
    ) -> None:
        try:
            self._pattern = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"post-processing step regex: bad pattern {pattern!r} ({error})") from None
        if match not in {"first", "last"}:
            raise ConfigError(f'post-processing step regex: match is "first" or "last", not {match!r}')
        self._group = min(1, self._pattern.groups) if group is None else group
        if not 0 <= self._group <= self._pattern.groups:
            raise ConfigError(
                f"post-processing step regex: no group {group} in {pattern!r}, "
                f"which has {self._pattern.groups}"
            )
        self._last = match == "last"

    def __call__(self, value: Any) -> Any:
        matches = list(self._pattern.finditer(value)) if self._last else [self._pattern.search(value)]
        found = matches[-1] if matches else None
        text = None if found is None else found.group(self._group)
        if text is None:
            raise Unparsed(f"nothing matches {self._pattern.pattern!r}")
        return text


class JsonField(Step):
    """Keep one field (dots reach in) of the first JSON object that has it, fenced or amid prose."""

    name = "json_field"

    def __init__(self, *, field: str) -> None:
        self._field = field
        self._path = field.split(".")

    def __call__(self, value: Any) -> Any:
        answers = list(_objects(value))
        for answer in answers:
            try:
                return self._text(reduce(_member, self._path, answer))
            except KeyError:
                continue
        raise Unparsed(f'the JSON answer has no field "{self._field}"' if answers else "no JSON object")

    def _text(self, found: Any) -> str:
        if found is None:
            raise Unparsed(f'the field "{self._field}" is null')
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


class Code(Step):
    """Keep the program: what stands in a fenced block, or the whole text where there is none.

    Of several blocks the first that defines a function or class, else the first; one that is cut off counts.
    The first line keeps its indentation, which a completion needs.
    """

    name = "code"

    def __call__(self, value: Any) -> Any:
        blocks = [block for tag, block in _FENCED.findall(value) if tag.casefold() in _PYTHON]
        defining = [block for block in blocks if _DEFINITION.search(block)]
        code = (defining or blocks or [value])[0].replace("\r\n", "\n").rstrip()
        while code.partition("\n")[0].strip() == "" and "\n" in code:
            code = code.partition("\n")[2]
        if not code.strip():
            raise Unparsed("no code")
        return code


class Label(Step):
    """Map the text to one of `labels`, which may have `aliases` (other spellings, other languages).

    Case, width and punctuation around the text do not count. The whole text is tried first; else a single
    label must be named in it: none, or two different ones, is unparsed. A label that is directly denied
    ("not positive", "不是正面"; English and Chinese are known) is not named: that text says another label
    or none. Labels of one letter are found in prose too ("a"): capture them with `regex` first.
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


class Pipeline:
    """Steps in order; `describe` is what the report shows."""

    def __init__(self, steps: Sequence[Step], describe: Sequence[Any] = ()) -> None:
        self._steps = tuple(steps)
        self.describe = list(describe)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The only predictions there can be, where the last step maps to labels; else None."""
        last = self._steps[-1] if self._steps else None
        return last.labels if isinstance(last, Label) else None

    def __call__(self, text: str) -> Any:
        """Return the prediction; raise Unparsed with the step's name and reason."""
        value: Any = text
        for step in self._steps:
            try:
                value = step(value)
            except Unparsed as reason:
                raise Unparsed(f"{step.name}: {reason}") from None
        return value


STEPS: dict[str, type[Step]] = {step.name: step for step in (Strip, FirstLine, Regex, JsonField, Code, Label)}


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise KeyError(name)
    return value[name]


def _objects(text: str) -> Iterator[Any]:
    """Yield the JSON objects in a text, outermost first, whatever prose or fence stands around them."""
    decoder = json.JSONDecoder()
    end = 0
    for brace in islice(_OBJECT_START.finditer(text), _OBJECT_STARTS):
        if brace.start() >= end:
            try:
                found, end = decoder.raw_decode(text, brace.start())
            except (ValueError, RecursionError):  # also a number of more digits than Python reads
                continue
            yield found


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
