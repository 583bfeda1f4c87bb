"""The child process: llama.cpp's own OpenAI-compatible server, alive while its parent holds stdin open.

Reads one JSON line {"model", "alias", "api_key", "flags"} from stdin, writes one JSON line {"base_url"} to
stdout when it answers requests, and ends at end-of-file on stdin, however the parent came to its end. All
that native code prints goes to stderr, which the parent points at a log. Imports nothing of evalkit, so
that it starts by its path, fast, whatever the working directory holds.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any


def main() -> None:
    """Serve until stdin ends."""
    # Ctrl-C in a terminal goes to the whole group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as reply:
        os.dup2(2, 1)
        line = sys.stdin.readline()
        if not line:
            return
        try:
            server = start(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the parent shows the end of the log: no traceback there
            sys.exit(f"{type(error).__name__}: {error}")
        print(json.dumps({"base_url": f"{server.listening_address}/v1"}), file=reply)
    sys.stdin.read()
    # Without destructors: those would wait for the answer that is being generated.
    os._exit(0)


def _watch(parent: int) -> None:
    """End with the parent, even where a forked copy of it (a worker of `datasets`) still holds stdin open."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def start(settings: Mapping[str, Any]) -> Any:
    """Load the model and return the running server; raises RuntimeError with the reason in the log."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.api_keys = [settings["api_key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 2  # errors and warnings: a line for each request would fill the log of a long run
    # A connection kept open occupies a thread while it idles (30 s): with the default of a few threads, a
    # client's pool of connections locks out its own requests.
    params.n_threads_http = 256
    for path, value in settings["flags"].items():
        *parents, name = path.split(".")
        holder = functools.reduce(getattr, parents, params)
        getattr(holder, name)  # a setting that this version does not have is an error, not a new attribute
        setattr(holder, name, value)
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
