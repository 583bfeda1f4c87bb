"""The life of the server's process, with stubs in place of the real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalkit.client.local.flags import FLAGS
from evalkit.client.local.pins import model
from evalkit.client.local.process import Address, LocalServer, identity
from evalkit.errors import ModelError

SMOLLM2 = model("smollm2-135m")
GOOD = """
    settings = json.loads(sys.stdin.readline())
    print("loading", settings["alias"], file=sys.stderr, flush=True)
    print(json.dumps({"base_url": "http://127.0.0.1:1/" + settings["api_key"]}), flush=True)
    sys.stdin.read()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def stub(code: str, time_limit: float = 30.0) -> LocalServer:
    command = (sys.executable, "-c", "import json, os, sys, time\n" + textwrap.dedent(code))
    return LocalServer(SMOLLM2, command=command, find=lambda *_: Path("model.gguf"), time_limit=time_limit)


def ended(server: LocalServer) -> None:
    """Wait until the stub has ended."""
    assert server._child is not None
    server._child._process.wait(30)


def test_start_gives_the_address_and_a_fresh_key_and_starts_once() -> None:
    with stub(GOOD) as server:
        first, pid = server.start(), server.pid
        assert first.base_url == f"http://127.0.0.1:1/{first.api_key}"
        assert server.start() == first
        assert server.pid == pid
        assert server.alive
        assert server.failure() is None
    with stub(GOOD) as other:
        assert other.start().api_key != first.api_key


def test_threads_that_start_together_share_one_process() -> None:
    server = stub(GOOD)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: server.start(), range(4)))) == 1
    server.stop()


def test_stop_may_be_repeated_and_come_before_start() -> None:
    server = stub(GOOD)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert (server.alive, server.pid, server.failure()) == (False, None, None)
    assert isinstance(server.start(), Address)
    server.stop()


@posix
def test_process_that_ignores_the_signal_is_killed() -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + textwrap.dedent(GOOD)
    server = stub(deaf + "\ntime.sleep(60)")
    server.start()
    assert server._child is not None
    server._child.end(patience=0.05)
    assert not server.alive
    server.stop()


@posix
def test_killed_server_is_noticed_and_may_be_started_again() -> None:
    server = stub(GOOD)
    first = server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    ended(server)
    assert not server.alive
    failure = server.failure()
    assert failure is not None
    assert 'model "smollm2-135m" ended by itself: killed by SIGKILL' in failure
    assert failure.endswith("the end of its log:\n  loading smollm2-135m")
    assert server.failure() == failure
    server.stop()
    assert server.failure() == failure
    assert server.start() != first
    assert server.failure() is None
    server.stop()


def test_crash_before_the_answer_says_code_and_last_lines() -> None:
    server = stub("for n in range(20): print('line', n, file=sys.stderr)\nsys.exit(3)")
    with pytest.raises(ModelError, match=r"did not start: exit code 3; the end of its log:\n  line 12\n"):
        server.start()
    assert (server.alive, server.pid) == (False, None)


def test_nonsense_in_place_of_the_answer_is_an_error() -> None:
    for code in ("print('hello')", "print('[]')", "print('{}')"):
        with pytest.raises(ModelError, match="did not start"):
            stub(code + "\nsys.stdout.flush(); sys.stdin.read()").start()


def test_server_that_is_not_ready_in_time_is_killed() -> None:
    server = stub("print('still loading', file=sys.stderr, flush=True); time.sleep(60)", time_limit=0.5)
    with pytest.raises(ModelError, match=r"it was not ready after 0\.5 s"):
        server.start()
    assert server.pid is None


@posix
def test_ctrl_c_during_the_start_leaves_no_process_behind() -> None:
    server = stub("os.kill(os.getppid(), 2); time.sleep(60)")
    # A shell's background job, as CI may be one, is started with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            server.start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.pid is None


def test_forked_copy_of_the_parent_does_not_stop_the_server() -> None:
    """A forked worker runs the hooks at its exit too; it is told by its process id, here a made-up one."""
    with stub(GOOD) as server:
        own, server._owner = server._owner, -1
        server.stop()
        assert server.alive
        server._owner = own


def test_program_that_is_absent_is_an_error() -> None:
    server = LocalServer(SMOLLM2, command=("no-such-program",), find=lambda *_: Path("model.gguf"))
    with pytest.raises(ModelError, match="no-such-program: No such file"):
        server.start()


def test_stop_from_another_thread_ends_a_start_that_waits() -> None:
    server = stub("sys.stdin.readline(); sys.stdin.read()")
    errors: list[ModelError] = []

    def start() -> None:
        try:
            server.start()
        except ModelError as error:
            errors.append(error)

    waiting = threading.Thread(target=start)
    waiting.start()
    while waiting.is_alive():
        server.stop()
        waiting.join(0.01)
    assert len(errors) == 1


def test_server_is_stopped_at_exit_without_a_warning() -> None:
    here = Path(__file__)
    code = f"""
        import sys
        sys.path.insert(0, {str(here.parent)!r})
        from {here.stem} import GOOD, stub
        stub(GOOD).start()
        """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    server = LocalServer(SMOLLM2, find=lambda *_: pytest.fail("fetched before the check"))
    with pytest.raises(ModelError, match=r"needs evalkit's `local` extra: pip install '.\[local\]'"):
        server.start()


def test_identity_names_file_version_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first = identity(SMOLLM2)
    parts = first.split(":")
    assert parts[:3] == ["local", "smollm2-135m", "b179c9523d0e6a0f"]
    assert parts[3].startswith("xllamacpp-")
    monkeypatch.setitem(FLAGS, "sampling.top_k", 40)
    assert identity(SMOLLM2).split(":")[:4] == parts[:4]
    assert identity(SMOLLM2) != first


def test_identity_and_process_import_nothing_heavy() -> None:
    code = """
        import sys
        from evalkit.client.local.pins import model
        from evalkit.client.local.process import identity
        identity(model("smollm2-135m"))
        print(sorted({"xllamacpp", "numpy", "asyncio"} & set(sys.modules)))
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
