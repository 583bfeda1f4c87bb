"""A child process that answers one line of settings with one line, then lives until it is ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

_LAST_LINES = 8
_PATIENCE = 3.0
# Variables by which the native library can be made to answer otherwise.
_STEERING = ("LLAMA_", "GGML_")


class Child:
    """One process with its pipes and the log of what it prints to stderr; raises OSError when none starts.

    Nothing but the pipe to its stdin ties it to this process: when that closes, by whatever end of this
    process, the child reads end-of-file.
    """

    def __init__(self, command: Sequence[str]) -> None:
        # Nameless: it vanishes with the two processes, even when both are killed.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={name: value for name, value in os.environ.items() if not name.startswith(_STEERING)},
                # Out of the terminal's group: a ctrl-C while Python starts comes too early to be ignored.
                process_group=0 if os.name == "posix" else None,
            )
        except OSError:
            self._log.close()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, settings: Mapping[str, Any], time_limit: float) -> dict[str, Any]:
        """Send the settings and return the answer; raises TimeoutError, or ValueError when none comes."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()  # its end of the pipe closes, and the reading below ends

        watchdog = threading.Timer(time_limit, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            line = self._exchange(json.dumps(settings).encode() + b"\n")
        finally:
            watchdog.cancel()
        if late.is_set():
            raise TimeoutError(f"it was not ready after {time_limit:g} s")
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)  # so that the exit code is its own, not that of our kill
            raise ValueError("no answer")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("no answer")  # noqa: TRY004 - the caller's one case: the child talks nonsense
        return answer

    def _exchange(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already: the reading finds out
            self._process.stdin.write(line)
            self._process.stdin.flush()
        return self._process.stdout.readline()

    def end(self, patience: float = _PATIENCE) -> None:
        """End the process, gently and then by force."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def epitaph(self) -> str:
        """Say how the ended process came to its end, and the last lines of its log."""
        return _ending(self._process.wait()) + self.last_lines()

    def last_lines(self) -> str:
        """Return the end of the ended process's log, ready to be put behind a message."""
        # The offset in the log is shared with the process: it may be moved only now.
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 4000))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
        return "; the end of its log:\n  " + "\n  ".join(lines) if lines else ""

    def close(self) -> None:
        """Close the pipes and the log of the ended process."""
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _ending(code: int) -> str:
    if os.name != "posix" or code >= 0:
        return f"exit code {code}"
    hints = {
        signal.SIGILL: " (this processor lacks instructions that xllamacpp was built with: AVX2 on x86)",
        signal.SIGKILL: " (unless somebody did that, the machine ran out of memory)",
    }
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}{hints.get(signal.Signals(-code), '')}"
    return f"killed by signal {-code}"
