"""Band math: formulas such as `ndvi=(B08-B04)/(B08+B04)`, parsed without running anything of them.

A formula has a name and an expression of bands, numbers, `+ - * / **`, brackets, and `sqrt`, `log`, `exp` and `abs`.
It is read into a tree by Python's own parser and walked; every node of another kind is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_LONGEST = 500  # characters
_DEEPEST = 50  # brackets within brackets; the parser itself can take few hundred
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HELP = "write NAME=EXPRESSION of bands, numbers, + - * / ** and brackets, such as ndvi=(B08-B04)/(B08+B04)"


def _divide(a: Any, b: Any) -> Any:
    """Not a number where it divides by 0, also where a later step would hide an infinity."""
    return np.where(np.equal(b, 0), np.float32(np.nan), np.divide(a, b))


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: _divide,
    ast.Pow: np.power,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: np.negative, ast.UAdd: np.positive}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"sqrt": np.sqrt, "log": np.log, "exp": np.exp, "abs": np.abs}


@dataclass(frozen=True, slots=True)
class Formula:
    """A channel that is computed of bands; `parse_formula` makes it."""

    name: str
    text: str
    """`NAME=EXPRESSION`, the same however it was written."""
    inputs: tuple[str, ...]
    """The bands that it names, each once, in the order in which they occur."""
    tree: ast.expr

    def compute(self, bands: Mapping[str, Float32]) -> Float32:
        """The channel of bands of one shape, by the names of `inputs`; NaN where it has no value.

        It has none where it divides by 0, where a band has none, and where the result is not finite.
        """
        with np.errstate(all="ignore"):
            found = np.asarray(_value(self.tree, bands), np.float32)
        shape = next(iter(bands.values())).shape
        return np.where(np.isfinite(found), found, np.float32(np.nan)) + np.zeros(shape, np.float32)


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises:
        ValueError: it is none, names no band, or holds something else than arithmetic.

    >>> parse_formula("ndvi = (B08 - B04) / (B08 + B04)").inputs
    ('B08', 'B04')
    """
    name, equals, expression = (part.strip() for part in text.partition("="))
    if len(text) > _LONGEST or _depth(expression) > _DEEPEST:
        raise ValueError(f"the formula {text[:40]!r}... is too long or has too many brackets; divide it")
    if not equals or not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is no formula; {_HELP}")
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} cannot be read as arithmetic; {_HELP}") from error
    inputs = dict.fromkeys(_names(tree, text))
    if not inputs:
        raise ValueError(f"{text!r} names no band; {_HELP}")
    return Formula(name, f"{name}={ast.unparse(tree)}", tuple(inputs), tree)


def _depth(expression: str) -> int:
    """How deep a parser must go: brackets, and signs and powers that follow each other."""
    return max(expression.count("("), expression.count("**"), len(max(re.findall(r"[+-]+", expression), default="")))


def _names(node: ast.expr, text: str) -> list[str]:
    """The bands that an expression names; raises ValueError where it holds something else than arithmetic."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) > float(np.finfo(np.float32).max):
                raise ValueError(f"{text!r} holds a number beyond 32 bits")
            return []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _names(left, text) + _names(right, text)
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _names(operand, text)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _names(argument, text)
    raise ValueError(f"{text!r} holds {_shown(node)}, which is no arithmetic of bands; {_HELP}")


def _shown(node: ast.expr) -> str:
    return ast.unparse(node)[:40]


def _value(node: ast.expr, bands: Mapping[str, Float32]) -> Any:
    """The value of an expression that `_names` has let pass; numbers are of 32 bits, so that none grows."""
    match node:
        case ast.Name(id=name):
            return bands[name]
        case ast.Constant(value=int() | float() as value):
            return np.float32(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, bands), _value(right, bands))
        case ast.UnaryOp(op=sign, operand=operand):
            return _UNARY[type(sign)](_value(operand, bands))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_value(argument, bands))
    raise ValueError(f"{_shown(node)} is no arithmetic of bands")
