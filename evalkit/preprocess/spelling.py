"""Steps that spell a text otherwise: white space, Unicode's normal forms, letter case."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from evalkit.preprocess.base import Step, choice

FORMS = ("NFC", "NFKC", "NFD", "NFKD")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n{3,}")


class Strip(Step):
    """Remove white space around the text. Idempotent."""

    name = "strip"

    def __call__(self, value: Any) -> str:
        return str(value).strip()


class WhiteSpace(Step):
    """Write every run of white space as one space, and none around the text. Idempotent.

    `lines`: keep line breaks, of several in a row at most two (one blank line).
    """

    name = "whitespace"

    def __init__(self, *, lines: bool = False) -> None:
        self._lines = lines

    @property
    def details(self) -> tuple[str, ...]:
        """Whether lines are kept."""
        return ("lines",) if self._lines else ()

    def __call__(self, value: Any) -> str:
        if not self._lines:
            return " ".join(str(value).split())
        lines = "\n".join(str(value).splitlines())
        stripped = "\n".join(_BLANKS.sub(" ", line).strip() for line in lines.split("\n"))
        return _LINES.sub("\n\n", stripped).strip()


class Unicode(Step):
    """Bring the text to one of Unicode's normal forms (UAX #15), by default NFC. Idempotent.

    NFKC also makes full-width letters, ligatures and superscripts ordinary ones.
    """

    name = "unicode"

    def __init__(self, *, form: str = "NFC") -> None:
        self._form: Any = choice("unicode", "form", form, FORMS)

    @property
    def details(self) -> tuple[str, ...]:
        """The form."""
        return (self._form,)

    def __call__(self, value: Any) -> str:
        return unicodedata.normalize(self._form, str(value))


class Lower(Step):
    """Write the text in lower case; `fold` makes spellings equal that differ in case alone (ß and SS).

    Idempotent.
    """

    name = "lower"

    def __init__(self, *, fold: bool = False) -> None:
        self._fold = fold

    @property
    def details(self) -> tuple[str, ...]:
        """Whether case is folded."""
        return ("fold",) if self._fold else ()

    def __call__(self, value: Any) -> str:
        return str(value).casefold() if self._fold else str(value).lower()
