"""Filters over a row's columns, like `label != "neutral" and len(text) < 400`: parsed, never run as Python.

Python's grammar is used (`ast`), and an interpreter of a few kinds of nodes: no attribute of an object is
ever read, no function is called but those listed here, and no operation grows a value without bound.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.datasets.base import MISSING, Row, column
from evalkit.errors import DatasetError, did_you_mean

LONGEST = 10_000  # characters of an expression
DEEPEST = 50

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: lambda one, other: one is other,
    ast.IsNot: lambda one, other: one is not other,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take texts only: `lower(3)` is a mistake in the filter or the data, not the text "3"."""

    def checked(*values: Any) -> Any:
        for value in values:
            if not isinstance(value, str):
                raise TypeError(f"a text is needed, not {_kind(value)}")
        return function(*values)

    return checked


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "len": (1, len),
    "words": (1, _text(lambda text: len(text.split()))),
    "lower": (1, _text(str.lower)),
    "upper": (1, _text(str.upper)),
    "strip": (1, _text(str.strip)),
    "startswith": (2, _text(str.startswith)),
    "endswith": (2, _text(str.endswith)),
    "contains": (2, lambda many, one: one in many),
    "number": (1, float),
}
"""By name: how many arguments, and what it does; text.lower() works like lower(text)."""


@dataclass(frozen=True)
class _Scope:
    row: Row
    source: str


class Where:
    """A filter; called with a row, it says whether the row is kept."""

    def __init__(self, text: str) -> None:
        self.text = text = text.strip().replace("\n", " ")
        try:
            if len(text) > LONGEST:
                raise DatasetError(f"dataset.where: longer than {LONGEST} characters")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a text is Python's concern
                tree = ast.parse(text, mode="eval")
        except SyntaxError as error:
            place = error.offset or len(text) + 1
            raise DatasetError(
                f"dataset.where, character {place}: bad syntax ({error.msg}) in {text}; "
                "write a condition like 'label != \"neutral\" and len(text) < 400'"
            ) from None
        except (ValueError, RecursionError, MemoryError):
            raise DatasetError("dataset.where: cannot be parsed; write a shorter condition") from None
        self._check(tree.body, 0)
        self._tree = tree.body

    def __call__(self, row: Row, source: str) -> bool:
        """Return whether a row is kept; DatasetError names the row where the filter cannot be judged."""
        try:
            return bool(_value(self._tree, _Scope(row, source)))
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise DatasetError(
                f"{row.place(source)}: dataset.where={self.text} cannot be judged ({error}); "
                + (
                    "test first: field != null and …"
                    if "null" in str(error)
                    else "number(field) reads a text"
                )
            ) from None

    def _check(self, node: ast.AST, depth: int) -> None:
        """Refuse everything that is not listed, before any row is read."""
        if depth > DEEPEST:
            raise DatasetError(f"dataset.where: nested deeper than {DEEPEST}; write a simpler condition")
        if not isinstance(node, NODES):
            self._refuse(node, f"{type(node).__name__} is not part of the language")
        if isinstance(node, ast.Constant) and not isinstance(node.value, KINDS):
            self._refuse(node, f"{type(node.value).__name__} constants are not part of the language")
        if isinstance(node, ast.BinOp) and type(node.op) not in ARITHMETIC:
            self._refuse(node, "only + - * / // % are")
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant | ast.UnaryOp):
            self._refuse(node, "an index must be a constant")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            self._refuse(node, "write `not`")
        if isinstance(node, ast.Call):
            self._check_call(node)
            method = node.func.value if isinstance(node.func, ast.Attribute) else None
            parts = [*node.args, *([] if method is None else [method])]
        else:
            parts = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        for part in parts:
            self._check(part, depth + 1)

    def _check_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            name, given = node.func.id, len(node.args)
        elif isinstance(node.func, ast.Attribute):
            name, given = node.func.attr, len(node.args) + 1
        else:
            self._refuse(node, "only named functions can be called")
        if name not in FUNCTIONS:
            self._refuse(
                node, f'no function "{name}"{did_you_mean(name, FUNCTIONS)}: there are {", ".join(FUNCTIONS)}'
            )
        needed = FUNCTIONS[name][0]
        if given != needed or node.keywords:
            self._refuse(node, f"{name} takes {needed} value{'s' * (needed > 1)}")

    def _refuse(self, node: ast.AST, why: str) -> Any:
        at = getattr(node, "col_offset", 0)
        part = ast.get_source_segment(self.text, node) or ""
        raise DatasetError(f"dataset.where, character {at + 1}: {part or self.text}: {why}")


NODES = (
    *(ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Call, ast.Constant, ast.Name, ast.Attribute),
    *(ast.Subscript, ast.List, ast.Tuple, ast.Set, ast.IfExp),
)
KINDS = (str, int, float, bool, type(None))
WORDS = {"null": None, "true": True, "false": False}


def _value(node: ast.AST, scope: _Scope) -> Any:
    return EVALUATE[type(node)](node, scope)


