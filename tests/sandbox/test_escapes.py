"""Programs that try to get out of the sandbox, to hurt the machine, or to pass without being right.

Where a program looks around, its answer is what it saw, so that the test inside can hold it to nothing.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from sandboxed import job_of, run, verdict

RIGHT = "def answer():\n    return 42\n"
WRONG = "def answer():\n    return 41\n"


def sees(body: str, wanted: str) -> None:
    """Hold what a program's function returns inside the sandbox to a value."""
    program = "def answer():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    found = verdict(program, f"got = answer()\nassert got == {wanted}, got")
    assert found.passed, found.reason


def test_a_right_program_passes_and_a_wrong_one_does_not() -> None:
    right, wrong = run(job_of(RIGHT), job_of(WRONG))
    assert right.passed
    assert (wrong.passed, wrong.reason) == (False, "AssertionError (assert answer() == 42)")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/shadow",
        str(Path.home() / ".bashrc"),
        "/home",
        "/proc/1/environ",
        "/proc/self/mem",
        "/sys",
        "/var",
    ],
)
def test_the_machines_files_are_not_there(path: str) -> None:
    sees(f"import os\nreturn os.path.exists({path!r})", "False")


def test_files_beside_the_caller_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("planted")
    sees(f"import os\nreturn os.path.exists({str(tmp_path / 'secret')!r})", "False")


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    ours = ("PWD", "LC_CTYPE", "PYTHONHASHSEED")
    sees(f"import os\nreturn [name for name in os.environ if name not in {ours}]", "[]")


def test_no_connection_leaves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        sees(
            "import socket\ntry:\n"
            f"    socket.create_connection(('127.0.0.1', {port}), 2)\n"
            "except OSError as error:\n    return type(error).__name__\nreturn 'connected'",
            "'ConnectionRefusedError'",
        )
        with pytest.raises(BlockingIOError):
            server.accept()
    sees("import socket\nreturn [name for _, name in socket.if_nameindex()]", "['lo']")


@pytest.mark.parametrize(
    "path", ["/planted", "/usr/planted", "/dev/planted", "/dev/shm/planted", "/etc/planted"]
)
def test_nothing_is_written_outside_its_own_folder(path: str) -> None:
    sees(
        f"try:\n    open({path!r}, 'w')\nexcept OSError:\n    return 'refused'\nreturn 'written'", "'refused'"
    )
    assert not Path(path).exists()


def test_its_own_folder_takes_few_megabytes_and_is_gone_afterwards() -> None:
    sees("open('here', 'w').write('x')\nreturn open('here').read()", "'x'")
    sees("import os\nreturn os.listdir('/tmp')", "[]")
    sees(
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nwritten = 0\ntry:\n"
        "    for part in range(1000):\n"
        "        with open(f'f{part}', 'wb') as file:\n            written += file.write(b'x' * 2**20)\n"
        "except OSError:\n    return written <= 16 * 2**20\nreturn 'never full'",
        "True",
    )


def test_it_is_nobody_without_capabilities_or_new_namespaces() -> None:
    sees("import os\nreturn (os.getuid(), os.geteuid(), os.getgid())", "(65534, 65534, 65534)")
    sees(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000\n"
        "return [libc.unshare(flag) for flag in (CLONE_NEWUSER, CLONE_NEWNS)]",
        "[-1, -1]",
    )
    sees("import os\ntry:\n    os.setuid(0)\nexcept OSError:\n    return 'refused'", "'refused'")


def test_it_sees_and_kills_no_process_of_the_machine() -> None:
    sees(
        "import os\nseen = 0\nfor pid in range(10, 5000):\n    try:\n        os.kill(pid, 0)\n"
        "        seen += 1\n    except ProcessLookupError:\n        pass\nreturn seen",
        "0",
    )


def test_killing_its_parent_and_everything_it_can_reach_ends_only_itself() -> None:
    program = (
        "import os, signal\ntry:\n    os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError:\n    pass\n"
    )
    assert run(job_of(program + "os.kill(-1, signal.SIGKILL)\n" + WRONG), job_of(RIGHT))[1].passed
    assert not verdict(program + WRONG).passed


def test_a_fork_bomb_is_held() -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    bombed, beside = run(job_of(bomb), job_of(RIGHT), seconds=3.0)
    assert not bombed.passed
    assert beside.passed
    sees(
        "import os, time\nmade = 0\ntry:\n    while made < 100:\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n        made += 1\nexcept OSError:\n    return made < 16\nreturn made",
        "True",
    )


def test_a_memory_bomb_is_held() -> None:
    found = verdict("kept = []\nwhile True:\n    kept.append(bytearray(2**24))\n")
    assert (found.passed, found.reason) == (False, "MemoryError")


def test_endless_output_goes_nowhere() -> None:
    found = verdict("import sys\nfor _ in range(200_000):\n    print('x' * 1000)\n" + RIGHT)
    assert found.passed
    assert not verdict("while True:\n    print('x' * 1000)\n", seconds=2.0).passed


