"""Texts in Markdown; everything that a model or a data file wrote is made harmless first."""

from __future__ import annotations

import re
import unicodedata

# What is markup wherever it stands, or at a line's beginning; the rest stays readable without a renderer.
_SPECIAL = re.compile(r"([\\`*\[\]#|<>~$&@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|^[+-])")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")  # would begin an ordered list
# GitHub looks for @names and #numbers in the text that is shown, so a backslash does not stop it.
_REFERENCE = re.compile(r"(@(?=\w)|#(?=\d))")
# Joiners that Persian, Indic scripts and emoji need; they change no direction.
_JOINERS = "\u200c\u200d"
_BASIC = 0xFFFF


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no mention, no control characters."""
    text = " ".join(harmless(text).split())
    text = _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))
    return _REFERENCE.sub(r"\1&#8203;", text)


def code(text: str) -> str:
    """Return an inline code span whose delimiter is longer than any run of backticks inside."""
    text = " ".join(harmless(text).split())
    delimiter = "`" * (_longest_backticks(text) + 1)
    pad = " " if "`" in text else ""
    return f"{delimiter}{pad}{text}{pad}{delimiter}" if text else ""


def fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of backticks inside."""
    text = harmless(text)
    fence = "`" * max(3, _longest_backticks(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def harmless(text: str) -> str:
    """Replace control and direction-changing characters (ANSI, bidi) by visible escapes."""
    if text.replace("\n", "").replace("\t", "").isprintable():  # nearly every text, and fast
        return text
    return "".join(
        char
        if char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
        else f"\\u{ord(char):04x}"
        if ord(char) <= _BASIC
        else f"\\U{ord(char):08x}"
        for char in text
    )


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
