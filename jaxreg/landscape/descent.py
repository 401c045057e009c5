"""Gradient descent in one dimension as a pure function, and the fate of a run."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, Key

from jaxreg.checks import check_integer
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.gradients import Gradient
from jaxreg.landscape.kernels import Kernel
from jaxreg.landscape.observers import watch_path
from jaxreg.landscape.polynomial import Polynomial, Weight, check_landscape
from jaxreg.landscape.walk import Scalar, walk

FATES: tuple[str, ...] = ("global minimum", "left", "right", "diverged")
"""Names of the numbers that `fate` returns."""


class Descent(NamedTuple):
    """The end of a descent, and what was recorded on the way.

    `weight` is w after the last step, infinite for a run that diverged; `survived` is the number of steps before it
    did, else all of them; `path` (records) is w after every `record_every` steps, the last record being `weight`.
    """

    weight: Float[Array, ""]
    survived: Int32[Array, ""]
    path: Float[Array, " records"]

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Names of the dimensions, for `jaxreg.sweep`."""
        return {"path": ("record",)}


def descend(
    gradient: Gradient | Callable[[Any, Any], Any],
    start: Scalar,
    learning_rate: Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    momentum: Scalar | None = None,
    record_every: int | None = None,
    limit: int | float = 1e6,
    kernel: Kernel = "auto",
) -> Descent:
    r"""Follow a gradient for a fixed number of steps, $w \leftarrow w - \eta\, g(w)$.

    With momentum $\beta$, the heavy ball: $v \leftarrow \beta v - \eta\, g(w)$ and $w \leftarrow w + v$, at rest first.
    A run that leaves (-limit, limit), or computes no number, has diverged: it stays at infinity and nothing raises.
    Random numbers are drawn for blocks of steps, from the seed alone: under nested `vmap` over seeds and learning
    rates they, and the refits made from them, are computed once for all learning rates. On an accelerator a population
    is one kernel (see `kernel`) in which each run draws the same numbers in registers; weights differ by rounding.

    Args:
        gradient: as made by `full_gradient`, `noisy_gradient` or `refit_gradient`,
            or any function of a key and w; step t is given `jax.random.fold_in(seed, t)`.
        start: the first w.
        learning_rate: $\eta$, 0 or more.
        steps: number of steps (static).
        seed: a typed PRNG key; step t uses the same randomness whatever `steps` and `record_every` are.
        momentum: $\beta$, from 0 to less than 1; None leaves it out of the program.
        record_every: keep w after every so many steps, a divisor of `steps`; by default the last only (static).
        limit: where a run counts as diverged (static).
        kernel: how populations run, which `vmap` and sweeps make (static). `"auto"` takes one Pallas kernel on a TPU or
            a GPU, and XLA's loops on a CPU; `"xla"` and `"pallas"` choose. On a CPU the latter is interpreted, slowly.

    Returns:
        `Descent` of the last weight, the steps survived and the recorded path.

    Raises:
        ArgumentError: a number outside its domain, or a gradient that is none.

    >>> import jax
    >>> import numpy as np
    >>> from jaxreg.landscape import full_gradient
    >>> x = np.linspace(-10.0, 10.0, 21)
    >>> run = descend(full_gradient(x, x**2, 2), 1.0, 0.25, 3, seed=jax.random.key(0), record_every=1)
    >>> run.path.round(4).tolist(), run.survived
    ([0.5, 0.25, 0.125], Array(3, dtype=int32))
    >>> descend(lambda key, w: 2 * w, 1.0, 0.25, 3, seed=jax.random.key(0)).weight
    Array(0.125, dtype=float32)
    """
    boundary.check_walk(start, learning_rate, steps, momentum, limit, seed)
    record_every = steps if record_every is None else record_every
    check_integer("record_every", record_every, 1, steps, "Leave it out to keep the last weight only")
    if steps % record_every:
        raise ArgumentError("record_every", record_every, f"must divide the {steps} steps", "Change one of them")

    like = jnp.zeros((), jnp.result_type(float))
    nothing, observe = watch_path(like, steps, record_every)
    w, (survived, path) = walk(
        gradient,
        start,
        learning_rate,
        steps,
        seed=seed,
        momentum=momentum,
        limit=limit,
        seen=nothing,
        observe=observe,
        kernel=kernel,
    )
    return Descent(w, survived, w[None] if record_every == steps else path)


def fate(w: Weight, landscape: Polynomial) -> Int32[Array, "*weights"]:
    """Where a run ended, as a number whose name is in `FATES`.

    Args:
        w: last weight of a run, infinite if it diverged.
        landscape: its basins decide; the one with the lowest minimum is the global one.

    Returns:
        0 in the basin of the global minimum, 1 in one to the left of it, 2 in one to the right, 3 if the run
        diverged, or stands where gradient flow would reach no minimum.

    Raises:
        ArgumentError: a landscape without a minimum, or traced.

    >>> from jaxreg.landscape import T2_LANDSCAPE
    >>> [FATES[number] for number in fate(jnp.array([0.0, 4.0, -4.0, jnp.inf]), T2_LANDSCAPE)]
    ['global minimum', 'right', 'left', 'diverged']
    """
    check_landscape(landscape)
    lowest = landscape.lowest
    basin = landscape.basin(w)
    side = jnp.where(basin < lowest, 1, jnp.where(basin > lowest, 2, 0))
    return jnp.where(basin < 0, 3, side).astype(jnp.int32)