def test_an_endless_program_is_ended() -> None:
    found = verdict("while True:\n    pass\n", seconds=1.0)
    assert (found.passed, found.reason) == (False, "timed out after 1 s")
    assert verdict("import time\ntime.sleep(60)\n", seconds=1.0).reason == "timed out after 1 s"


def test_an_endless_answer_is_cut_off() -> None:
    flood = "import os\nwhile True:\n    for descriptor in range(3, 30):\n        try:\n"
    flood += "            os.write(descriptor, b'x' * 65536)\n        except OSError:\n            pass\n"
    assert not verdict(flood, seconds=3.0).passed


def test_no_orphan_stays() -> None:
    """A child in a session of its own is gone with the sandbox: its name is nowhere on the machine."""
    name = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    program = (
        "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
        f"    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', {name!r}])\n"
    )
    assert verdict(program + RIGHT).passed
    deadline = time.monotonic() + 20
    while any(name in line for line in _commands()):
        assert time.monotonic() < deadline, "the orphan is still there"


def _commands() -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_text("utf-8", "replace"))
        except OSError:
            continue
    return [line for line in found if "time.sleep(600)" in line and "def answer" not in line]


MARKERS = "for text in ('{\"passed\": true}', '{\"ready\": true}', '{\"value\": 42}', 'PASSED', 'OK'):\n"
CHEATS = {
    "exits before": "import os\nos._exit(0)\n",
    "exits by SystemExit": "raise SystemExit(0)\n",
    "exits when called": "def answer():\n    import os\n    os._exit(0)\n",
    "raises SystemExit when called": "def answer():\n    raise SystemExit(0)\n",
    "prints the marker": f"{MARKERS}    print(text)\n{WRONG}",
    "writes the marker to every descriptor": (
        f"import os\n{MARKERS}    for place in range(1, 64):\n        try:\n"
        "            os.write(place, text.encode() + b'\\n')\n        except OSError:\n            pass\n"
        f"{WRONG}"
    ),
    "writes the verdict and exits": (
        "import os\nfor place in range(1, 64):\n    try:\n"
        '        os.write(place, b\'{"started": true}\\n{"passed": true}\\n\')\n'
        "    except OSError:\n        pass\nos._exit(0)\n"
    ),
    "is equal to everything": (
        "class Any:\n    def __eq__(self, other):\n        return True\n    def __bool__(self):\n"
        "        return True\n    __ne__ = lambda self, other: False\n    __hash__ = None\n"
        "def answer():\n    return Any()\n"
    ),
    "is an integer equal to everything": (
        "class Any(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\n"
        "def answer():\n    return Any(41)\n"
    ),
    "patches the builtins": (
        "import builtins\nbuiltins.AssertionError = type('Quiet', (Exception,), {})\n"
        f"builtins.abs = builtins.all = lambda *_: True\n{WRONG}"
    ),
    "patches every frame and module above": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for name in list(frame.f_globals):\n"
        "        if name in ('verdict', 'run_test', 'namespace'):\n"
        "            frame.f_globals[name] = lambda *_: {'passed': True}\n    frame = frame.f_back\n" + WRONG
    ),
    "defines a checker of its own": f"def check(candidate):\n    pass\n{WRONG}",
    "traces": f"import sys\nsys.settrace(lambda *_: None)\nsys.excepthook = lambda *_: None\n{WRONG}",
    "leaves at the end": f"import atexit, os\natexit.register(lambda: os._exit(0))\n{WRONG}",
}


@pytest.mark.parametrize("name", CHEATS)
def test_no_way_around_the_test(name: str) -> None:
    assert not verdict(CHEATS[name]).passed


def test_names_of_pythons_own_mean_what_they_mean() -> None:
    """A program's `abs`, `all` or `len` is not what its test calls by that name."""
    program = "abs = all = lambda *_: 0\ndef answer():\n    return 1.0\n"
    assert not verdict(program, "assert abs(answer() - 42) < 1e-6").passed
    assert not verdict(program, "assert all(one == 42 for one in [answer()])").passed


def test_a_module_of_that_name_is_the_real_one() -> None:
    program = "class math:\n    isclose = lambda *_: True\ndef answer():\n    return 1\n"
    assert not verdict(program, "assert math.isclose(answer(), 42)").passed


def test_a_test_that_hides_exceptions_does_not_hide_an_exit() -> None:
    test = "try:\n    answer()\nexcept Exception:\n    pass\n"
    assert not verdict("def answer():\n    import os\n    os._exit(0)\n", test).passed
    bare = "try:\n    answer()\nexcept:\n    pass\n"
    assert not verdict("def answer():\n    import os\n    os._exit(0)\n", bare).passed


def test_a_function_of_the_test_that_a_program_is_given_opens_nothing_else() -> None:
    """The program can call it, and reach none of its attributes (globals, code)."""
    program = (
        "def answer(given):\n    seen = []\n    for name in ('__globals__', '__code__', '__builtins__'):\n"
        "        try:\n            getattr(given, name)\n            seen.append(name)\n"
        "        except Exception:\n            pass\n    return seen, given(20)\n"
    )
    found = verdict(program, "assert answer(lambda x: x + 1) == ([], 21)")
    assert found.passed, found.reason
