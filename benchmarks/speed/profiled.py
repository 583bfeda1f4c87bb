"""Run evalkit under cProfile, with the threads that it starts, and keep the sum of their profiles.

python benchmarks/speed/profiled.py OUT WORDS...
"""

import cProfile
import pstats
import sys
import threading
from typing import Any

PROFILES: list[cProfile.Profile] = []


def watched(run: Any) -> Any:
    """Return a thread's `run` with a profile of its own: cProfile sees only the thread that enables it."""

    def profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile()
        PROFILES.append(profile)
        profile.runcall(run, thread)

    return profiled


def main(out: str, words: list[str]) -> int:
    # From 3.12 on only one profile can be active at a time, and it is that of the main thread.
    if sys.version_info < (3, 12):
        threading.Thread.run = watched(threading.Thread.run)  # type: ignore[method-assign]
    profile = cProfile.Profile()
    PROFILES.append(profile)
    profile.enable()
    try:
        from evalkit.cli.main import main as command

        return command(words)
    finally:
        profile.disable()
        pstats.Stats(*PROFILES).dump_stats(out)


if __name__ == "__main__":
    del sys.path[0]  # this folder: its names are not the packages'
    sys.exit(main(sys.argv[1], sys.argv[2:]))
