"""Where fetched files live on this machine, and the memory that a file there has been verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_STALE = 24 * 3600.0
NOTES = "verified.json"


def home() -> Path:
    """Return the user's folder for what evalkit fetches: EVALKIT_HOME, else evalkit below the XDG cache."""
    own = os.environ.get("EVALKIT_HOME")
    if own:
        return Path(own).expanduser().absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path in the variable is to be ignored.
    root = shared if shared.is_absolute() else Path("~/.cache").expanduser()
    return root.absolute() / "evalkit"


def copy_at_most(source: IO[bytes], target: Path, size: int) -> None:
    """Copy a stream, and no more than one byte above `size` of it: an archive cannot fill the disk."""
    left = size + 1
    with target.open("wb") as out:
        while left and (chunk := source.read(min(_CHUNK, left))):
            out.write(chunk)
            left -= len(chunk)


def join_verified(pieces: Sequence[Path], target: Path, size: int, sha256: str) -> bool:
    """Put files one after another into `target`; return whether size and SHA-256 are the wanted ones."""
    digest, left = hashlib.sha256(), size
    with target.open("wb") as out:
        for piece in pieces:
            with piece.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
                    left -= len(chunk)
    return left == 0 and digest.hexdigest() == sha256


def verified(path: Path, size: int, sha256: str, notes: Path) -> bool:
    """Return whether the file is the wanted one; hashed when `notes` (a JSON file) does not know it yet.

    Size and time of change are noted with the hash, so that a later look costs no reading. The notes are a
    memory, no proof: whoever may write them may write the file too.
    """
    try:
        state = path.stat()
        if state.st_size != size:
            _log.warning("%s is not used: it has %d bytes instead of %d", path, state.st_size, size)
            return False
        seen = {"sha256": sha256, "size": size, "mtime_ns": state.st_mtime_ns}
        if _read(notes).get(str(path)) == seen:
            return True
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        _log.warning("%s is not used: %s", path, error.strerror or error)
        return False
    if found != sha256:
        _log.warning("%s is not used: its SHA-256 is %s… instead of %s…", path, found[:12], sha256[:12])
        return False
    _remember(notes, path, seen)
    return True


def remember(path: Path, sha256: str, notes: Path) -> None:
    """Note that the file was just verified."""
    state = path.stat()
    seen = {"sha256": sha256, "size": state.st_size, "mtime_ns": state.st_mtime_ns}
    _remember(notes, path, seen)


def sweep(folder: Path, prefix: str) -> None:
    """Remove working folders that killed processes left there a day ago or longer."""
    for left in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left)


def _read(notes: Path) -> dict[str, Any]:
    try:
        held = json.loads(notes.read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _remember(notes: Path, path: Path, seen: dict[str, Any]) -> None:
    text = json.dumps({**_read(notes), str(path): seen}, indent=2, sort_keys=True) + "\n"
    # A folder that cannot be written costs a reading at each start, nothing else.
    with contextlib.suppress(OSError):
        notes.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(prefix=f".{notes.name}-", dir=notes.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(fresh).replace(notes)
