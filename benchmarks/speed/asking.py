"""A process that asks the fast server: what it took, and what the server saw of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fast_server import FastServer, Served
from measure import Usage, run
from rounds import Spread, spread


@dataclass(frozen=True)
class Asked:
    """What a process took, and what the server saw of it."""

    usage: Usage
    served: Served


def asking(server: FastServer, command: list[str], folder: Path, n: int, latency: float = 0.0) -> Asked:
    """Run a command that must ask the server n times."""
    server.reset(latency)
    usage = run(command, folder)
    served = server.report()
    assert served.count == n, f"{served.count} requests instead of {n}: {' '.join(command)}"
    return Asked(usage, served)


def rates(asked: Iterable[Asked]) -> Spread:
    """Return the requests a second of several runs."""
    return spread([one.served.rate for one in asked])
