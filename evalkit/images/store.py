"""Where an image's bytes are found by their hash, for as long as this process lives.

Of a file its path is kept, and it is read when it is sent; other images (of a Parquet file, of a data URL)
lie in a folder of their own that goes with the process. What is found is held to the hash.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from pathlib import Path

from evalkit.errors import DatasetError
from evalkit.images.kinds import facts_of
from evalkit.images.reference import Reference

MOST_BYTES = 20 * 2**20
"""What OpenAI takes of one image (platform docs, "Images and vision", 2025-05: 20 MB)."""


class Store:
    """Images by hash."""

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}
        self._folder: Path | None = None

    def keep(self, content: bytes, name: str = "", most: int = MOST_BYTES) -> Reference:
        """Keep an image's bytes; ValueError for what is no image, or more than `most` bytes."""
        reference = _reference(content, name, most)
        if reference.sha256 not in self._files:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="evalkit-images-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            path = self._folder / f"{reference.sha256}.{reference.kind}"
            path.write_bytes(content)
            self._files[reference.sha256] = path
        return reference

    def keep_file(self, path: Path, name: str = "", most: int = MOST_BYTES) -> Reference:
        """Keep where a file lies; ValueError as for its bytes, OSError where it cannot be read."""
        size = path.stat().st_size
        if size > most:
            raise ValueError(_too_large(size, most))
        reference = _reference(path.read_bytes(), name, most)
        self._files[reference.sha256] = path.absolute()
        return reference

    def has(self, reference: Reference) -> bool:
        """Say whether an image's bytes can be found."""
        return reference.sha256 in self._files

    def load(self, reference: Reference) -> bytes:
        """Return an image's bytes; DatasetError where they are not there any more, or are others now."""
        path = self._files.get(reference.sha256)
        if path is None:
            raise DatasetError(
                f"the image {reference} is not of this run's data; give the image itself, as a path, an "
                "http(s) or a data URL"
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path}: the image cannot be read any more ({error.strerror})") from None
        if hashlib.sha256(content).hexdigest() != reference.sha256:
            raise DatasetError(f"{path}: the image has changed since the run began; run again")
        return content


def _reference(content: bytes, name: str, most: int) -> Reference:
    if len(content) > most:
        raise ValueError(_too_large(len(content), most))
    facts = facts_of(content)
    digest = hashlib.sha256(content).hexdigest()
    return Reference(facts.kind, facts.width, facts.height, len(content), digest, name)


def _too_large(size: int, most: int) -> str:
    return f"an image of {size:,} bytes, and at most {most:,} are sent; make it smaller"


# One for the process: what is kept is found by content, so that no run can see another's in its place.
_STORE = Store()
keep, keep_file, has, load = _STORE.keep, _STORE.keep_file, _STORE.has, _STORE.load
