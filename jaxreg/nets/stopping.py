"""Early stopping: a rule compiled into the training, or applied afterwards to the curves of runs that went on."""

import functools
import math
import operator
from collections.abc import Collection, KeysView, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Integer

from jaxreg.checks import MOST, Domain, as_real, check_integer, check_kind, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.nets.stopping_rule import SIGNS, EarlyStopping, Number
from jaxreg.nets.stopping_rule import from_keras as from_keras


class StoppingState(NamedTuple):
    """What a rule remembers between records; every part has the shape of the monitored value.

    Args:
        best_value: the best record so far, the worst infinity before there is one.
        best_epoch: its epoch, 0 before there is one.
        waited: records since progress.
        stopped_epoch: the last epoch of a training that stopped, 0 of one that goes on.
    """

    best_value: Float[Array, "*shape"]
    best_epoch: Integer[Array, "*shape"]
    waited: Integer[Array, "*shape"]
    stopped_epoch: Integer[Array, "*shape"]


def start(rule: EarlyStopping, shape: tuple[int, ...] = (), dtype: Any = jnp.float32) -> StoppingState:
    """The state before the first record.

    Args:
        rule: when to stop.
        shape: of the monitored value, which has no dimension in the training of one run.
        dtype: of the monitored value.

    Raises:
        ArgumentError: what is no rule, or a shape or type that no records have.

    >>> float(start(EarlyStopping("validation_loss", patience=2)).best_value)
    inf
    """
    _check_rule(rule)
    check_kind("shape", shape, tuple, "Give that of the monitored value, () for one number")
    for side in shape:
        check_integer("shape", side, 0, MOST, "Give that of the monitored value, () for one number")
    try:
        is_float = jnp.issubdtype(dtype, jnp.floating)
    except (TypeError, ValueError):
        is_float = False
    if not is_float:
        raise ArgumentError("dtype", dtype, "must be floating", "Give that of the monitored value")
    worst = jnp.full(shape, -math.inf * SIGNS[str(rule.mode)], dtype)
    none = jnp.zeros(shape, jnp.int32)
    return StoppingState(worst, none, none, none)


def update(
    rule: EarlyStopping, state: StoppingState, value: Float[Array, "*shape"], epoch: int | Integer[Array, ""]
) -> StoppingState:
    """The state after one more record; that of a training that has stopped stays as it is.

    Args:
        rule: when to stop.
        state: from `start`, or from the record before.
        value: the monitored value.
        epoch: its epoch, counted from 1.

    Raises:
        ArgumentError: what is no rule or no state, or an epoch below 0.

    >>> rule = EarlyStopping("validation_loss", patience=1)
    >>> state = start(rule)
    >>> for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.0, 0.5], start=1):
    ...     state = update(rule, state, jnp.array(loss), epoch)
    >>> {name: float(part) for name, part in state._asdict().items()}
    {'best_value': 1.0, 'best_epoch': 2.0, 'waited': 2.0, 'stopped_epoch': 4.0}
    """
    _check_rule(rule)
    check_kind("state", state, StoppingState, "Give what start or update returned")
    Domain(0, 2**31 - 1, whole=True).check("epoch", epoch, "Count epochs from 1")
    value = read_floats("value", value)
    dtype, epoch = value.dtype, jnp.asarray(epoch, jnp.int32)
    sign, delta = jnp.asarray(SIGNS[str(rule.mode)], dtype), jnp.asarray(as_real(rule.min_delta)).astype(dtype)

    def beats(reference: Any) -> Array:
        return sign * value - delta > sign * reference

    seen = (state.stopped_epoch == 0) & (_count(epoch) >= _count(rule.start_epoch))
    better = seen & beats(state.best_value)
    progress = better if rule.baseline is None else better & beats(jnp.asarray(as_real(rule.baseline)).astype(dtype))
    waited = jnp.where(progress, 0, state.waited + seen.astype(jnp.int32))
    stops = seen & (_count(waited) > _count(rule.patience))
    return StoppingState(
        jnp.where(better, value, state.best_value),
        jnp.where(better, epoch, state.best_epoch),
        waited,
        jnp.where(stops, epoch, state.stopped_epoch),
    )


