"""The program of one run, number by number: every entry of its arrays becomes a register that holds a tile of runs.

Kernels for a GPU know no slices of arrays and few shapes. Here an array of one run is a NumPy array of objects, each a
number of all runs of the tile at once; slicing, reshaping and summing are done by NumPy while the program is traced,
and what is left are operations on whole tiles, which every Pallas backend has.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxreg.landscape.kernels.arrays import STRUCTURE, NotInKernelError, as_array, constant, gather_objects
from jaxreg.programs import count_scan

MOST_OPERATIONS = 20_000  # of one step: more would compile for minutes, and fill more registers than there are
_MOST_CHOICES = 128  # entries of an array of its own that a run may look up by comparing with every position


@runtime_checkable
class Target(Protocol):
    """What differs between accelerators: the shape of a tile, looking up in a table, and arrays of a run in memory."""

    @property
    def tile(self) -> tuple[int, ...]:
        """Shape of a tile of runs."""

    def look_up(self, table: Any, index: Any) -> Any:
        """The entries of a table that all runs share, one for each run."""

    def write(self, memory: Any, index: Any, value: Any, adds: bool) -> None:
        """Set, or add to, one entry of each run's array; the index is one number, or one for each run."""


class Table:
    """A flat array that all runs share: its entries as numbers, and a reference for looking them up."""

    def __init__(self, entries: np.ndarray, reference: Any) -> None:
        self.entries, self.reference = entries, reference


class Memory:
    """An array of each run that is too long for registers, and is only ever written to."""

    def __init__(self, reference: Any, shape: tuple[int, ...]) -> None:
        self.reference, self.shape = reference, shape


_FOLDED: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "neg": np.negative,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "not": np.invert,
    "select_n": lambda which, *cases: cases[int(which)],
}  # fmt: skip
_ON_SCALARS = {*_FOLDED, "div", "rem", "convert_element_type"}  # of integers: a scalar core does them
_ELEMENTWISE = {
    *_ON_SCALARS, "abs", "bitcast_convert_type", "ceil", "clamp", "cos", "erf", "erf_inv", "exp", "exp2", "expm1",
    "floor", "integer_pow", "log", "log1p", "logistic", "pow", "round", "rsqrt", "shift_left",
    "shift_right_arithmetic", "shift_right_logical", "sin", "sqrt", "square", "tan", "tanh", "xor",
}  # fmt: skip
_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
          "custom_vjp_call": "call_jaxpr", "remat2": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip
_REWRITTEN: dict[str, Callable[[Any], Any]] = {  # for which a backend asks for the chip, or has no operation
    "is_finite": lambda x: jnp.abs(x) < jnp.inf,
    "sign": lambda x: jnp.where(x > 0, jnp.ones_like(x), jnp.where(x < 0, -jnp.ones_like(x), x)),
}
_REDUCTIONS = {"reduce_sum": "add", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "mul",
               "reduce_and": "and", "reduce_or": "or"}  # fmt: skip
_PRIMITIVES = {
    "add": lax.add_p, "max": lax.max_p, "min": lax.min_p, "mul": lax.mul_p, "and": lax.and_p, "or": lax.or_p,
}  # fmt: skip


def count_operations(program: Jaxpr) -> int:
    """How many numbers a program computes, its loops unrolled."""
    total = 0
    for equation in program.eqns:
        inside = [v for value in equation.params.values() for v in _programs(value)]
        repeats = equation.params["length"] if equation.primitive.name == "scan" else 1
        if inside:
            entries = _size(equation.invars[0]) if equation.primitive.name == "reduce" else 1
            total += repeats * entries * sum(map(count_operations, inside))
        else:
            total += sum(map(_size, equation.outvars))
    return total


def _size(variable: Any) -> int:
    return math.prod(variable.aval.shape)


def _programs(value: Any) -> list[Jaxpr]:
    values = value if isinstance(value, tuple | list) else (value,)
    return [v.jaxpr if isinstance(v, ClosedJaxpr) else v for v in values if isinstance(v, Jaxpr | ClosedJaxpr)]


