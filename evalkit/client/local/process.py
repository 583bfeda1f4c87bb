"""The parent's side of the embedded model: start its server, know that it is alive, stop it."""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from evalkit.client.local.artifact import ensure
from evalkit.client.local.child import Child
from evalkit.client.local.flags import FLAGS
from evalkit.client.local.pins import LocalModel
from evalkit.errors import ModelError
from evalkit.records import content_hash

# By its path and without the working directory in front (-P): it starts alike from wherever evalkit is run.
_SERVER = (sys.executable, "-P", str(Path(__file__).with_name("server.py")))


@dataclass(frozen=True)
class Address:
    """Where the server listens, for an OpenAI client, and the key that it asks for."""

    base_url: str
    api_key: str


def flags(model: LocalModel) -> dict[str, bool | int | float]:
    """Return every setting of the model's server that can change an answer."""
    return {**FLAGS, "n_ctx": model.context}


def identity(model: LocalModel) -> str:
    """Return what stands for the server in cache keys: model file, server version, settings.

    Neither the file nor xllamacpp is opened, so a plan or a replay can name the server without having it.
    """
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        version = "absent"
    settings = content_hash(flags(model))[:8]
    return f"local:{model.name}:{model.sha256[:16]}:xllamacpp-{version}:{settings}"


class LocalServer:
    """One embedded model, served on loopback by a process of its own that never outlives this one.

    `start`, `stop` and `failure` may be called from any thread. `command` starts the process and `find`
    gives the model's file: tests put stubs in their place.
    """

    def __init__(
        self,
        model: LocalModel,
        say: Callable[[str], None] = lambda _: None,
        *,
        command: Sequence[str] = _SERVER,
        find: Callable[[LocalModel, Callable[[str], None]], Path] = ensure,
        time_limit: float = 120.0,
    ) -> None:
        self.model = model
        self._say = say
        self._command = tuple(command)
        self._find = find
        self._time_limit = time_limit
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._address: Address | None = None
        self._failure: str | None = None
        self._owner = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The id of the server's process; None when there is none."""
        child = self._child
        return child.pid if child is not None else None

    @property
    def alive(self) -> bool:
        """Whether the server has come up and its process still runs."""
        child = self._child
        return self._address is not None and child is not None and child.running

    def failure(self) -> str | None:
        """Say how a server that had come up ended by itself: exit code, last lines of its log. Else None."""
        child = self._child
        if self._address is not None and child is not None and not child.running:
            with self._lock:
                self._release(child)
        return self._failure

    def start(self) -> Address:
        """Return the server's address, after starting it when it does not run; blocks.

        Raises ModelError when the model's file or the `local` extra is missing, or the server does not
        come up within the time limit.
        """
        with self._lock:
            if self._address is not None and self.alive:
                return self._address
            if self._child is not None:
                self._release(self._child)
            if self._command == _SERVER and importlib.util.find_spec("xllamacpp") is None:
                raise ModelError(
                    "an embedded model needs evalkit's `local` extra: pip install '.[local]' in its checkout"
                )
            path = self._find(self.model, self._say)
            self._failure = None
            self._address = self._launch(path)
            return self._address

    def stop(self) -> None:
        """End the server; does nothing where there is none, or in a forked copy of its parent."""
        child = self._child
        if child is None or self._owner != os.getpid():
            return
        if child.running:
            # Before the lock: a start that waits in another thread sees its server end, and lets go.
            self._address = None
            child.end()
        with self._lock:
            self._release(child)

    def _launch(self, path: Path) -> Address:
        key = secrets.token_urlsafe(32)
        settings = {"model": str(path), "alias": self.model.name, "api_key": key, "flags": flags(self.model)}
        what = f'the server of the embedded model "{self.model.name}" did not start'
        try:
            child = Child(self._command)
        except OSError as error:
            raise ModelError(f"{what}: {self._command[0]}: {error.strerror or error}") from None
        self._child, self._owner = child, os.getpid()
        atexit.register(self.stop)
        try:
            return Address(str(child.ask(settings, self._time_limit)["base_url"]), key)
        except BaseException as error:  # a ctrl-C too leaves no half-started server behind
            child.end(patience=0)
            why = f"{error}{child.last_lines()}" if isinstance(error, TimeoutError) else child.epitaph()
            self._release(child)
            if isinstance(error, TimeoutError | ValueError | KeyError):
                raise ModelError(f"{what}: {why}") from None
            raise

    def _release(self, child: Child) -> None:
        """Let go of an ended process; a failure is noted when it had come up and nobody stopped it."""
        if self._child is not child:
            return
        if self._address is not None:
            what = f'the server of the embedded model "{self.model.name}" ended by itself'
            self._failure = f"{what}: {child.epitaph()}"
        child.close()
        self._child = self._address = None
        atexit.unregister(self.stop)
