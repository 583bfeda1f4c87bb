"""What runs inside the sandbox: the program in one process, its test in another, a pipe in between.

This file is handed to a bare interpreter as text, so it imports the standard library alone. The process with
the test holds nothing of the program: it asks for every call over the pipe, and what comes back is plain data
or a reference to an object that stays with the program. So nothing that the program prints, exits with,
patches or overloads reaches the process that decides; all it can do is to answer.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import operator
import os
import resource
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, BinaryIO, NoReturn

LONGEST = 32 * 1024 * 1024  # bytes of one message
SHOWN = 300  # characters of a reason
SEQUENCES: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
MAPPINGS: dict[str, Any] = {
    "Counter": Counter,
    "OrderedDict": OrderedDict,
    "defaultdict": lambda pairs: defaultdict(None, pairs),
    "dict": dict,
}
# A scalar as JSON, by its class, and back by the name it has there.
SCALARS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (float, float),
    (int, lambda value: ["int", hex(int(value))]),
    (complex, lambda value: ["complex", value.real, value.imag]),
    (bytes, lambda value: ["bytes", value.hex()]),
    (bytearray, lambda value: ["bytearray", value.hex()]),
    (range, lambda value: ["range", value.start, value.stop, value.step]),
    (Decimal, lambda value: ["Decimal", str(value)]),
    (Fraction, lambda value: ["Fraction", str(value)]),
)
READERS: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "complex": complex,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": range,
    "Decimal": Decimal,
    "Fraction": Fraction,
}
KINDS: tuple[tuple[type[Any], str], ...] = (
    *((list, "list"), (tuple, "tuple"), (set, "set"), (frozenset, "frozenset"), (deque, "deque")),
    *((Counter, "Counter"), (OrderedDict, "OrderedDict"), (defaultdict, "defaultdict"), (dict, "dict")),
)
OPERATIONS: dict[str, Callable[..., Any]] = {
    "getattr": getattr,
    "len": len,
    "iter": iter,
    "next": next,
    "bool": bool,
    "str": str,
    "repr": repr,
    "contains": operator.contains,
    "getitem": operator.getitem,
    "eq": operator.eq,
}


class Gone(BaseException):
    """There is nobody at the other end of the pipe; a test's `except Exception` must not hide it."""


class ProgramError(Exception):
    """An exception of the program that is none of Python's own."""


