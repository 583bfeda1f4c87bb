"""The images that a dataset's rows name: found beside the data, checked, then told by reference."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from evalkit import search_path
from evalkit.datasets.base import Dataset
from evalkit.errors import ConfigError, DatasetError, did_you_mean
from evalkit.images.reference import Reference, parse
from evalkit.images.store import MOST_BYTES, has, keep, keep_file
from evalkit.records import Sample, content_hash
from evalkit.spool import Spool

DETAILS = ("low", "high", "auto", "original")
OPTIONS = ("field", "detail", "urls", "outside", "most_bytes")
URLS = ("keep", "refuse")
SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Pictures:
    """`prompt.images`: which fields hold images, and what is allowed of them.

    `urls` "keep" lets the model's server fetch http(s) addresses, "refuse" ends the run at one; `outside`
    allows files that lie outside the dataset's folder.
    """

    fields: tuple[str, ...]
    detail: str | None = None
    urls: str = "keep"
    outside: bool = False
    most_bytes: int = MOST_BYTES

    @property
    def wanted(self) -> Any:
        """What the prompt is told: the fields, and the detail where one is set."""
        names = self.fields[0] if len(self.fields) == 1 else list(self.fields)
        return {"field": names, "detail": self.detail} if self.detail else names


def pictures_of(setting: Any) -> Pictures:
    """Return what `prompt.images` says; ConfigError for what it cannot be."""
    options = dict(setting) if isinstance(setting, Mapping) else {"field": setting}
    for name in options:
        if name not in OPTIONS:
            raise ConfigError(f"prompt.images.{name}: no such option{did_you_mean(str(name), OPTIONS)}")
    names: Any = options.pop("field", None)
    several = isinstance(names, Sequence) and not isinstance(names, str)
    fields: list[Any] = [*names] if several else [names]
    named = tuple(one for one in fields if isinstance(one, str) and one)
    if not named or len(named) < len(fields):
        raise ConfigError(
            f"prompt.images={setting!r}: name the field with images, or write {{field: image, detail: low}}"
        )
    found = Pictures(named, **options)
    for name, value, choices in (("detail", found.detail, (None, *DETAILS)), ("urls", found.urls, URLS)):
        if value not in choices:
            raise ConfigError(f"prompt.images.{name}={value}: must be one of {', '.join(map(str, choices))}")
    if not isinstance(found.outside, bool):
        raise ConfigError(f"prompt.images.outside={found.outside!r}: must be true or false")
    most: Any = found.most_bytes
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ConfigError(f"prompt.images.most_bytes={most!r}: must be a number of bytes")
    return found


def with_pictures(dataset: Dataset, pictures: Pictures, path: Any) -> Dataset:
    """Return the data with a reference for every file and data URL that the images' fields hold.

    The references are part of the fingerprint: another image under the same name is other data. `path` is
    dataset.path. DatasetError names the sample and field of what is no image, too large, or out of bounds.
    """
    reader = _Reader(pictures, folder_of(path))
    samples = Spool(reader.read(one) for one in dataset.samples).whole
    if not reader.hashes:
        return dataset
    fingerprint = content_hash([dataset.fingerprint, reader.hashes])
    return replace(dataset, samples=samples, fingerprint=fingerprint)


def folder_of(path: Any) -> Path | None:
    """Return the folder that names of files start from; None where the data lies in none (the hub)."""
    if path is None or path == "-":
        return Path.cwd()
    paths = [
        Path(search_path.data_path(one) or "").expanduser()
        for one in ([path] if isinstance(path, str) else path)
    ]
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    folders = {one.parent.resolve() for one in paths}
    if len(paths) == 1 and not paths[0].exists() and not any(letter in str(paths[0]) for letter in "*?["):
        return None
    return Path(os.path.commonpath(folders))


class _Reader:
    """Reads one dataset's images; `hashes` of those that it read, in order."""

    def __init__(self, pictures: Pictures, folder: Path | None) -> None:
        self._pictures = pictures
        self._folder = folder
        self.hashes: list[str] = []

    def read(self, sample: Sample) -> Sample:
        changed = {}
        for name in self._pictures.fields:
            if name not in sample.input:
                continue  # the prompt says so, with the fields that there are
            value = sample.input[name]
            if isinstance(value, list):
                changed[name] = [self._image(one, f'sample "{sample.id}", {name}') for one in value]
            else:
                changed[name] = self._image(value, f'sample "{sample.id}", {name}')
        return replace(sample, input={**sample.input, **changed})

    def _image(self, value: Any, where: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise DatasetError(
                f"{where}: an image is a path, an http(s) URL or a data URL; got {_shown(value)}"
            )
        known = parse(value)
        if known is not None:
            if not has(known):
                raise DatasetError(
                    f"{where}: {value} is told by reference, and the image is not here; give the image itself"
                )
            return value
        if value.startswith(("http://", "https://")):
            if self._pictures.urls == "refuse":
                raise DatasetError(f"{where}: {_shown(value)} is a URL, and prompt.images.urls=refuse")
            return value
        try:
            reference = self._data(value) if value.startswith("data:") else self._file(value, where)
        except ValueError as error:
            raise DatasetError(f"{where}: {_shown(value)}: {error}") from None
        self.hashes.append(reference.sha256)
        return str(reference)

    def _data(self, url: str) -> Reference:
        head, comma, rest = url[5:].partition(",")
        if not comma:
            raise ValueError("a data URL without data")
        content = unquote_to_bytes(rest)
        return keep(b64decode(content, validate=True) if head.endswith(";base64") else content,
                    most=self._pictures.most_bytes)  # fmt: skip

    def _file(self, name: str, where: str) -> Reference:
        if self._folder is None and not Path(name).is_absolute():
            raise DatasetError(
                f"{where}: {_shown(name)} names a file, and the data lies in no folder of this machine"
            )
        try:
            path = Path(self._folder or "/", name).resolve()
            inside = self._folder is not None and path.is_relative_to(self._folder.resolve())
            if not inside and not self._pictures.outside:
                raise DatasetError(
                    f"{where}: {_shown(name)} lies outside the dataset's folder "
                    f"{self._folder or '(it has none)'}; "
                    "'prompt.images={field: FIELD, outside: true}' allows that"
                )
            if not path.is_file():
                raise DatasetError(f"{where}: there is no file {path}; names start from the dataset's folder")
            return keep_file(path, name, self._pictures.most_bytes)
        except OSError as error:
            raise DatasetError(
                f"{where}: {_shown(name)} cannot be read ({error.strerror or error})"
            ) from None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
