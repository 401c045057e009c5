"""A descent as one JAX primitive: `vmap` makes populations of it, and an accelerator runs these as one kernel."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

from jaxreg.errors import ArgumentError
from jaxreg.landscape.kernels.arrays import NotInKernelError
from jaxreg.landscape.kernels.launch import Levels, Step, launch

Kernel = Literal["auto", "xla", "pallas"]
KERNELS: tuple[str, ...] = get_args(Kernel)
"""How populations run: as one Pallas kernel on accelerators, as XLA's loops, or as a Pallas kernel everywhere."""
State = TypeVar("State")


def follow(
    run: Callable[[Any, Any, State], State],
    step: Callable[[Any, Any, Any, State], State],
    seed: Any,
    fixed: Any,
    state: State,
    *,
    words: int,
    steps: int,
    kernel: Kernel,
) -> State:
    """Follow a run to its last state; under `vmap`, a population of runs.

    Args:
        run: from a key, fixed operands and the first state to the last, as loops of XLA.
        step: the same run's step, from its number, its random words, the fixed operands and the state to the next.
        seed: a typed PRNG key.
        fixed: a pytree of arrays.
        state: a pytree of arrays. Those with axes may only be written to.
        words: how many random words a step takes.
        steps: how many are made.
        kernel: one of `KERNELS`, but not "xla".
    """
    operands, structure = jax.tree.flatten((fixed, state))

    def flat(function: Callable[..., Any]) -> Callable[..., list[Any]]:
        return lambda before, *leaves: jax.tree.leaves(function(*before, *jax.tree.unflatten(structure, leaves)))

    reference, shared = _close(flat(run), (seed,), *operands)
    drawn = jax.ShapeDtypeStruct((words,), jnp.uint32)
    program, constants = _close(flat(step), (jax.ShapeDtypeStruct((), jnp.int32), drawn), *operands)
    one = Step(program, len(constants), len(jax.tree.leaves(fixed)), words, steps)
    found = _follow.bind(*constants, *shared, seed, *operands, reference=reference, step=one, kernel=kernel, levels=())
    return jax.tree.unflatten(jax.tree.structure(state), found)


def _close(function: Callable[..., Any], *arguments: Any) -> tuple[ClosedJaxpr, list[Any]]:
    """A function's program, as one of the arrays that it closes over and then of its arguments; and those arrays."""
    program = jax.make_jaxpr(function)(*arguments)
    inner = program.jaxpr
    opened = inner.replace(constvars=[], invars=[*inner.constvars, *inner.invars])
    return ClosedJaxpr(opened, ()), list(program.consts)


_follow = Primitive("follow_descent")
_follow.multiple_results = True


def _nested(*operands: Any, reference: ClosedJaxpr, levels: Levels) -> list[jax.Array]:
    """The population as XLA's loops, batched level by level: what depends on the seed alone is computed once."""
    run: Callable[..., Any] = jaxpr_as_fun(reference)
    unused = len(operands) - len(reference.in_avals)
    for size, flags in reversed(levels):
        run = jax.vmap(run, [0 if flag else None for flag in flags[unused:]], axis_size=size)
    return list(run(*operands[unused:]))


@_follow.def_impl  # type: ignore[untyped-decorator]
def _run(*operands: Any, **params: Any) -> list[jax.Array]:
    if params["kernel"] == "auto" and jax.default_backend() == "cpu":
        return _nested(*operands, reference=params["reference"], levels=params["levels"])
    return list(jax.jit(functools.partial(_follow.bind, **params))(*operands))


@_follow.def_abstract_eval  # type: ignore[untyped-decorator]
def _shapes(*_: Any, reference: ClosedJaxpr, levels: Levels, **__: Any) -> list[Any]:
    sizes = tuple(size for size, _ in levels)
    return [aval.update(shape=(*sizes, *aval.shape)) for aval in reference.out_avals]


def _batch(operands: Sequence[Any], axes: Sequence[int | None], *, levels: Levels, **params: Any) -> Any:
    flags = tuple(axis is not None for axis in axes)
    size = next(operand.shape[axis] for operand, axis in zip(operands, axes, strict=True) if axis is not None)
    moved = [o if axis is None else jnp.moveaxis(o, axis, 0) for o, axis in zip(operands, axes, strict=True)]
    found = _follow.bind(*moved, levels=((size, flags), *levels), **params)
    return found, [0] * len(found)


def _differentiate(
    primals: Sequence[Any], tangents: Sequence[Any], *, reference: ClosedJaxpr, levels: Levels, **_: Any
) -> Any:
    run = functools.partial(_nested, reference=reference, levels=levels)
    return jax.jvp(run, tuple(primals), tuple(map(ad.instantiate_zeros, tangents)))


def _lower(
    platform: str | None, *operands: Any, reference: ClosedJaxpr, step: Step, kernel: str, levels: Levels
) -> list[jax.Array]:
    if kernel == "pallas" or (platform and levels):
        try:
            return launch(platform, operands, step, levels)
        except NotInKernelError as error:
            if kernel == "pallas":
                remedy = 'Use kernel="auto", which takes XLA\'s loops instead'
                raise ArgumentError("kernel", kernel, f"cannot run a step that {error}", remedy) from error
    return _nested(*operands, reference=reference, levels=levels)


batching.primitive_batchers[_follow] = _batch
ad.primitive_jvps[_follow] = _differentiate
mlir.register_lowering(_follow, mlir.lower_fun(functools.partial(_lower, None), multiple_results=True))
for _platform in ("tpu", "cuda"):
    lowering = mlir.lower_fun(functools.partial(_lower, _platform), multiple_results=True)
    mlir.register_lowering(_follow, lowering, platform=_platform)