def apply(history: xr.Dataset, rules: Mapping[str, EarlyStopping], dim: str = "epoch") -> xr.Dataset:
    """What each rule would have made of runs that were trained to the end: the rules become an axis that costs nothing.

    Training up to an epoch does not depend on what follows it; hence this is what training with `stopping=rule` gives.

    Args:
        history: result of a sweep whose curves lie along `dim`. Its coordinate tells the epochs, counted from 1.
        rules: rules by the names that they shall have along the new dimension `rule`.
        dim: dimension of the records.

    Returns:
        Dataset over `rule` and the other dimensions of the curves. `last_epoch` is the last epoch trained,
        `stopped_epoch` the same, but 0 where the rule did not stop the run, and `best_epoch` is 0 where no record was
        ever the best. Each recorded variable has, in place of `dim`, the dimension `at`: its values at the "last" and
        at the "best" epoch, NaN where that does not exist. A run is `diverged` under a rule if it did so by the last
        epoch trained. What has no `dim` is kept as it is.

    Raises:
        ArgumentError: no rules, a rule that monitors what is not recorded, or a dimension that is missing or taken.

    >>> history = xr.Dataset({"validation_loss": ("epoch", [3.0, 1.0, 2.0, 0.5])}, {"epoch": [1, 2, 3, 4]})
    >>> rules = {f"patience {p}": EarlyStopping("validation_loss", patience=p) for p in (0, 1)}
    >>> applied = apply(history, rules)
    >>> applied["stopped_epoch"].values, applied["validation_loss"].sel(at="best").values
    (array([3, 0]), array([1. , 0.5]))
    """
    check_kind("history", history, xr.Dataset, "Give the result of a sweep")
    check_kind("dim", dim, str, "Give the name of a dimension")
    check_kind("rules", rules, Mapping, 'Give {"patience 0": EarlyStopping()}')
    for rule in rules.values():
        _check_rule(rule)
    curves = history[[name for name in history.data_vars if dim in history[name].dims]].compute()
    recorded = [str(name) for name in curves.data_vars if name != f"{dim}_valid"]
    if not recorded:
        known = ", ".join(map(str, history.dims)) or "none"
        raise ArgumentError("dim", dim, "must be a dimension of the curves", f"Known: {known}")
    taken = {"rule", "at", "last_epoch", "stopped_epoch", "best_epoch"} & {*history.dims, *history.variables}
    if taken:
        raise ArgumentError("history", sorted(taken), "must not have names that the result adds", "Rename these")
    if not rules:
        raise ArgumentError("rules", rules, "must hold at least one rule", 'Give {"patience 0": EarlyStopping()}')
    for rule in rules.values():
        check_monitor(rule, recorded)
    epochs = _read_epochs(curves, dim)
    applied = [
        _apply_rule(rule, curves[recorded], _find_real(curves, rule, dim), epochs, dim) for rule in rules.values()
    ]
    result = xr.concat(applied, xr.Variable("rule", list(rules)), data_vars="all", coords="minimal")
    if "diverged" in history:
        went_on = result["stopped_epoch"] == 0
        diverged = history["diverged"].compute() & (went_on | ~result["finite"])
        result["diverged"] = diverged.transpose("rule", ...)
    kept = history.drop_vars([*curves.variables, "diverged"], errors="ignore")
    return result.drop_vars("finite").merge(kept).assign_attrs(history.attrs)


def check_monitor(rule: EarlyStopping, recorded: Collection[str]) -> None:
    """Refuse a rule that monitors what is not recorded.

    Raises:
        ArgumentError: what is monitored is not among what is recorded.

    >>> check_monitor(EarlyStopping("validation_loss"), ["train_loss", "test_loss"])
    Traceback (most recent call last):
        ...
    jaxreg.errors.ArgumentError: monitor = 'validation_loss': is not recorded. Choose one of test_loss, train_loss.
    """
    _check_rule(rule)
    if isinstance(recorded, str) or not isinstance(recorded, list | tuple | set | frozenset | KeysView | Mapping):
        raise ArgumentError("recorded", recorded, "must be names", "Give a list of them")
    if rule.monitor not in recorded:
        known = ", ".join(sorted(map(str, recorded))) or "none"
        raise ArgumentError("monitor", rule.monitor, "is not recorded", f"Choose one of {known}")


