"""What a dataset is, as one hash of its rows' content; and why a value cannot be part of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from evalkit.records import canonical_json


class Fingerprint:
    """A hash over canonical row JSON, in order: independent of path, machine, format and library version."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row; ValueError, TypeError or RecursionError when UTF-8 JSON cannot spell it."""
        text = canonical_json(row)
        if "\\ud" in text:  # an emoji or other pair; ValueError for a half one, which no request can carry
            json.dumps(row, ensure_ascii=False).encode()
        self._hash.update(text.encode("ascii"))
        self._hash.update(b"\n")

    @property
    def value(self) -> str:
        """The SHA-256 in hex."""
        return self._hash.hexdigest()


def problem(value: Any) -> str | None:
    """Say why a value cannot be hashed and sent as UTF-8 JSON; None when it can."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair, which UTF-8 cannot spell (a cut emoji?); remove or repair it"
    except RecursionError:
        return "nested too deeply; flatten it"
    except ValueError:
        return "holds NaN or Infinity (or a number too large for a float), which JSON lacks; use null or text"
    except TypeError as error:
        return f"not JSON ({error}); use text, numbers, booleans, lists and objects"
    return None