class Remote:
    """An object that stays with the program; using it asks the program.

    It equals itself and what the program says equals it among the program's objects, never plain data: an
    object whose `__eq__` is always true matches nothing.
    """

    __hash__ = object.__hash__

    def __init__(self, peer: Peer, number: int) -> None:
        self._peer, self._number = peer, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._peer.call(self._number, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.operate("getattr", self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return self is other or self._peer.operate("eq", self, other) is True

    def __len__(self) -> int:
        return int(self._peer.operate("len", self))

    def __iter__(self) -> Iterator[Any]:
        iterator = self._peer.operate("iter", self)
        return iterator if isinstance(iterator, Remote) else iter(())

    def __next__(self) -> Any:
        return self._peer.operate("next", self)

    def __getitem__(self, key: Any) -> Any:
        return self._peer.operate("getitem", self, key)

    def __contains__(self, one: Any) -> bool:
        return self._peer.operate("contains", self, one) is True

    def __bool__(self) -> bool:
        return self._peer.operate("bool", self) is True

    def __str__(self) -> str:
        return str(self._peer.operate("str", self))

    def __repr__(self) -> str:
        return str(self._peer.operate("repr", self))


class Peer:
    """One end of the pipe: asks, and serves what the other end asks meanwhile.

    The program's end serves every operation on its objects (`open_to_all`); the test's end only calls of
    functions that it passed as arguments.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO, *, open_to_all: bool) -> None:
        self._incoming, self._outgoing, self._open = incoming, outgoing, open_to_all
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self.names: dict[str, Any] = {}
        self.gone = False

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return its reply; Gone when the other end has ended or talks nonsense."""
        self.send(message)
        while True:
            reply = self.receive()
            if "op" not in reply:
                return reply
            self.send(self._serve(reply))

    def serve(self) -> None:
        """Answer until the other end closes."""
        try:
            while True:
                self.send(self._serve(self.receive()))
        except Gone:
            return

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function at the other end; lists, dicts and sets that it changed are changed here too."""
        message = {
            "op": "call",
            "of": number,
            "args": [self.encode(one) for one in args],
            "kwargs": {name: self.encode(one) for name, one in kwargs.items()},
        }
        reply = self.ask(message)
        changed = reply.get("changed")
        if isinstance(changed, dict):
            for place, value in changed.items():
                if place.isdecimal() and int(place) < len(args):
                    _become(args[int(place)], self.decode(value))
        return self._value(reply)

    def operate(self, name: str, *args: Any) -> Any:
        """Have the program apply an operation to its object."""
        return self._value(self.ask({"op": name, "args": [self.encode(one) for one in args]}))

    def fetch(self, names: list[str]) -> dict[str, Any]:
        """Return those of the program's global names that it has."""
        found = self.ask({"op": "names", "args": names}).get("names")
        return {name: self.decode(found[name]) for name in names if name in found} if found else {}

    def send(self, message: dict[str, Any]) -> None:
        try:
            self._outgoing.write(json.dumps(message).encode("ascii") + b"\n")
            self._outgoing.flush()
        except (OSError, ValueError):
            self._leave()

    def receive(self) -> dict[str, Any]:
        line = self._incoming.readline(LONGEST)
        try:
            message = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            return message
        return self._leave()

    def _leave(self) -> NoReturn:
        self.gone = True
        raise Gone

    def encode(self, value: Any) -> Any:
        """Return a value as JSON: a scalar, or a list that begins with its kind."""
        if value is None or isinstance(value, bool):
            return value
        for kind, spelled in SCALARS:
            if isinstance(value, kind):
                return spelled(value)
        for kind, name in KINDS:
            if isinstance(value, kind):
                if name in MAPPINGS:
                    return [name, *([self.encode(key), self.encode(one)] for key, one in value.items())]
                return [name, *map(self.encode, value)]
        return self._reference(value)

    def decode(self, value: Any) -> Any:
        """Return what `encode` made JSON of; only plain data and Remotes, whatever the other end sent."""
        if not isinstance(value, list):
            return value if not isinstance(value, dict) else None
        kind, *parts = value
        if kind in SEQUENCES:
            return SEQUENCES[kind]([self.decode(one) for one in parts])
        if kind in MAPPINGS:
            return MAPPINGS[kind]({self.decode(key): self.decode(one) for key, one in parts})
        if kind in READERS:
            return READERS[kind](*parts)
        if kind == "yours":
            return self._objects[parts[0]]
        return self._remotes.setdefault(parts[0], Remote(self, parts[0])) if kind == "mine" else self._leave()

    def _reference(self, value: Any) -> list[Any]:
        if isinstance(value, Remote):
            return ["yours", value._number]  # noqa: SLF001 - both are this protocol
        if not self._open and not callable(value):
            raise TypeError(f"the test passes a {type(value).__name__}, which the sandbox cannot hand over")
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return ["mine", self._numbers[id(value)]]

    def _serve(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            name, args = message["op"], message["args"]
            if name == "call":
                return self._serve_call(message)
            if not self._open:
                raise PermissionError(f"the program may not ask for {name}")  # noqa: TRY301
            if name == "names":
                return {"names": {one: self.encode(self.names[one]) for one in args if one in self.names}}
            return {"value": self.encode(OPERATIONS[name](*(self.decode(one) for one in args)))}
        except Gone:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the program raises is its answer
            return failure(error)

    def _serve_call(self, message: dict[str, Any]) -> dict[str, Any]:
        args = [self.decode(one) for one in message["args"]]
        kwargs = {name: self.decode(one) for name, one in message["kwargs"].items()}
        try:
            reply = {"value": self.encode(self._objects[message["of"]](*args, **kwargs))}
        except Gone:
            raise
        except BaseException as error:  # noqa: BLE001
            reply = failure(error)
        after = {
            str(place): self.encode(one)
            for place, one in enumerate(args)
            if isinstance(one, (list, dict, set, deque, bytearray))
        }
        changed = {place: one for place, one in after.items() if one != message["args"][int(place)]}
        return reply | ({"changed": changed} if changed else {})

    def _value(self, reply: dict[str, Any]) -> Any:
        if "value" in reply:
            return self.decode(reply["value"])
        name, text = str(reply.get("error")), str(reply.get("message"))[:SHOWN]
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                raised = kind(text)
            except TypeError:  # UnicodeDecodeError takes five arguments
                raised = ProgramError(f"{name}: {text}")
            raise raised
        raise ProgramError(f"{name}: {text}")


def failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as a reply."""
    try:
        text = str(error)[:SHOWN]
    except BaseException:  # noqa: BLE001 - the program's class may raise here too
        text = ""
    return {"error": type(error).__name__, "message": text}


def _become(mine: Any, changed: Any) -> None:
    """Change a container in place into what the program made of its copy."""
    if isinstance(mine, (list, bytearray)) and isinstance(changed, (list, bytearray)):
        mine[:] = changed
    elif isinstance(mine, (dict, set, deque)) and isinstance(changed, (dict, set, deque)):
        mine.clear()
        (mine.extend if isinstance(mine, deque) else mine.update)(changed)


def limit(limits: dict[str, int]) -> None:
    """Lower this process's limits for good: hard limits cannot be raised again."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901
        resource.setrlimit(kind, (value, value))


def channel(standard: int, mode: str) -> BinaryIO:
    """Return a copy of a standard stream, before `mute`."""
    return os.fdopen(os.dup(standard), mode)  # type: ignore[return-value]


def mute() -> None:
    """Point standard input, output and error at nothing: endless output fills nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def run_program() -> None:
    """Execute the program as a module, then answer the test's questions."""
    incoming, outgoing = channel(0, "rb"), channel(1, "wb")
    mute()
    peer = Peer(incoming, outgoing, open_to_all=True)
    peer.send({"started": True})
    job = peer.receive()
    limit(job["limits"])
    # Not `__main__`: a block for the command line is no part of what is tested.
    module = sys.modules["program"] = types.ModuleType("program")
    peer.names = vars(module)
    try:
        exec(compile(job["before"], "<before>", "exec"), peer.names)  # noqa: S102
        exec(compile(job["program"], "<program>", "exec"), peer.names)  # noqa: S102
    except BaseException as error:  # noqa: BLE001
        peer.send(failure(error))
    else:
        peer.send({"ready": True})
        peer.serve()
    os._exit(0)


def run_test(from_program: int, to_program: int) -> None:
    """Run the test against the program at the other end of the pipe, and write the verdict."""
    job = json.loads(channel(0, "rb").read())
    out = channel(1, "wb")
    mute()
    peer = Peer(os.fdopen(from_program, "rb"), os.fdopen(to_program, "wb"), open_to_all=False)
    limit(job["own_limits"])
    out.write(b'{"started": true}\n')
    out.flush()
    out.write(json.dumps(verdict(peer, job)).encode("ascii") + b"\n")
    out.flush()
    os._exit(0)


def verdict(peer: Peer, job: dict[str, Any]) -> dict[str, Any]:
    """Return whether the test passed, or why not; `broken` when the program's process never started."""
    try:
        peer.receive()
    except Gone:
        return {"broken": True}
    try:
        hello = peer.ask({name: job[name] for name in ("before", "program", "limits")})
        if "ready" not in hello:
            return {"passed": False, "reason": _told(str(hello.get("error")), hello.get("message"))}
        names = namespace(peer, job)
        exec(compile(job["test"], "<test>", "exec"), names)  # noqa: S102
        if job["check"]:
            names[job["check"]](peer.fetch([job["entry_point"]])[job["entry_point"]])
    except Gone:
        pass
    except BaseException as error:  # noqa: BLE001 - the test decides by raising
        return {"passed": False, "reason": _told(type(error).__name__, error) + _where(error, job["test"])}
    return (
        {"passed": False, "reason": "the program ended before its test did"}
        if peer.gone
        else {"passed": True}
    )


def namespace(peer: Peer, job: dict[str, Any]) -> dict[str, Any]:
    """Return the test's globals: what the sample imports, and what the test needs of the program.

    A name of Python's own is never taken from the program unless it is what the test is about: a program
    that defines `abs` or `all` for itself does not change what its test means by them.
    """
    names: dict[str, Any] = {"__name__": "sample_test", "__builtins__": builtins}
    exec(compile(job["imports"], "<imports>", "exec"), names)  # noqa: S102
    tree = ast.parse(job["test"])
    loaded = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    wanted = loaded - set(names) - set(dir(builtins))
    if job["entry_point"]:
        wanted.add(job["entry_point"])
    elif not wanted:  # `assert sum(10, 15) == 25`, without an entry point: about a builtin's namesake
        wanted = loaded
    found = peer.fetch(sorted(wanted))
    for name in wanted & set(sys.stdlib_module_names) - {job["entry_point"]}:
        if name in found:  # the program imports it; the test uses the real one
            found[name] = importlib.import_module(name)
    return names | found


def _told(name: str, message: Any) -> str:
    text = " ".join(str(message).split())[:SHOWN]
    return f"{name}: {text}" if text else name


def _where(error: BaseException, test: str) -> str:
    """Return the line of the test that an assertion stands in."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<test>":
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = test.splitlines()
    if line is None or not isinstance(error, AssertionError) or line > len(lines):
        return ""
    return f" ({lines[line - 1].strip()[:SHOWN]})"


if __name__ == "__main__":
    if sys.argv[1:]:
        run_test(int(sys.argv[1]), int(sys.argv[2]))
    else:
        run_program()
