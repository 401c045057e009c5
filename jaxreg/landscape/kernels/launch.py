"""The call of the kernel: a population flattened into a grid of tiles, each of which makes all its steps at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.extend.core import ClosedJaxpr

from jaxreg import randomness
from jaxreg.landscape.kernels.arrays import NotInKernelError, as_array, gather_objects
from jaxreg.landscape.kernels.numbers import MOST_OPERATIONS, Evaluator, Memory, count_operations, spread
from jaxreg.landscape.kernels.targets import Mosaic, Triton, choose_target

Levels = tuple[tuple[int, tuple[bool, ...]], ...]
"""The levels of `vmap`, from the outermost: how many members, and which operands have an axis of them."""
INTERPRETED = "tpu"
"""The platform whose kernel is interpreted where there is no accelerator."""
_DTYPES = (np.float32, np.int32, np.uint32)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run: a program of `constants` arrays, the step's number, its random words, and the run's operands.

    The operands are `fixed` ones, such as the learning rate, and then what is carried from step to step, which the
    program returns: numbers, or arrays that are only written to. `words` are drawn for a step, `steps` are made.
    """

    program: ClosedJaxpr
    constants: int
    fixed: int
    words: int
    steps: int


@dataclass(frozen=True)
class _Operand:
    """An array as the kernel takes it: `packed` by the target, and what it is to one run."""

    packed: list[jax.Array]
    specs: list[Any]
    shape: tuple[int, ...]
    dtype: Any
    is_batched: bool


def launch(platform: str | None, operands: Sequence[Any], step: Step, levels: Levels) -> list[jax.Array]:
    """Follow a population by one call of one kernel.

    Args:
        platform: whose kernel; None interprets one.
        operands: the constants of the step, those of the reference, a key, and the operands of the step.
        step: of one run.
        levels: of `vmap`, whose axes lead in the operands that have them.

    Returns:
        What the step carries, after the last one, with the axes of all levels.

    Raises:
        NotInKernelError: the step does what no kernel can.
    """
    if (operations := count_operations(step.program.jaxpr)) > MOST_OPERATIONS:
        raise NotInKernelError(f"takes {operations} operations")
    target = choose_target(platform or INTERPRETED, step.words)
    own = len(step.program.in_avals) - step.constants - 2  # beside constants, a step takes its number and its words
    first = len(operands) - own - 1
    chosen = [*range(step.constants), *range(first, len(operands))]  # the kernel needs no constants of the reference
    sizes = tuple(size for size, _ in levels)
    tile = math.prod(target.tile)
    runs = -(-math.prod(sizes) // tile) * tile
    parts = []
    for i in chosen:
        flags = tuple(level[i] for _, level in levels)
        array = _flatten(operands[i], flags, sizes, runs)
        if i == first:
            array = (jax.vmap(randomness.key_schedule) if any(flags) else randomness.key_schedule)(array)
        is_carried, is_batched = i > first + step.fixed, any(flags)
        if isinstance(target, Mosaic) and is_carried and array.ndim == 0:  # else it cannot carry it through a loop
            array, is_batched = jnp.broadcast_to(array, (runs,)), True
        parts.append(_pack(target, array, is_batched, is_carried and array.ndim > is_batched))
    carried = parts[len(parts) - own + step.fixed :]
    if any(part.shape and part.is_batched for part in carried):
        raise NotInKernelError("starts to record in an array of each run's own")
    shapes = [jax.ShapeDtypeStruct(target.record_shape(math.prod(p.shape), runs), p.dtype) for p in carried]
    kernel = pl.pallas_call(
        _make_kernel(target, parts, step),
        out_shape=shapes,
        grid=(runs // tile,),
        in_specs=[spec for part in parts for spec in part.specs],
        out_specs=[target.record_spec(math.prod(part.shape)) for part in carried],
        compiler_params=target.compiler_params,
        interpret=platform is None,
    )
    with target.near():
        found = kernel(*(array for part in parts for array in part.packed))
    return [
        value.reshape(-1, runs).T[: math.prod(sizes)].reshape(*sizes, *part.shape)
        for value, part in zip(found, carried, strict=True)
    ]


def _flatten(operand: Any, flags: tuple[bool, ...], sizes: tuple[int, ...], runs: int) -> Any:
    """An operand with one leading axis of all runs, padded, in place of those of the levels; if it has none, itself."""
    if not any(flags):
        return operand
    shape = operand.shape[sum(flags) :]
    led = operand.reshape(*(size if flag else 1 for size, flag in zip(sizes, flags, strict=True)), *shape)
    flat = jnp.broadcast_to(led, (*sizes, *shape)).reshape(-1, *shape)
    return (
        flat if len(flat) == runs else jnp.concatenate([flat, jnp.broadcast_to(flat[-1:], (runs - len(flat), *shape))])
    )


def _pack(target: Mosaic | Triton, array: jax.Array, is_batched: bool, is_record: bool) -> _Operand:
    if array.dtype not in _DTYPES:
        raise NotInKernelError(f"works on {array.dtype}")
    packed = target.pack(array, is_batched, is_record)
    return _Operand(packed, target.operand_specs(packed, is_batched), array.shape[is_batched:], array.dtype, is_batched)


def _make_kernel(outside: Mosaic | Triton, parts: Sequence[_Operand], step: Step) -> Any:
    own = len(parts) - step.constants - 1

    def kernel(*references: Any) -> None:
        target = outside.begin()
        remaining = iter(references)
        held = [[next(remaining) for _ in part.packed] for part in parts]
        outputs = list(remaining)
        before = len(parts) - len(outputs)
        read = [target.read(r, p.shape, p.is_batched) for r, p in zip(held[:before], parts[:before], strict=True)]
        constants, schedule, fixed = read[: step.constants], read[step.constants], read[step.constants + 1 :]
        keys = [spread(word, target.tile) for word in as_array(getattr(schedule, "entries", schedule))]
        slots, memories = [], {}
        for place, (part, output) in enumerate(zip(parts[before:], outputs, strict=True)):
            references_of_part = held[before + place]
            if part.shape:
                _initialize(target, references_of_part[0], output, math.prod(part.shape))
                memories[place] = Memory(output, part.shape)
            else:
                slots.append(place)

        def advance(number: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            counter = number.astype(jnp.uint32) * jnp.uint32(step.words)
            words = [
                randomness.scramble(keys[0], keys[1], spread(counter + jnp.uint32(i), target.tile))
                for i in range(step.words)
            ]
            carried = dict(memories) | {place: as_array(value) for place, value in zip(slots, state, strict=True)}
            found = Evaluator(target).evaluate(
                step.program.jaxpr,
                *constants,
                as_array(number),
                gather_objects(words, (step.words,)),
                *fixed,
                *(carried[place] for place in range(own - step.fixed)),
            )
            return tuple(spread(found[place][()], target.tile) for place in slots)

        start = tuple(
            spread(target.read(held[before + place], (), parts[before + place].is_batched)[()], target.tile)
            for place in slots
        )
        end = lax.fori_loop(0, step.steps, advance, start)
        for place, value in zip(slots, end, strict=True):
            target.record(outputs[place], 0, value)

    return kernel


def _initialize(target: Mosaic | Triton, reference: Any, output: Any, entries: int) -> None:
    def set_entry(entry: Any, _: None) -> None:
        target.record(output, entry, spread(target.entry(reference, entry), target.tile))

    lax.fori_loop(0, entries, set_entry, None)
