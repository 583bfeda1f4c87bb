"""What a row of statistics is kept under: which metric in which code made it, and of which texts."""

from __future__ import annotations

import hashlib
import marshal
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.metrics.base import Metric, of_texts_alone
from evalkit.records import TURNS, Generation, Sample, canonical_json

# Whatever the rows' metrics import of us; a test follows the imports.
ROOT = Path(__file__).parents[1]
CODE = ("errors.py", "json_schema.py", "later.py", "plugins.py", "records.py")
FOLDER = "metrics"
# What rows are computed with beside our own code; a signature names at most one of them.
LIBRARIES = ("numpy", "nltk", "regex", "rouge-score", "rouge-score-rs", "sacrebleu")
DIGEST = 16  # bytes
PLAIN = 2  # marshal's last version whose bytes depend on the value alone
_LEAVES = frozenset({str, int, float, bool, type(None)})

Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Maker:
    """A bound metric in one version of the code: what made it, as text and as a number of 64 bits."""

    identity: str

    @property
    def number(self) -> int:
        """A number that needs no table: two files that are mixed up never exchange metrics."""
        found = hashlib.sha256(self.identity.encode("ascii")).digest()[:8]
        return int.from_bytes(found, "big", signed=True)


def maker_of(metric: Metric) -> Maker | None:
    """Return who makes a metric's rows; None where they may not be kept."""
    if not of_texts_alone(metric):
        return None
    code = sources()
    if code is None:
        return None
    cls = type(metric)
    known = {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "signature": metric.signature,
        "options": metric.options,
        "evalkit": __version__,
        "code": code,
        "python": sys.version,  # Unicode's tables, and how texts are folded
        "libraries": _libraries(),
    }
    try:
        return Maker(canonical_json(known))
    except (TypeError, ValueError):
        return None


def digests_of(generations: Sequence[Generation], samples: Sequence[Sample]) -> list[bytes | None]:
    """Return 16 bytes for each pair that are equal only for equal texts; None for what has no plain spelling.

    They are of the prediction, of whether there is one, of the target and of how the target is read.
    """
    return [_digest(one, sample) for one, sample in zip(generations, samples, strict=True)]


def _digest(generation: Generation, sample: Sample) -> bytes | None:
    prediction, target = generation.prediction, sample.target
    if not ((type(prediction) is str or _plain(prediction)) and (type(target) is str or _plain(target))):
        return None
    # Which of a target's texts are the references depends on the number of turns, and on no other input.
    turns = sample.input.get(TURNS)
    number = len(turns) if isinstance(turns, Sequence) else None
    # Unlike JSON it tells 1 from "1", 1.0 and true, a tuple from a list, and one order of names from another.
    try:
        read = marshal.dumps((prediction, generation.unparsed is None, target, number), PLAIN)
    except ValueError:  # nested too deeply
        return None
    return hashlib.sha256(read).digest()[:DIGEST]


def _plain(value: Any) -> bool:
    """Whether a value is made of JSON's own types; a subclass may spell itself in any way."""
    kind = type(value)
    if kind is list or kind is tuple:
        return all(map(_plain, value))
    if kind is dict:
        return all(type(name) is str for name in value) and all(map(_plain, value.values()))
    return kind in _LEAVES


def sources() -> str | None:
    """Return the hash of the code that makes rows.

    None where a file of it is not what it was when this process looked first: whether the old or the new one
    is loaded, nobody knows.
    """
    try:
        stamps, found = _at_first()
        return found if stamps == _stamps() else None
    except OSError:  # not installed as files
        return None


@cache
def _at_first() -> tuple[Stamps, str]:
    stamps = _stamps()
    found = hashlib.sha256()
    for name, _, _ in stamps:
        content = Path(name).read_bytes()
        found.update(f"{Path(name).relative_to(ROOT)} {len(content)} ".encode())
        found.update(content)
    return stamps, found.hexdigest()


def _stamps() -> Stamps:
    """Return the name, size and time of each file of code."""
    files = [*(ROOT / name for name in CODE), *sorted(_files(ROOT / FOLDER))]
    found = [(path, path.stat()) for path in files]
    return tuple((str(path), one.st_size, one.st_mtime_ns) for path, one in found)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix == ".py":
            yield path
        elif not path.suffix and path.name != "__pycache__" and path.is_dir():
            yield from _files(path)


@cache
def _libraries() -> dict[str, str | None]:
    return {name: _version(name) for name in LIBRARIES}


def _version(package: str) -> str | None:
    try:
        told = distribution(package).read_text("METADATA")
    except PackageNotFoundError:
        return None
    # importlib's own `version` parses all of it as a mail, the long description too: a millisecond each.
    found = re.search(r"^Version: *(.+?) *$", told or "", re.MULTILINE)
    return found[1] if found else None
