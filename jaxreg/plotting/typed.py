"""What somebody typed, read with the place of every mistake: equations in x and y, and lists of numbers.

Equations are read by Python's own parser and evaluated by walking its tree, in which only arithmetic, `x`, `y` and
the functions and constants listed here may occur: nothing is executed, and there is no further library to trust.
"""

import ast
import math
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxreg.checks import check_kind
from jaxreg.errors import ArgumentError

Surface = Callable[[Any, Any], Any]

FUNCTIONS = {
    "abs": np.abs,
    "arccos": np.arccos,
    "arcsin": np.arcsin,
    "arctan": np.arctan,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "log": np.log,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
"""What may be called in an equation, all of one argument; `log` is the natural logarithm."""
CONSTANTS = {"pi": math.pi, "e": math.e}
"""What may be named in an equation beside x and y."""

_OPERATIONS: dict[type, Any] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
}
_LONGEST = 1000  # characters
_DEEPEST = 100  # levels of the tree, far from where Python gives up walking it
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def parse_equation(text: str) -> Surface:
    """The function f(x, y) that is zero where an equation holds: its left side minus its right.

    Args:
        text: an equation such as "x**2 + y**2 + x*y = 1", of numbers, x, y, + - * / **, brackets, and the names in
            `CONSTANTS` and `FUNCTIONS`. Without "=", it is f itself.

    Returns:
        A function of two numbers or two arrays of one shape.

    Raises:
        ArgumentError: text that is no equation; it says at which column, counted from 1, and what was found there.

    >>> parse_equation("x**2 + y**2 = 1")(3.0, 4.0)
    np.float64(24.0)
    >>> parse_equation("x + spam(y) = 1")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: equation = 'x + spam(y) = 1': has at column 5 the unknown function spam. Known: ...
    """
    check_kind("equation", text, str, "Write it as text")
    if len(text) > _LONGEST:
        raise ArgumentError("equation", text, f"must not exceed {_LONGEST} characters", "Give a function instead")
    for place, character in enumerate(text):
        if character == "#" or not (character.isascii() and (character.isprintable() or character.isspace())):
            raise _wrong(text, place, repr(character), "Write with plain characters, powers as **")
    left, *right = text.split("=")
    if len(right) > 1:
        raise _wrong(text, len(left) + 1 + len(right[0]), "a second '='", "Write one equation")
    sides = [_parse(text, side, start) for side, start in zip([left, *right], (0, len(left) + 1), strict=False)]
    if len(sides) == 1:
        return sides[0]
    return lambda x, y: np.subtract(sides[0](x, y), sides[1](x, y))


def _wrong(text: str, place: int, found: str, remedy: str) -> ArgumentError:
    """The refusal of what stands at `place`, counted from 0."""
    return ArgumentError("equation", text, f"has at column {place + 1} {found}", remedy)