def _check_rule(rule: Any) -> None:
    check_kind("rule", rule, EarlyStopping, 'Give EarlyStopping("validation_loss", patience=2)')


def _apply_rule(
    rule: EarlyStopping, curves: xr.Dataset, real: xr.DataArray, epochs: np.ndarray, dim: str
) -> xr.Dataset:
    """One rule on all curves, `real` telling records of the monitored one from padding."""
    monitored = curves[rule.monitor].transpose(dim, ...)
    with jax.enable_x64(monitored.dtype == np.float64):
        state = jax.tree.map(np.asarray, _follow(rule, monitored.values, epochs, real.values))
    rest = monitored.isel({dim: 0}, drop=True)
    stopped, best = (rest.copy(data=epoch.astype(np.int64)) for epoch in (state.stopped_epoch, state.best_epoch))
    end = real.sum(dim) - 1
    last = xr.where(stopped > 0, xr.apply_ufunc(lambda epoch: np.searchsorted(epochs, epoch), stopped), end)
    place = xr.apply_ufunc(lambda epoch: np.searchsorted(epochs, epoch), best)
    ends = xr.concat([last, place], xr.Variable("at", ["last", "best"]))
    exists = xr.concat([xr.ones_like(best, bool), best > 0], ends["at"])
    chosen = curves.drop_vars(dim, errors="ignore").isel({dim: ends}).where(exists)
    run = xr.DataArray(np.arange(len(epochs)), dims=dim) <= last
    finite = functools.reduce(
        operator.and_, ((np.isfinite(curve) | ~run).all(dim) for curve in curves.data_vars.values())
    )
    last_epoch = last.copy(data=epochs[last.values])
    return chosen.assign(last_epoch=last_epoch, stopped_epoch=stopped, best_epoch=best, finite=finite)


@jax.jit
def _follow(
    rule: EarlyStopping,
    values: Float[Array, "records ..."],
    epochs: Integer[Array, " records"],
    real: Bool[Array, "records ..."],
) -> StoppingState:
    """The state after all records."""

    def step(state: StoppingState, record: tuple[Array, Array, Array]) -> tuple[StoppingState, None]:
        value, epoch, real = record
        new = update(rule, state, value, epoch)
        return jax.tree.map(lambda new, old: jnp.where(real, new, old), new, state), None

    return jax.lax.scan(step, start(rule, values.shape[1:], values.dtype), (values, epochs, real))[0]


def _find_real(curves: xr.Dataset, rule: EarlyStopping, dim: str) -> xr.DataArray:
    """Which records of the monitored variable are no padding."""
    monitored = curves[rule.monitor].transpose(dim, ...)
    if f"{dim}_valid" not in curves:
        return xr.ones_like(monitored, bool)
    return curves[f"{dim}_valid"].broadcast_like(monitored).transpose(*monitored.dims)


def _read_epochs(curves: xr.Dataset, dim: str) -> np.ndarray:
    """The numbers of the epochs; 1, 2, ... where the dataset has none."""
    if dim not in curves.coords:
        return np.arange(1, curves.sizes[dim] + 1, dtype=np.int32)
    epochs = curves[dim].values
    if epochs.dtype.kind not in "iu" or epochs[0] < 1 or (np.diff(epochs) <= 0).any():
        raise ArgumentError(dim, epochs, "must be increasing whole numbers from 1 on", "Number the epochs")
    return epochs.astype(np.int32)


def _count(number: Number) -> Float[Array, "..."]:
    """A whole number as one that may be infinite."""
    return jnp.asarray(as_real(number)).astype(jnp.float32)
