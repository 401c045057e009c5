"""Convolutions and max-pooling as a CPU computes them fast: matrix products, and comparisons of shifted inputs."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxreg.engine.rewriting import rewrite

# Windows of more entries are left to XLA: each entry is an operation of its own in the program.
_LARGEST_WINDOW = 128


def by_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its convolutions, on a CPU, as one matrix product each, and max-pooling without a scatter.

    XLA has fast kernels for convolutions on a CPU, but not within a loop, as training is one: there a step of a small
    network takes 20 times as long. What is inside a window is laid out side by side instead, and multiplied with the
    kernel; that costs memory, as many times the input as the window has entries. Derivatives follow of themselves. The
    gradient of max-pooling goes to the first of equal entries, as XLA has it.

    >>> image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> blur = lambda x: lax.conv(x, jnp.ones((1, 1, 2, 2)), (1, 1), "VALID")
    >>> by_products(blur)(image.reshape(1, 1, 4, 4))[0, 0, 0]
    Array([10., 14., 18.], dtype=float32)
    """
    return rewrite(function, {"conv_general_dilated": _convolve, "reduce_window_max": _pool})


def _choose(equation: Any, operands: list[Any], fast: Callable[..., Array] | None) -> Sequence[Any]:
    def as_given(*operands: Array) -> Array:
        with equation.ctx.manager:
            return equation.primitive.bind(*operands, **equation.params)

    if fast is None:
        return [as_given(*operands)]
    return [lax.platform_dependent(*operands, cpu=fast, default=as_given)]


def _convolve(equation: Any, operands: list[Any]) -> Sequence[Any]:
    of, output = equation.params, equation.outvars[0].aval
    (batch_in, features_in, *space_in), (features, depth, *window), (batch_out, features_out, *space_out) = of[
        "dimension_numbers"
    ]
    groups = of["feature_group_count"]
    shape = [operands[1].shape[axis] for axis in window]
    rest = [output.shape[axis] for axis in space_out]

    def convolve(x: Array, kernel: Array) -> Array:
        x = x.transpose(batch_in, *space_in, features_in)
        kernel = kernel.transpose(*window, depth, features)
        room = [(0, 0, 0), *((*ends, gap - 1) for ends, gap in zip(of["padding"], of["lhs_dilation"], strict=True))]
        entries = _shift(
            x,
            [*room, (0, 0, 0)],
            0.0,
            [1, *shape, 1],
            [1, *of["rhs_dilation"], 1],
            [1, *of["window_strides"], 1],
            [x.shape[0], *rest, x.shape[-1]],
        )
        how = {"precision": of["precision"], "preferred_element_type": of["preferred_element_type"]}
        if groups == 1:
            rows = jnp.concatenate(entries, -1) if len(entries) > 1 else entries[0]
            product = jnp.matmul(rows, kernel.reshape(-1, kernel.shape[-1]), **how)
        else:
            rows = jnp.stack(entries, -2).reshape(*entries[0].shape[:-1], len(entries), groups, -1)
            kernels = kernel.reshape(len(entries), -1, groups, kernel.shape[-1] // groups)
            product = jnp.einsum("...kgc,kcgo->...go", rows, kernels, **how)
        product = product.reshape(x.shape[0], *rest, -1).astype(output.dtype)
        return product.transpose(np.argsort([batch_out, *space_out, features_out]))

    is_plain = of["batch_group_count"] == 1 and all(jnp.issubdtype(o.dtype, jnp.floating) for o in operands)
    return _choose(equation, operands, convolve if is_plain and math.prod(shape) <= _LARGEST_WINDOW else None)


def _pool(equation: Any, operands: list[Any]) -> Sequence[Any]:
    of, output = equation.params, equation.outvars[0].aval
    window, strides = of["window_dimensions"], of["window_strides"]
    room = [(*ends, gap - 1) for ends, gap in zip(of["padding"], of["base_dilation"], strict=True)]

    def pool(x: Array) -> Array:
        if window == strides and set(of["window_dilation"]) == {1}:  # nothing is seen twice
            whole = [size * many for size, many in zip(output.shape, window, strict=True)]
            x = lax.pad(x, jnp.asarray(-math.inf, x.dtype), room)[tuple(map(slice, whole))]
            x = x.reshape([part for pair in zip(output.shape, window, strict=True) for part in pair])
            return _largest(x, tuple(range(1, x.ndim, 2)))
        entries = _shift(x, room, -math.inf, window, of["window_dilation"], strides, output.shape)
        return _largest(jnp.stack(entries), (0,))

    is_plain = jnp.issubdtype(output.dtype, jnp.floating) and math.prod(window) <= _LARGEST_WINDOW
    return _choose(equation, operands, pool if is_plain else None)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: Array, axes: tuple[int, ...]) -> Array:
    """The maximum over some axes, with the derivative of the first entry that is."""
    return x.max(axes)


@_largest.defjvp
def _differentiate_largest(axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (change,) = primals, tangents
    largest = x.max(axes)
    many = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    place = jnp.arange(math.prod(many), dtype=jnp.int32).reshape(many)
    first = jnp.where(x == jnp.expand_dims(largest, axes), place, place.size).min(axes, keepdims=True)
    return largest, jnp.where(place == first, change, 0).sum(axes)


def _shift(
    x: Array,
    room: Sequence[tuple[int, int, int]],
    fill: float,
    window: Sequence[int],
    dilation: Sequence[int],
    strides: Sequence[int],
    shape: Sequence[int],
) -> list[Array]:
    """The input as each entry of a window sees it, in the shape of the output."""
    x = lax.pad(x, jnp.asarray(fill, x.dtype), room)
    entries = []
    for offset in np.ndindex(*window):
        start = [int(place) * gap for place, gap in zip(offset, dilation, strict=True)]
        stop = [first + (size - 1) * step + 1 for first, size, step in zip(start, shape, strides, strict=True)]
        entries.append(lax.slice(x, start, stop, strides))
    return entries
