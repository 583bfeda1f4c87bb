"""Which of a question's choices an answer names: by its words, or by the probabilities of the letters."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalkit.choices import CHOICES, LETTERS, choices_of, letter_of, letters_of, order_of
from evalkit.errors import DatasetError
from evalkit.postprocess.base import Context, Step, Unparsed
from evalkit.postprocess.json_field import objects_in

JSON_FIELDS = ("answer", "choice", "option", "letter", "答案", "选项")
SHOWN = 60  # characters of an answer in a reason

# A letter that stands alone, in brackets or bold or not.
_MARK = r"[\s(\[{<*_`\"'$“\u2018【「]*"
_END = r"(?![A-Za-z0-9'\u2019])"
_LETTER = rf"{_MARK}([A-Z]){_END}"
# The letter first, set off from what follows: "B", "B.", "(B) …", "**B**: …", "B、…".
_LEADING = re.compile(
    rf"^{_MARK}([A-Z])(?:\s*[).:,;\]}}>*_`\"'。:、,】」\u2013\u2014-]|\s*\n|\s*$)"
    r"(?!\s*(?:and|or|和|或|[,/])?\s*[A-Z](?![A-Za-z]))"  # the first of several: "A, B and C"
)
# Words that announce the answer.
_ANNOUNCED = re.compile(
    rf"""(?: \b(?:answer|choice|option|solution|response)\b (?:\s+(?:to|for)\s+[^.:\n]{{1,60}}?)?
             \s* (?: (?:is|was|are|would\ be|should\ be|must\ be|has\ to\ be) \b )? \s* [:=-]? \s*
             (?: (?:clearly|definitely|therefore|thus|simply|option|choice|letter)\b[\s:]* )*
           | \b(?:choose|chose|pick|select|go\ with|going\ with|answer\ with)\s+
             (?:(?:option|choice|letter)\s+)?
           | (?:答案|选项|正确选项|正确答案)\s*(?:应该|应|就|即)?\s*(?:是|为|选|:)?\s*(?:选项)?
           | (?:应选|应该选|选择|选|我选)\s*(?:项|选项)?\s*(?:是|为|:)?\s*
           | \\boxed\s*\{{\s*(?:\\text\s*\{{)?
         ){_LETTER}""",
    re.VERBOSE | re.IGNORECASE,
)
# The letter as what the sentence is about: "B is correct", "B是正确的".
_JUDGED = re.compile(
    rf"""(?<![A-Za-z0-9]){_LETTER}[\s)\].*_`"'】」]*
         (?: \s+ (?:is|seems|looks) \s+ (?:the\s+)? (?:most\s+|only\s+)?
             (?:correct|right|best|true|accurate|likely|answer)\b
           | \s*(?:项|选项)? \s*(?:是|为)?\s*(?:正确|对的|最合适|最佳) )""",
    re.VERBOSE,
)
_GOES_ON = re.compile(r"\s+[a-z]")
_MARKED = re.compile(r"(?:\*\*|__|[(\[【「])\s*([A-Z])\s*[).:]?\s*(?:\*\*|__|[)\]】」])")
_ALONE = re.compile(r"(?<![A-Za-z0-9'\u2019])([A-Z])(?![A-Za-z0-9'\u2019])")
# Capitals that are words: "A river …", "I think"; but "A or B".
_WORDS = re.compile(
    r"(?<![A-Za-z0-9'\u2019])(?:A(?=\s+(?!(?:or|and|nor|is|was|as|because|since|but)\b)[a-z])|I(?=\s+[a-z]|\s*['\u2019]))"
)
_DENIED = re.compile(
    r"""(?: \b(?:not|never|nor|neither|cannot\ be|rather\ than|instead\ of) | n['\u2019]t(?:\ be)?
          | 不是|不选|并非|而非|不应选|排除 )
        (?: \s+ (?:the|an?|option|choice|answer|letter) )* [\s(\["'*_`“\u2018【「]* $""",
    re.VERBOSE | re.IGNORECASE,
)
# Marks around a letter in a token, and the signs for a space and a line that some tokenizers show.
_AROUND = " \t\r\n\u2581\u0120\u010a()[]{}<>*_`\"'\u2018\u2019“”.:,$#-"
_DENIED_LENGTH = 40  # characters before a choice in which its denial is looked for


class Choice(Step):
    """The letter, in the data's order, of the choice that an answer names among those it was shown.

    Read are, in this order: a JSON object's answer; a letter alone or set off at the start ("B", "(B)", "B.
    the Danube"); a letter that is announced ("The answer is B", "答案是B", "B is correct"); a single letter
    or choice's text amid prose. Different choices at the same level, or a letter beside another choice's
    text, are no answer, and neither is one that is denied ("not B"). `choices` names the field with the
    texts; with `optional`, a sample without it keeps its value.
    """

    name = "choice"
    needs_context = True

    def __init__(self, *, choices: str = CHOICES, optional: bool = False) -> None:
        self._choices, self._optional = choices, optional

    def read(self, value: Any, context: Context) -> Any:
        """Return the letter."""
        shown = _shown(context, self._choices)
        if shown is None:
            if self._optional:
                return value
            raise _without(context, self._choices, self.name)
        if context.response.refusal and not value:
            raise Unparsed(f"the model refused: {context.response.refusal}")
        order = order_of(context.sample, len(shown))
        return letter_of(order[read_choice(value, shown)])


class ChoiceLogprobs(Step):
    """The most probable choice by the log-probabilities of the answer's first token, as MMLU is often scored.

    The probabilities of all spellings of a letter ("B", " B", "(B") are added up, and divided by their sum
    over the letters shown. The prediction is `{"answer": letter, "confidence": its share, "probabilities":
    {letter: share}}`, letters in the data's order; equals go to the choice shown first. Tokens of white space
    and marks before the answer are passed over. Ask with model.params.logprobs=true, top_logprobs=20 and
    max_tokens=1.
    """

    name = "choice_logprobs"
    needs_context = True
    needs_logprobs = True

    def __init__(self, *, choices: str = CHOICES) -> None:
        self._choices = choices

    def read(self, value: Any, context: Context) -> Any:  # noqa: ARG002 - the text says no more
        """Return the most probable choice, and the probabilities of all."""
        shown = _shown(context, self._choices)
        if shown is None:
            raise _without(context, self._choices, self.name)
        masses = letter_masses(context.response.logprobs, len(shown))
        total = sum(masses)
        order = order_of(context.sample, len(shown))
        shares = {letter_of(order[at]): mass / total for at, mass in enumerate(masses)}
        best = max(range(len(masses)), key=lambda at: masses[at])
        letter = letter_of(order[best])
        told = {"answer": letter, "confidence": shares[letter]}
        return {**told, "probabilities": dict(sorted(shares.items()))}


def read_choice(answer: str, shown: Sequence[str]) -> int:
    """Return the place, as shown, of the choice that an answer names; Unparsed where that is open."""
    text = unicodedata.normalize("NFKC", _of_json(answer)).strip()
    if not text:
        raise Unparsed("no text")
    letters = LETTERS[: len(shown)]
    whole = _bare(text)
    if len(whole) == 1 and whole.upper() in letters:
        return letters.index(whole.upper())
    texts = [_bare(one) for one in shown]
    if texts.count(whole) == 1:
        return texts.index(whole)
    named = _named_texts(text, texts)
    leading = _LEADING.match(text)
    if leading and leading.group(1) in letters:
        line = text[leading.end() :].strip().partition("\n")[0]
        return _agreed({letters.index(leading.group(1))}, _whole_texts(line, texts))
    for found in (
        _letters(_ANNOUNCED.finditer(text), text, letters),
        _letters(_JUDGED.finditer(text), text, letters),
    ):
        if found:
            return _agreed(found, set())
    words = {match.start() for match in _WORDS.finditer(text)}
    marked = _letters(_MARKED.finditer(text), text, letters)
    alone = (one for one in _ALONE.finditer(text) if one.start() not in words)
    found = marked or _letters(alone, text, letters)
    if not found and not named:
        raise Unparsed(f"names none of the choices A to {letters[-1]}: {text[:SHOWN]!r}")
    return _agreed(found, named)


def letter_masses(logprobs: Any, n: int) -> list[float]:
    """Return the probability of each of n letters at the first token that may be one; Unparsed without."""
    entries = list(_entries(logprobs))
    if not entries:
        raise Unparsed(
            "the response has no log-probabilities; ask with model.params.logprobs=true "
            "model.params.top_logprobs=20 a server that gives them, or read letters with task=multiple_choice"
        )
    for token, likely in entries:
        masses = [0.0] * n
        for one, logprob in likely.items():
            letter = _token_letter(one)
            if letter and letter in LETTERS[:n]:
                masses[LETTERS.index(letter)] += math.exp(logprob)
        if any(masses):
            return masses
        if _token_letter(token):
            raise Unparsed(f"no letter from A to {LETTERS[n - 1]} is likely where the answer says {token!r}")
    raise Unparsed(f"no letter from A to {LETTERS[n - 1]} is likely in the answer")


def _shown(context: Context, field: str) -> tuple[str, ...] | None:
    try:
        return choices_of(context.sample.fields, field)
    except ValueError as error:
        raise DatasetError(f'sample "{context.sample.id}": {error}') from None


def _without(context: Context, field: str, step: str) -> DatasetError:
    return DatasetError(
        f'post-processing step {step}: sample "{context.sample.id}" has no field {field}; map a list with '
        f"dataset.input.{field}=<column>"
    )


def _agreed(letters: set[int], texts: set[int]) -> int:
    found = letters | texts
    if len(found) == 1:
        return found.pop()
    if len(letters) == 1 and texts:
        said = f"says {letters_of(frozenset(letters))} and writes out {letters_of(frozenset(texts))}"
        raise Unparsed(said)
    raise Unparsed(f"names several choices: {letters_of(frozenset(found)).replace(' or ', ', ')}")


def _letters(matches: Iterable[re.Match[str]], text: str, letters: str) -> set[int]:
    """Return the places of the letters found that are choices and not denied."""
    found = set()
    for match in matches:
        letter = match.group(1)
        if letter.islower() and not _GOES_ON.match(text, match.end(1)):  # "the answer is b", not "is a river"
            letter = letter.upper()
        if letter in letters and not _denied(text, match.start()) and not _denied(text, match.start(1)):
            found.add(letters.index(letter))
    return found


def _denied(text: str, place: int) -> bool:
    return _DENIED.search(text, max(0, place - _DENIED_LENGTH), place) is not None


def _named_texts(text: str, texts: Sequence[str]) -> set[int]:
    """Return the places of the choices whose whole text stands in the answer, not inside a longer one's."""
    said = text.casefold()
    taken: list[tuple[int, int]] = []
    found = set()
    for place in sorted(range(len(texts)), key=lambda one: -len(texts[one])):
        if not texts[place]:
            continue
        for match in re.finditer(_as_words(texts[place]), said):
            inside = any(start <= match.start() and match.end() <= end for start, end in taken)
            if inside or _denied(text, match.start()):
                continue
            taken.append(match.span())
            found.add(place)
    return found


def _whole_texts(text: str, texts: Sequence[str]) -> set[int]:
    """Return the choice that a text is, if it is one and nothing else."""
    whole = _bare(text)
    return {texts.index(whole)} if whole and texts.count(whole) == 1 else set()


def _as_words(text: str) -> str:
    """A pattern for a text that does not begin or end inside a word or number."""
    before = r"(?<![A-Za-z0-9])" if re.match(r"[A-Za-z0-9]", text[0]) else ""
    after = r"(?![A-Za-z0-9]|[.,][0-9])" if re.match(r"[A-Za-z0-9]", text[-1]) else ""
    return before + re.escape(text) + after


def _bare(text: str) -> str:
    """One case and width, without punctuation, marks and spaces around."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = [place for place, char in enumerate(folded) if unicodedata.category(char)[0] in "LNM"]
    return folded[kept[0] : kept[-1] + 1] if kept else ""


def _of_json(text: Any) -> str:
    """Return what a JSON answer says in the field for it; the text itself where it is none."""
    if not isinstance(text, str):
        return str(text)
    for found in objects_in(text):
        for name in JSON_FIELDS:
            value = found.get(name)
            if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                return str(value)
    return text


def _entries(logprobs: Any) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield each token and the log-probabilities of what could have stood there, itself included."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    for one in content or ():
        likely = {other["token"]: other["logprob"] for other in one.get("top_logprobs") or ()}
        yield one["token"], {one["token"]: one["logprob"], **likely}


def _token_letter(token: str) -> str:
    """Return a token without the spaces and marks around it, such as the letter in " (B"."""
    return unicodedata.normalize("NFKC", token).strip(_AROUND)
