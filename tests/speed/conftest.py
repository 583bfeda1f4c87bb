from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


class Server:
    """The fast server, spoken to as its scripts do: a line in, a line of JSON out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.base_url = process.stdout.readline().strip()

    def tell(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@pytest.fixture(scope="module")
def fast_server() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, SPEED / "fast_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield Server(process)
    process.communicate(timeout=10)
    assert process.returncode == 0
