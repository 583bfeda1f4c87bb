"""Texts as arrays of numbers for `overlap`: characters, and tokens of words that recur.

In each array one place stands after each text; what it holds does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]

# The place after a text: no word and no token is empty.
_END = ""
# As string.punctuation, spelled as in sacrebleu's chrF.
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def code_points(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return the code points of texts; a lone surrogate is one as well."""
    joined = "\0".join([*texts, ""])
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def token_numbers(
    texts: Sequence[Sequence[str]], tokens_of: Callable[[list[str]], Sequence[Sequence[str]]] | None = None
) -> tuple[IntArray, IntArray]:
    """Number the tokens of texts given in words: equal tokens have equal numbers.

    `tokens_of` maps distinct words to the tokens of each, at least one; without it words are tokens.
    Returns the numbers, and the (t,) tokens of each text.
    """
    known = _Numbers({_END: 0})
    words = known.of(chain.from_iterable((*one, _END) for one in texts))
    if tokens_of is None:
        return words, np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    found = [(_END,), *tokens_of(list(known)[1:])]
    tokens = _Numbers({_END: 0}).of(chain.from_iterable(found))
    sizes = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
    firsts = np.cumsum(sizes) - sizes
    each = sizes[words]
    ends = np.cumsum(each)
    numbers = tokens[np.repeat(firsts[words] - (ends - each), each) + np.arange(int(each.sum()))]
    return numbers, np.diff(ends[words == 0], prepend=0) - 1


def words_13a(text: str) -> list[str]:
    """Return what stands between white space, once mteval-v13a has joined lines and dropped its tags.

    What it does then, it does to each of these words as if it were alone. Its patterns put spaces around
    ASCII punctuation (no two characters of it at a time), or look at a full stop, comma or hyphen together
    with one neighbour. White space is never the punctuation of a match, and as a neighbour it is the same
    beside every word: no digit. So no match takes characters of two words, and none depends on what stands
    behind white space; none is kept from matching by an earlier one either, since a match that ends in white
    space takes nothing of the next word, and the white space before a word is free to be its neighbour: an
    earlier match can take it only after a stop, which the pattern before has set apart by further spaces.
    """
    text = text.rstrip()
    if "-\n" in text or "<skipped>" in text:
        # A tag that only now comes together is text; spaces keep it from being dropped, and would be put
        # around its brackets in any case.
        text = text.replace("<skipped>", "").replace("-\n", "").replace("<skipped>", "< skipped >")
    return text.split()


def tokens_13a(words: Sequence[str], tokenize: Callable[[str], str]) -> list[list[str]]:
    """Return the tokens of each word of `words_13a` by sacrebleu's tokenizer.

    All words go through it at once. It only adds spaces then, so that the tokens of a word are those that
    have as many characters as it; words with a "&", which may be an entity, go alone.
    """
    plain = [word for word in words if "&" not in word and not word.isalnum()]
    tokens = iter(tokenize(" ".join(plain)).split())
    found = []
    for word in words:
        if word.isalnum():
            found.append([word])
        elif "&" in word:
            found.append(tokenize(word).split())
        else:
            some, left = [], len(word)
            while left:
                some.append(next(tokens))
                left -= len(some[-1])
            found.append(some)
    return found


def tokens_chrf(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return chrF++'s tokens of each word: a punctuation mark at its end, else at its beginning, apart."""
    return [
        (word,)
        if len(word) == 1
        else (word[:-1], word[-1])
        if word[-1] in _PUNCTUATION
        else (word[0], word[1:])
        if word[0] in _PUNCTUATION
        else (word,)
        for word in words
    ]


class _Numbers(dict[str, int]):
    """Numbers of texts in order of first appearance."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number

    def of(self, texts: Any) -> IntArray:
        """Return the number of each text."""
        return np.fromiter(map(self.__getitem__, texts), dtype=np.int64)
