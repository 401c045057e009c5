"""What one member of a program costs: bytes alive in its hottest loop, and the share of matrix products in its work."""

import dataclasses
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var, jaxprs_in_params

from jaxreg.engine.rewriting import holds
from jaxreg.programs import count_scan

UNKNOWN_LENGTH = 1000.0  # iterations of a loop that runs until something holds


@dataclasses.dataclass(frozen=True)
class Cost:
    """Bytes and operations of one run, read from its jaxpr before fusion: an upper estimate of what XLA will use.

    Of the `hot_bytes` alive in its hottest loop, `unseeded_bytes` depend on more than the seed. `iterations` counts
    how often the bodies of its loops are run, one after the other; `is_open` if that is a guess, for some loops run
    until something holds. Of `equations`, its size, compiling takes about in proportion.
    """

    hot_bytes: int
    unseeded_bytes: int
    peak_bytes: int
    product_operations: float
    operations: float
    iterations: float
    is_open: bool = False
    equations: int = 0

    @property
    def is_product_bound(self) -> bool:
        """Whether matrix products are most of the work."""
        return self.product_operations > 0.5 * self.operations

    def hot_bytes_per_run(self, runs_per_seed: int) -> float:
        """Bytes that each run keeps alive when so many runs of one call have the same seed."""
        sharing = 1 if self.is_product_bound else runs_per_seed
        return self.unseeded_bytes + (self.hot_bytes - self.unseeded_bytes) / sharing


@dataclasses.dataclass
class _Loop:
    """Work and peak of one loop body, without the loops inside it."""

    operations: float
    bytes: int
    iterations: float


def measure_cost(program: ClosedJaxpr, shared: Collection[int], seeded: Collection[int] = ()) -> Cost:
    """Cost of one run, where the inputs of numbers `shared` belong to all members and those `seeded` are seeds."""
    products, operations, peak, loops = _measure(program, shared)
    hot, unseeded = _hottest(loops), _hottest(_measure(program, {*shared, *seeded})[3])
    turns = sum(loop.iterations for loop in loops)
    is_open = holds(program.jaxpr, {"while"})
    return Cost(hot, unseeded, peak, products, operations, turns, is_open, _count_equations(program.jaxpr))


def _count_equations(jaxpr: Jaxpr) -> int:
    return sum(1 + sum(map(_count_equations, jaxprs_in_params(e.params))) for e in jaxpr.eqns)


def _hottest(loops: list[_Loop]) -> int:
    return max(loops, key=lambda loop: loop.operations).bytes


def _measure(program: ClosedJaxpr, free: Collection[int]) -> tuple[float, float, int, list[_Loop]]:
    """Product operations, all operations, peak bytes and the loops, with the inputs `free` for free."""
    jaxpr = program.jaxpr
    loops: list[_Loop] = []
    shared = {*jaxpr.constvars, *(jaxpr.invars[i] for i in free)}
    products, operations, peak = _walk(jaxpr, (1.0, 1.0), loops, shared, set(jaxpr.invars))
    return products, operations, peak, loops


def _walk(
    jaxpr: Jaxpr, times: tuple[float, float], loops: list[_Loop], free: set[Var], inputs: set[Var]
) -> tuple[float, float, int]:
    """Product operations, all operations and peak bytes of `jaxpr`; appends its own loop.

    It is executed `times[0]` times by what is known, and about `times[1]` times with a guess for unknown lengths.

    Variables in `free` cost nothing: inputs shared by all members, and whatever is computed from them alone.
    Those in `inputs` stay alive throughout; the inputs of a call are counted by its caller.
    """
    last_use = {v: i for i, e in enumerate(jaxpr.eqns) for v in e.invars if isinstance(v, Var)}
    last_use |= {v: len(jaxpr.eqns) for v in jaxpr.outvars if isinstance(v, Var)}
    live = own_peak = peak = sum(_bytes(v) for v in inputs - free)
    counted: set[Var] = set()
    products = operations = own = 0.0
    trips, guessed = times
    for i, equation in enumerate(jaxpr.eqns):
        inner_peak = 0
        inside = list(_inner(equation))
        for body, repeats, is_loop in inside:
            below = _shared_below(equation, body, free, is_loop)
            collected: list[_Loop] = []
            own_inputs = {*body.invars, *body.constvars} if is_loop else set()
            spins = UNKNOWN_LENGTH if equation.primitive.name == "while" else repeats
            p, o, peak_below = _walk(body, (trips * repeats, guessed * spins), collected, below, own_inputs)
            products, operations, inner_peak = products + p, operations + o, max(inner_peak, peak_below)
            if not is_loop:  # a call: its own work belongs to this level
                call = collected.pop()
                own, own_peak = own + call.operations, max(own_peak, live + call.bytes)
            loops.extend(collected)
        if not inside:
            count = trips * _operations(equation)
            operations, own = operations + count, own + count
            products += count if equation.primitive.name == "dot_general" else 0.0
        if all(not isinstance(v, Var) or v in free for v in equation.invars):
            free = free | set(equation.outvars)
        counted |= set(equation.outvars) - free
        live += sum(_bytes(v) for v in equation.outvars if v not in free)
        peak, own_peak = max(peak, live + inner_peak), max(own_peak, live)
        used = {v for v in equation.invars if isinstance(v, Var)}
        dead = {v for v in used if last_use[v] == i} | {v for v in equation.outvars if v not in last_use}
        live -= sum(_bytes(v) for v in (dead & counted) - inputs)
    loops.append(_Loop(own, own_peak, guessed))
    return products, operations, peak


def _shared_below(equation: Any, body: Jaxpr, free: set[Var], is_loop: bool) -> set[Var]:
    """The inputs of an inner jaxpr that all members share; what a loop carries is shared if all that enters it is."""
    pairs = zip(reversed(equation.invars), reversed(body.invars), strict=False)
    shared = {inner for outer, inner in pairs if not isinstance(outer, Var) or outer in free}
    if all(not isinstance(outer, Var) or outer in free for outer in equation.invars):
        return shared
    return shared - set(_find_carried(equation, body)) if is_loop else shared


def _find_carried(equation: Any, body: Jaxpr) -> Sequence[Var]:
    """What a turn of the loop hands on to the next."""
    if equation.primitive.name == "scan":
        fixed, carried = count_scan(equation)
        return body.invars[fixed : fixed + carried]
    return body.invars[equation.params["body_nconsts"] :]


def _inner(equation: Any) -> Iterator[tuple[Jaxpr, float, bool]]:
    """The jaxprs inside an equation: each with its repeats, and whether it is a loop body."""
    name = equation.primitive.name
    repeats = float(equation.params.get("length", 1)) if name == "scan" else 1.0
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr, repeats, name in ("scan", "while")
            elif isinstance(item, Jaxpr):
                yield item, repeats, name in ("scan", "while")


def _operations(equation: Any) -> float:
    size = float(sum(math.prod(v.aval.shape) for v in equation.outvars))
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return 2 * size * math.prod(equation.invars[0].aval.shape[d] for d in contracted)
    if equation.primitive.name in ("random_bits", "threefry2x32"):
        return 50 * size  # twenty rounds of add, rotate and xor on pairs of words
    return size


def _bytes(variable: Var | Literal) -> int:
    shape, dtype = getattr(variable.aval, "shape", None), getattr(variable.aval, "dtype", None)
    if shape is None or dtype is None:
        return 0
    is_key = jnp.issubdtype(dtype, jax.dtypes.prng_key)
    return math.prod(shape) * (8 if is_key else np.dtype(dtype).itemsize)
