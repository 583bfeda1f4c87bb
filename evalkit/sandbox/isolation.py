"""How a process is shut in: the bubblewrap command, the user that it runs as, or nothing at all."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from evalkit.errors import SandboxError
from evalkit.sandbox.base import MEGABYTE

BUBBLEWRAP, NONE = "bubblewrap", "none"
ALLOW_VARIABLE = "EVALKIT_SANDBOX"
KINDS = (BUBBLEWRAP, NONE)
# Users that no distribution hands out (systemd's table of UIDs), one for each sandbox that runs at a time.
FIRST_USER, USERS = 60_600, 500
INSIDE = "65534"  # who a program believes to be: nobody
# All of a program's environment. With a fixed seed sets of texts come in the same order every time: a program
# that depends on it gets one verdict, not one by chance.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
REMEDY = (
    "install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap), or "
    "run the code unprotected with sandbox=none (docs/sandbox.md)"
)


class Isolation(Protocol):
    """A way to start the interpreter with a text of ours."""

    name: str

    def check(self) -> None:
        """Raise SandboxError where it cannot be used here."""
        ...

    def command(self, files: int, slot: int) -> list[str]:
        """Return the words before the interpreter's own arguments.

        `files` are megabytes that may be written; processes of different slots run at the same time.
        """
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """What `subprocess.Popen` needs."""
        ...


_claims: dict[int, tuple[int, socket.socket]] = {}
"""Users of this process by slot, each with the name that keeps it from other processes of ours."""


def _user_of(slot: int) -> int:
    """Return the user for a slot: nobody else's, since a limit on processes counts all of a user's."""
    if slot not in _claims:
        _claims[slot] = _claim()
    return _claims[slot][0]


def _claim() -> tuple[int, socket.socket]:
    """Claim a user by a name among abstract Unix sockets: one process can hold it, and it goes with that."""
    for user in range(FIRST_USER, FIRST_USER + USERS):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0evalkit-sandbox-{user}")
        except OSError:
            name.close()
        else:
            return user, name
    raise SandboxError(f"all {USERS} users for sandboxes are taken by other runs; wait for one to end")


class Bubblewrap:
    """Namespaces of its own for everything, no capabilities, a read-only system, and never root.

    RLIMIT_NPROC does not bind uid 0, so that a fork bomb of root's would get through: root starts it as a
    user of its own.
    """

    name = BUBBLEWRAP

    def __init__(self) -> None:
        self._python = Path(sys.base_prefix).resolve()

    def check(self) -> None:
        """Raise SandboxError without bubblewrap, or setpriv where we are root."""
        for program in ("bwrap", *(() if os.geteuid() else ("setpriv",))):
            if shutil.which(program) is None:
                raise SandboxError(f"generated code runs in a sandbox, and {program} is not here: {REMEDY}")

    def command(self, files: int, slot: int) -> list[str]:
        """Return bubblewrap's words and the interpreter."""
        words = [
            *("bwrap", "--unshare-user", "--unshare-all", "--disable-userns", "--cap-drop", "ALL"),
            *("--uid", INSIDE, "--gid", INSIDE, "--hostname", "sandbox"),
            *("--new-session", "--die-with-parent", "--clearenv"),
            *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)),
            *self._system(),
            *("--dev", "/dev", "--remount-ro", "/dev"),
            *("--size", str(files * MEGABYTE), "--tmpfs", "/tmp", "--remount-ro", "/"),  # noqa: S108
            *("--chdir", "/tmp", "--", str(interpreter())),  # noqa: S108 - the sandbox's own
        ]
        return words if os.geteuid() else [*self._as_user(_user_of(slot)), *words]

    @property
    def options(self) -> Mapping[str, Any]:
        """Nothing: bubblewrap sees to it."""
        return {}

    def _as_user(self, user: int) -> list[str]:
        """Return the words by which root becomes a user who sees the system and nothing else of the machine.

        Root's own Python may lie where no other user can look (/root): it is mounted before root is left.
        """
        return [
            *("bwrap", "--die-with-parent", "--cap-drop", "ALL"),
            *(word for name in ("SETUID", "SETGID") for word in ("--cap-add", f"CAP_{name}")),
            *self._system(),
            *("--dev", "/dev", "--bind", "/proc", "/proc", "--tmpfs", "/tmp", "--"),  # noqa: S108
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"),
        ]

    def _system(self) -> list[str]:
        python = [] if self._python.is_relative_to("/usr") else [str(self._python)]
        return [word for place in (*SYSTEM, *python) for word in _bound(Path(place))]


class Unprotected:
    """No protection: an ordinary process of the user's, with limits."""

    name = NONE

    def check(self) -> None:
        """Raise SandboxError unless the user allows it by hand: a config file can be anybody's."""
        if os.environ.get(ALLOW_VARIABLE) != NONE:
            raise SandboxError(
                "sandbox=none runs a model's code unprotected, so no file can ask for it: write sandbox=none "
                f"on the command line, or export {ALLOW_VARIABLE}=none"
            )

    def command(self, files: int, slot: int) -> list[str]:  # noqa: ARG002 - a process's limits are all
        """Return the interpreter."""
        return [str(interpreter())]

    @property
    def options(self) -> Mapping[str, Any]:
        """Give it none of our environment, and a session of its own, so that it can be ended whole."""
        return {"env": ENVIRONMENT, "start_new_session": True, "cwd": "/"}


def _bound(place: Path) -> list[str]:
    if place.is_symlink() and place.parent == Path("/"):  # /bin -> usr/bin
        return ["--symlink", str(place.readlink()), str(place)]
    if not place.exists():
        return []
    # Folders that bubblewrap makes unasked are its own user's alone.
    folders = [word for one in reversed(place.parents[:-1]) for word in ("--dir", str(one))]
    return [*folders, "--ro-bind", str(place), str(place)]


def interpreter() -> Path:
    """Return the interpreter itself, not a virtual environment's link to it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def isolation_of(name: str) -> Isolation:
    """Return the way to shut a process in."""
    return Bubblewrap() if name == BUBBLEWRAP else Unprotected()