def _parse(text: str, side: str, start: int) -> Surface:
    """One side of an equation, which starts at the place `start` of the text."""
    plain = re.sub(r"\s", " ", side)  # of equal length: columns stay
    start += len(plain) - len(plain.lstrip())
    plain = plain.strip()
    if not plain:
        at = min(start, len(text))
        found = repr(text[at]) if at < len(text) else "the end"
        raise _wrong(text, at, f"{found} where an expression must stand", 'Write an equation, as "x**2 + y**2 = 1"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd numbers such as 1if, which are refused below
            tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        offset = getattr(error, "offset", 1) or len(plain) + 1  # 0 where the text ends too early
        place = start + min(offset - 1, len(plain))
        found = repr(text[place]) if place < start + len(plain) else "nothing more, although something must follow"
        reason = f" ({error.msg})" if isinstance(error, SyntaxError) else " (nested too deeply)"
        remedy = "Write products with *, powers with **, and close brackets"
        raise _wrong(text, place, found + reason, remedy) from None
    if _depth(tree) > _DEEPEST:
        raise _wrong(text, start, "an expression nested too deeply", "Give a function of x and y instead")
    return _build(text, start, tree)


def _depth(tree: ast.AST) -> int:
    """Levels of operations in a tree."""
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _build(text: str, start: int, node: ast.AST) -> Surface:
    """The function of x and y that a node of the tree stands for."""
    place = start + getattr(node, "col_offset", 0)
    match node:
        case ast.Constant(value=bool() | str() | bytes() | complex() | None):
            pass
        case ast.Constant(value=int() | float() as number):
            if number > sys.float_info.max:
                raise _wrong(text, place, "a number that is too large", "Write a smaller one, as 1e10")
            value = np.float64(number)
            return lambda x, y: value
        case ast.Name(id="x"):
            return lambda x, y: np.asarray(x, float)
        case ast.Name(id="y"):
            return lambda x, y: np.asarray(y, float)
        case ast.Name(id=name) if name in CONSTANTS:
            return lambda x, y: np.float64(CONSTANTS[name])
        case ast.Name(id=name):
            known = ", ".join(["x", "y", *CONSTANTS])
            if name in FUNCTIONS:
                raise _wrong(text, place, f"{name} without its argument", f"Write {name}(x)")
            raise _wrong(text, place, f"the unknown name {name}", f"Known: {known}")
        case ast.UnaryOp(op=op, operand=inner) if type(op) in _OPERATIONS:
            operation, of = _OPERATIONS[type(op)], _build(text, start, inner)
            return lambda x, y: operation(of(x, y))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            operation, one, other = _OPERATIONS[type(op)], _build(text, start, left), _build(text, start, right)
            return lambda x, y: operation(one(x, y), other(x, y))
        case ast.BinOp(left=left, op=op):
            place = start + (left.end_col_offset or 0)
            place += len(text[place:]) - len(text[place:].lstrip(" )\t\n"))
            sign = "//" if isinstance(op, ast.FloorDiv) else text[place]
            remedy = "Write ** for powers" if isinstance(op, ast.BitXor) else "Known: + - * / **"
            raise _wrong(text, place, f"the unknown operator {sign}", remedy)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS and not isinstance(
            argument, ast.Starred
        ):
            function, inside = FUNCTIONS[name], _build(text, start, argument)
            return lambda x, y: function(inside(x, y))
        case ast.Call(func=ast.Name(id=name)):
            if name in FUNCTIONS:
                raise _wrong(text, place, f"{name} with another number of arguments than one", f"Write {name}(x)")
            known = ", ".join(FUNCTIONS)
            if name in ("x", "y", *CONSTANTS):
                raise _wrong(text, place, f"{name} followed by a bracket", f"Write a product as {name}*(...)")
            raise _wrong(text, place, f"the unknown function {name}", f"Known: {known}")
    length = (getattr(node, "end_col_offset", 1) or 1) - getattr(node, "col_offset", 0)
    found = text[place : place + length]
    raise _wrong(text, place, f"{found!r}, which is no arithmetic", "Write numbers, x, y, + - * / ** and functions")


def curve_from_text(text: str) -> Float[np.ndarray, " n"]:
    """Numbers from a list as somebody types it, "1 2 5" or "1,2,5": the heights of a curve.

    Args:
        text: numbers with spaces, one comma, or both between them; at least one number.

    Returns:
        The numbers, of type float64; `axes.plot(curve_from_text("1 2 5"))` draws them over 0, 1 and 2.

    Raises:
        ArgumentError: an empty list, or something else than a finite number in it; it says at which column, counted
            from 1, and what was found there.

    >>> curve_from_text("1 2 5"), curve_from_text("1, 2.5e0,-5")
    (array([1., 2., 5.]), array([ 1. ,  2.5, -5. ]))
    >>> curve_from_text("1 2 five")
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: text = '1 2 five': has at column 5 'five', which is no number. Write as "1 2 5" ...
    """
    remedy = 'Write as "1 2 5" or "1,2,5"'
    check_kind("text", text, str, remedy)
    if not text.strip():
        raise ArgumentError("text", text, "must hold at least one number", remedy)
    numbers: list[float] = []
    wants_number = True  # at the start, and after a comma
    for token in re.finditer(r",|[^\s,]+", text):
        found, column = token.group(), token.start() + 1
        if found == ",":
            if wants_number:
                raise ArgumentError("text", text, f"has at column {column} a comma without a number before it", remedy)
            wants_number = True
            continue
        if not _NUMBER.fullmatch(found):
            raise ArgumentError("text", text, f"has at column {column} {found!r}, which is no number", remedy)
        if not math.isfinite(float(found)):
            raise ArgumentError("text", text, f"has at column {column} {found!r}, which is too large", remedy)
        numbers.append(float(found))
        wants_number = False
    if wants_number:
        column = len(text.rstrip())
        raise ArgumentError("text", text, f"has at column {column} a comma without a number after it", remedy)
    return np.array(numbers)