def spread(number: Any, tile: tuple[int, ...]) -> Any:
    """A number for every run of the tile."""
    if np.shape(number) == tile:
        return number
    if isinstance(number, np.generic | np.ndarray):
        return jnp.full(tile, np.asarray(number))
    if number.dtype == bool:
        return jnp.broadcast_to(number.astype(jnp.int32), tile) != 0
    return jnp.broadcast_to(number, tile)


class Evaluator:
    """Evaluates programs of one run on numbers that are concrete, one for all runs, or one for each run of a tile."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def evaluate(self, program: Jaxpr, *inputs: Any) -> list[Any]:
        """The outputs of `program`: arrays of numbers, or the memory that was handed in.

        Raises:
            NotInKernelError: the program does what no kernel can.
        """
        if program.constvars:
            raise NotInKernelError("closes over constants")
        values: dict[Any, Any] = dict(zip(program.invars, inputs, strict=True))

        def read(atom: Any) -> Any:
            return _read_literal(atom) if isinstance(atom, Literal) else values[atom]

        for equation in program.eqns:
            outputs = self._apply(equation, [read(v) for v in equation.invars])
            values.update(zip(equation.outvars, outputs, strict=True))
        return [read(v) for v in program.outvars]

    def _apply(self, equation: Any, inputs: list[Any]) -> Sequence[Any]:
        name, params = equation.primitive.name, equation.params
        if name in _CALLS:
            return self._call(params[_CALLS[name]], inputs)
        if name == "scan":
            return self._unroll(equation, inputs)
        if name == "gather":
            return [self._gather(params, *inputs)]
        if name == "dynamic_slice" and params["slice_sizes"] == (1,) and not isinstance(inputs[1][()], np.generic):
            clamped = self._call(jax.make_jaxpr(lambda i: jnp.clip(i, 0, _size(equation.invars[0]) - 1))(0), inputs[1:])
            return [gather_objects([self._look_up(inputs[0], clamped[0][()])], (1,))]
        if inputs and isinstance(inputs[0], Memory):
            return [self._write(name, params, *inputs)]
        if any(isinstance(value, Memory) for value in inputs):
            raise NotInKernelError(f"reads by {name!r} what it records")
        arrays = [value.entries if isinstance(value, Table) else value for value in inputs]
        if name in _ELEMENTWISE:
            return [self._map(equation.primitive, params, arrays)]
        if name in _REDUCTIONS:
            return [self._fold(_PRIMITIVES[_REDUCTIONS[name]], arrays[0], params["axes"])]
        if name == "reduce":
            return self._reduce(params, arrays)
        if name in _REWRITTEN:
            return self._call(jax.make_jaxpr(_REWRITTEN[name])(equation.invars[0].aval), arrays)
        rule = STRUCTURE.get(name)
        if rule is None:
            raise NotInKernelError(f"uses {name!r}")
        return [rule(*arrays, **params)]

    def _call(self, program: Any, inputs: list[Any]) -> Sequence[Any]:
        if isinstance(program, ClosedJaxpr):
            inner = program.jaxpr
            constants = [constant(value, value.dtype) for value in program.consts]
            program = inner.replace(constvars=[], invars=[*inner.constvars, *inner.invars])
            inputs = [*constants, *inputs]
        return self.evaluate(program, *inputs)

    def _unroll(self, equation: Any, inputs: list[Any]) -> Sequence[Any]:
        params, (fixed, carried) = equation.params, count_scan(equation)
        constants, state, rows = inputs[:fixed], inputs[fixed : fixed + carried], inputs[fixed + carried :]
        stacked: list[Sequence[Any]] = []
        order = range(params["length"])
        for i in reversed(order) if params["reverse"] else order:
            taken = [(row.entries if isinstance(row, Table) else row)[i] for row in rows]
            found = self._call(params["jaxpr"], [*constants, *state, *map(as_array, taken)])
            state = list(found[:carried])
            stacked.append(found[carried:])
        stacked = stacked[::-1] if params["reverse"] else stacked
        return [*state, *(np.stack(column) for column in zip(*stacked, strict=True))]

    def _map(self, primitive: Any, params: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """An operation on each entry."""
        even = np.broadcast_arrays(*arrays)
        entries = zip(*(array.ravel() for array in even), strict=True)
        return gather_objects((self._compute(primitive, params, list(entry)) for entry in entries), even[0].shape)

    def _compute(self, primitive: Any, params: Any, numbers: list[Any]) -> Any:
        name = primitive.name
        if all(isinstance(number, np.generic) for number in numbers):
            with np.errstate(all="ignore"):
                if name in _FOLDED:
                    return np.asarray(_FOLDED[name](*numbers))[()]
                if name == "convert_element_type":
                    return np.asarray(numbers[0]).astype(params["new_dtype"])[()]
        whole = all(np.shape(number) == () and number.dtype.kind in "iub" for number in numbers)
        if whole and name in _ON_SCALARS and (name != "convert_element_type" or params["new_dtype"] != np.float32):
            return primitive.bind(*map(jnp.asarray, numbers), **params)
        return primitive.bind(*(spread(number, self.target.tile) for number in numbers), **params)

    def _fold(self, primitive: Any, array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        rest = [axis for axis in range(array.ndim) if axis not in axes]
        rows = array.transpose(*axes, *rest).reshape(-1, *(array.shape[axis] for axis in rest))
        if not len(rows):
            raise NotInKernelError("reduces nothing")
        return functools.reduce(lambda a, b: self._map(primitive, {}, [as_array(a), as_array(b)]), map(as_array, rows))

    def _reduce(self, params: Any, inputs: list[np.ndarray]) -> Sequence[Any]:
        arrays, state = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
        if arrays[0].ndim != 1:
            raise NotInKernelError("reduces arrays of more than one axis")
        for entries in zip(*arrays, strict=True):
            state = list(self._call(params["jaxpr"], [*state, *map(as_array, entries)]))
        return state

    def _gather(self, params: Any, operand: Any, indices: np.ndarray) -> np.ndarray:
        numbers, shape = params["dimension_numbers"], getattr(operand, "entries", operand).shape
        plain = (numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map) == ((), (0,), (0,))
        if len(shape) != 1 or not plain or numbers.operand_batching_dims or "PROMISE" not in str(params["mode"]):
            raise NotInKernelError("indexes otherwise than `table.at[index].get(mode='promise_in_bounds')`")
        return gather_objects((self._look_up(operand, index) for index in indices.ravel()), indices.shape[:-1])

    def _look_up(self, operand: Any, index: Any) -> Any:
        if isinstance(operand, Table) and not isinstance(index, np.generic):
            return self.target.look_up(operand.reference, spread(index, self.target.tile))
        entries = operand.entries if isinstance(operand, Table) else operand
        if isinstance(index, np.generic):
            return entries[int(index)]
        if len(entries) > _MOST_CHOICES:
            raise NotInKernelError(f"looks up in {len(entries)} numbers of each run")
        found, index = spread(entries[0], self.target.tile), spread(index, self.target.tile)
        for position in range(1, len(entries)):
            found = jnp.where(index == position, spread(entries[position], self.target.tile), found)
        return found

    def _write(self, name: str, params: Any, memory: Memory, *inputs: np.ndarray) -> Memory:
        """One entry of what a run records: `memory.at[index].add(value)`, or `dynamic_update_index_in_dim`."""
        tile = self.target.tile
        if name == "dynamic_update_slice" and inputs[0].size == 1:
            value, index = inputs[0].reshape(-1)[0], inputs[1][()]
            self.target.write(memory, index, spread(value, tile), adds=False)
        elif name == "scatter-add" and inputs[1].size == 1 and inputs[0].size == 1 and len(memory.shape) == 1:
            index, value = inputs[0].reshape(-1)[0], inputs[1].reshape(-1)[0]
            self.target.write(memory, index, spread(value, tile), adds=True)
        else:
            raise NotInKernelError(f"writes by {name!r} what it records")
        return memory


def _read_literal(literal: Any) -> np.ndarray:
    return constant(literal.val, literal.aval.dtype)