def _column(node: Any, scope: _Scope) -> Any:
    """Return the value of `name` or of the dotted path `name.part.part`, as dataset.input reads them."""
    path = _path(node)
    if path is None:  # an attribute of something else than a column: a["b"].c
        return _member(_value(node.value, scope), node.attr, scope)
    value = column(scope.row.columns, path)
    if value is not MISSING:
        return value
    if path in WORDS:
        return WORDS[path]
    if path == "row":  # for names that Python's grammar lacks: row["reading time"], "note" in row
        return scope.row.columns
    if isinstance(node, ast.Attribute):
        return _member(_column(node.value, scope), node.attr, scope)
    names = list(scope.row.columns)
    raise DatasetError(
        f'{scope.row.place(scope.source)}: no column "{path}" for dataset.where{did_you_mean(path, names)}; '
        f"the columns are {', '.join(names) or '(none)'}"
    )


def _path(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _path(node.value)
        return None if above is None else f"{above}.{node.attr}"
    return None


def _member(value: Any, name: str, scope: _Scope) -> Any:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    names = list(value) if isinstance(value, Mapping) else []
    has = f"it has {', '.join(names)}" if names else f"it is {_kind(value)}"
    raise DatasetError(
        f'{scope.row.place(scope.source)}: nothing at ".{name}" for dataset.where'
        f"{did_you_mean(name, names)}; {has}"
    )


def _bool(node: ast.BoolOp, scope: _Scope) -> Any:
    wants = isinstance(node.op, ast.Or)
    value: Any = None
    for part in node.values:
        value = _value(part, scope)
        if bool(value) is wants:
            break
    return value


def _compare(node: ast.Compare, scope: _Scope) -> bool:
    left = _value(node.left, scope)
    for test, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part, scope)
        _check_kinds(test, left, right)
        try:
            if not COMPARE[type(test)](left, right):
                return False
        except TypeError:
            raise TypeError(f"{_kind(left)} cannot be compared with {_kind(right)}") from None
        left = right
    return True


def _check_kinds(test: ast.cmpop, left: Any, right: Any) -> None:
    """Raise TypeError for "3" == 3, which is false for every row of a CSV file and so filters nothing."""
    if isinstance(test, ast.Eq | ast.NotEq):
        others = [right]
    elif isinstance(test, ast.In | ast.NotIn) and isinstance(right, list):
        others = right
    else:
        return
    if others and all(_misread(left, one) for one in others):
        raise TypeError(f"{_kind(left)} is never equal to {_kind(others[0])}")


def _misread(one: Any, other: Any) -> bool:
    """Say whether one is a text that spells a value of the other's kind."""
    if isinstance(one, str) == isinstance(other, str):
        return False
    text, value = (one, other) if isinstance(one, str) else (other, one)
    if isinstance(value, bool):
        return text.strip().lower() in {"true", "false"}
    if not isinstance(value, int | float):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _binary(node: ast.BinOp, scope: _Scope) -> Any:
    left, right = _value(node.left, scope), _value(node.right, scope)
    for one in (left, right):
        # Numbers only: texts and lists could grow without bound, and % would format.
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise TypeError(f"arithmetic needs numbers, not {_kind(one)}")
    return ARITHMETIC[type(node.op)](left, right)


def _unary(node: ast.UnaryOp, scope: _Scope) -> Any:
    value = _value(node.operand, scope)
    if isinstance(node.op, ast.Not):
        return not value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a sign needs a number, not {_kind(value)}")
    return -value if isinstance(node.op, ast.USub) else value


def _call(node: ast.Call, scope: _Scope) -> Any:
    arguments = [_value(one, scope) for one in node.args]
    if isinstance(node.func, ast.Attribute):
        name = node.func.attr
        arguments.insert(0, _value(node.func.value, scope))
    else:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
    try:
        return FUNCTIONS[name][1](*arguments)
    except (TypeError, ValueError) as error:
        shown = "a text is needed" if "text is needed" in str(error) else "it cannot be taken"
        raise TypeError(f"{name}: {shown}, not {_kind(arguments[0])}") from None


def _subscript(node: ast.Subscript, scope: _Scope) -> Any:
    value, key = _value(node.value, scope), _value(node.slice, scope)
    if isinstance(value, Mapping):
        return _member(value, key, scope)
    if not isinstance(value, str | list):
        raise TypeError(f"{_kind(value)} has no parts")
    return value[key]


def _conditional(node: ast.IfExp, scope: _Scope) -> Any:
    return _value(node.body if _value(node.test, scope) else node.orelse, scope)


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


EVALUATE: dict[type[ast.AST], Callable[[Any, _Scope], Any]] = {
    ast.BoolOp: _bool,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.Call: _call,
    ast.Constant: lambda node, _: node.value,
    ast.Name: _column,
    ast.Attribute: _column,
    ast.Subscript: _subscript,
    ast.IfExp: _conditional,
    **dict.fromkeys(
        (ast.List, ast.Tuple, ast.Set), lambda node, scope: [_value(one, scope) for one in node.elts]
    ),
}
