"""The fake server on its own: `python -m fake_openai --port 0 --latency 0.2 --fault-share 0.1`.

Prints its base URL as the first line, and what it counted (one JSON line) when it ends: on SIGTERM,
SIGINT, or the end of standard input, so that it never outlives the process that started it.
"""

import argparse
import json
import os
import signal
import sys
import threading
from typing import Any

from fake_openai.endpoints.base import Call, Script
from fake_openai.endpoints.chat import create
from fake_openai.fault_plans import FaultPlan, FaultsLike
from fake_openai.limits import RateLimits
from fake_openai.replies import Answer, Reply
from fake_openai.server import FakeOpenAI

_ENDS = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # Blocked before the server's thread starts, so that the signals reach sigwait and nothing else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    faults: FaultsLike = ()
    if options.fault_share > 0:
        first = options.fault_attempts or None
        faults = FaultPlan.seeded(options.seed, options.fault_share, options.faults.split(","), first)
    limited = options.rpm is not None or options.tpm is not None
    server = FakeOpenAI(
        _answer(options),
        latency=options.latency,
        api_key=options.api_key,
        models=options.models.split(",") if options.models else None,
        faults=faults,
        limits=RateLimits(options.rpm, options.tpm) if limited else None,
        keep_bodies=False,
        port=options.port,
    )
    with server:
        _say(server.base_url)
        if not options.ignore_stdin:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        signal.sigwait(_ENDS)
    statuses = {str(status): n for status, n in server.statuses.items()}
    _say(json.dumps({"count": server.count, "max_in_flight": server.max_in_flight, "statuses": statuses}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_openai", description="A fake OpenAI API on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--answer", help="the text of every answer (default: derived from the request)")
    parser.add_argument("--precomputed", action="store_true", help="one ready-made chat body, nothing parsed")
    parser.add_argument("--api-key", help="refuse any other key")
    parser.add_argument("--models", help="comma-separated names; others are 404")
    parser.add_argument("--fault-share", type=float, default=0.0, help="share of distinct requests that fail")
    parser.add_argument(
        "--faults", default="429,500,503,drop_before,truncated_json", help="kinds, comma-separated"
    )
    parser.add_argument("--fault-attempts", type=int, default=1, help="attempts that fail; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rpm", type=int)
    parser.add_argument("--tpm", type=int)
    parser.add_argument("--ignore-stdin", action="store_true", help="do not end with standard input")
    return parser


def _answer(options: argparse.Namespace) -> Answer:
    if not options.precomputed:
        text: str | None = options.answer
        return text
    body: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "ready-made"}]}
    call = Call("POST", "/v1/chat/completions", body, "0" * 32, Script(options.answer or "ok"))
    return Reply(raw_body=create(call).body)


def _end_with_stdin() -> None:
    while os.read(0, 65536):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
