"""First passages of descents, timed inside the loop with censoring; and the mean time estimated from many."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Integer, Key
from scipy.special import chdtri

from jaxreg.checks import LEVEL, check_choice, check_integer, read_array
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.gradients import Gradient
from jaxreg.landscape.kernels import Kernel
from jaxreg.landscape.observers import watch_passage
from jaxreg.landscape.walk import Scalar, walk

PASSAGES: tuple[str, ...] = ("censored", "passed", "diverged")
"""Names of the numbers in `Passage.status`."""


class Passage(NamedTuple):
    """How long a run took to reach its target.

    `steps` is the number of steps until it passed, until it diverged without having passed, or else all of them;
    `status` says which, as a number whose name is in `PASSAGES`.
    """

    steps: Int32[Array, ""]
    status: Int32[Array, ""]


def first_passage(
    gradient: Gradient | Callable[[Any, Any], Any],
    start: Scalar,
    learning_rate: Scalar,
    steps: int,
    *,
    seed: Key[Array, ""],
    target: Scalar,
    side: Literal["right", "left"] = "right",
    momentum: Scalar | None = None,
    limit: int | float = 1e6,
    kernel: Kernel = "auto",
) -> Passage:
    r"""Steps until a descent first stands at or beyond `target`, $\min\{k : w_k \ge b\}$, censored after `steps`.

    All runs make all steps, since under `vmap` a loop lasts as long as its slowest member.

    Args:
        gradient: as made by `noisy_gradient` or any other, or a function of a key and w.
        start: the first w.
        learning_rate: 0 or more.
        steps: where a run is given up (static).
        seed: a typed PRNG key; the run is that of `descend` with the same seed.
        target: the point $b$ to pass, within the limit. Traced, it may lie on the wrong side of a start: such a run
            has passed after 0 steps.
        side: where the target lies, `"right"` or `"left"` of the start (static).
        momentum: as for `descend`.
        limit: where a run counts as diverged, on either side; a leap that far is no passage (static).
        kernel: as for `descend` (static).

    Returns:
        `Passage` of steps and status.

    Raises:
        ArgumentError: a number outside its domain, or a target that is not beyond the start.

    >>> import jax
    >>> from jaxreg.landscape import full_gradient
    >>> x = np.linspace(-10.0, 10.0, 21)
    >>> run = first_passage(
    ...     full_gradient(x, x**2, 2), 1.0, 0.25, 10, seed=jax.random.key(0), target=0.2, side="left"
    ... )
    >>> run.steps, PASSAGES[run.status]
    (Array(3, dtype=int32), 'passed')
    """
    boundary.check_walk(start, learning_rate, steps, momentum, limit, seed)
    boundary.check_within("target", target, limit, "Give a point within the limit")
    check_choice("side", side, ("right", "left"), "Say where the target lies")

    is_known = not isinstance(start, jax.core.Tracer) and not isinstance(target, jax.core.Tracer)
    if is_known and (start >= target if side == "right" else start <= target):
        constraint = f"must lie to the {side} of the start {start}"
        raise ArgumentError("target", target, constraint, "Change the target, the start or the side")
    dtype = jnp.result_type(float)
    goal = jnp.asarray(target, dtype)

    def is_beyond(w: Float[Array, ""]) -> Bool[Array, ""]:
        return w >= goal if side == "right" else w <= goal

    nothing, observe = watch_passage(jnp.asarray(start, dtype), steps, is_beyond)
    _, (taken, status) = walk(
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
    return Passage(taken, status)


class PassageTime(NamedTuple):
    """An estimate of the mean first passage: `mean`, its interval `low` to `high`, and the runs that it rests on.

    `passed`, `censored` and `diverged` count the runs of each status.
    """

    mean: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]
    passed: Integer[np.ndarray, "..."]
    censored: Integer[np.ndarray, "..."]
    diverged: Integer[np.ndarray, "..."]


def estimate_passage(
    steps: Integer[Array | np.ndarray, "..."],
    status: Integer[Array | np.ndarray, "..."],
    *,
    axis: int | tuple[int, ...] = 0,
    level: float = 0.95,
) -> PassageTime:
    r"""Mean first passage from censored runs, $\hat\tau = T / n$: the steps of all runs over the number that passed.

    The maximum-likelihood estimate if passages come at a constant rate, as those out of a well do once the run has
    forgotten its start; until then they are rarer, which biases it in proportion to the share of censored runs. Out of
    a double well with a mean of 204 steps: 0.5 % if runs end after 512 steps, nothing to be seen if they end after
    eight times the mean. A run that diverged counts as censored there. The interval is the exact one for exponential
    times, from $2T/\tau \sim \chi^2_{2n}$: low $2T/\chi^2_{2m}(1-a)$ with $m = n$ if every run passed, else $n + 1$
    (Garwood, which covers at least `level`), high $2T/\chi^2_{2n}(a)$, where $a = (1 - \text{level})/2$.

    Args:
        steps: of each run, as `first_passage` returns them.
        status: of each run, numbers of `PASSAGES`.
        axis: over which the runs lie.
        level: coverage of the interval, in (0, 1).

    Returns:
        `PassageTime`, in steps; where no run passed, mean and high are infinite.

    Raises:
        ArgumentError: shapes that differ, a status that is none, or a level outside (0, 1).

    >>> time = estimate_passage(np.array([10, 20, 30, 40]), np.array([1, 1, 1, 0]))
    >>> round(float(time.mean), 2), round(float(time.low), 2), round(float(time.high), 2), int(time.censored)
    (33.33, 11.41, 161.64, 1)

    Source: Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442.
    """
    steps, status = (
        np.asarray(read_array(name, given, kinds="iu")) for name, given in (("steps", steps), ("status", status))
    )
    if steps.shape != status.shape:
        raise ArgumentError("status", status.shape, f"must have the shape {steps.shape} of steps", "Give both per run")
    if not np.isin(status, range(len(PASSAGES))).all():
        raise ArgumentError("status", status, "must be numbers of PASSAGES", "Give what first_passage returned")
    over = axis if isinstance(axis, tuple) else (axis,)
    for one in over:
        check_integer("axis", one, -steps.ndim, steps.ndim - 1, "Name dimensions that the runs lie along")
    if len({one % steps.ndim for one in over}) < len(over):
        raise ArgumentError("axis", axis, "must name each dimension once", "Leave out what is named twice")
    level = boundary.read_number("level", level, LEVEL, "Give 0.95 for a 95 % interval")
    censored, passed, diverged = (np.asarray((status == number).sum(axis)) for number in range(len(PASSAGES)))
    total = np.asarray(steps.sum(axis, dtype=np.float64))
    tail = (1 - level) / 2
    some = np.maximum(passed, 1)
    bounded = passed + (censored + diverged > 0)
    low = 2 * total / chdtri(2 * np.maximum(bounded, 1), tail)
    high = np.where(passed > 0, 2 * total / chdtri(2 * some, 1 - tail), np.inf)
    mean = np.where(passed > 0, total / some, np.inf)
    return PassageTime(mean, low, high, passed, censored, diverged)
