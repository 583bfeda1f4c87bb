"""Chinese word segmentation by jieba (github.com/fxsjy/jieba, MIT), quiet and without files of its own."""

from __future__ import annotations

import hashlib
import importlib
import logging
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigError
from evalkit.preprocess.base import Step, choice

MODES = ("accurate", "full", "search")


class Segment(Step):
    """Split Chinese text into words: a list, white space left out.

    `mode`: jieba's "accurate" (cut), "full" (every word there is) or "search" (long words also in parts).
    `new_words`: let a hidden Markov model find words that the dictionary lacks. `dictionary`: a file of
    words to know besides, `word [frequency] [tag]` a line.
    """

    name = "segment"
    joint = " "

    def __init__(
        self, *, mode: str = "accurate", new_words: bool = True, dictionary: str | None = None
    ) -> None:
        self._mode = choice(self.name, "mode", mode, MODES)
        self._new_words = new_words
        self._words = b"" if dictionary is None else _read(dictionary)
        self._tokenizer()  # what is missing is missing now, and not after the answers are paid for

    @property
    def details(self) -> tuple[str, ...]:
        """The version, whose dictionary decides, and what is otherwise than usual."""
        mode = () if self._mode == MODES[0] else (self._mode,)
        known = () if self._new_words else ("known",)
        words = (hashlib.sha256(self._words).hexdigest()[:12],) if self._words else ()
        return (f"jieba{version('jieba')}", *mode, *known, *words)

    @property
    def gives_list(self) -> bool:
        """Always."""
        return True

    def __call__(self, value: Any) -> list[str]:
        tokenizer, text = self._tokenizer(), str(value)
        if self._mode == "search":
            words = tokenizer.cut_for_search(text, HMM=self._new_words)
        else:
            words = tokenizer.cut(text, cut_all=self._mode == "full", HMM=self._new_words)
        return [word for word in words if word.strip()]

    def _tokenizer(self) -> Any:
        return _tokenizer_with(self._words)


@cache
def _tokenizer_with(words: bytes) -> Any:
    """Return a tokenizer, built once a process: a second of work, and the same every time.

    jieba would write its dictionary as marshalled data into the temporary folder, and load what lies there
    under a fixed name, whoever put it: so its tables are set here, and its `initialize` finds nothing to do.
    """
    try:
        with warnings.catch_warnings():  # of its invalid escapes, and of pkg_resources
            warnings.simplefilter("ignore")
            jieba = importlib.import_module("jieba")
    except ImportError:
        raise ConfigError(
            "pre-processing step segment needs jieba, which is not installed; pip install jieba, or "
            "evalkit with its extra: pip install 'evalkit[chinese]'"
        ) from None
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    if words:
        try:
            tokenizer.load_userdict(words.splitlines())
        except (ValueError, AttributeError) as error:
            raise ConfigError(
                f"pre-processing step segment: the dictionary cannot be read ({error})"
            ) from None
    return tokenizer


def _read(dictionary: str) -> bytes:
    try:
        return Path(dictionary).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"pre-processing step segment: {dictionary}: cannot be read ({error})") from None
