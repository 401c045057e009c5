"""The rule of early stopping: what counts as an improvement, and how long to wait for one."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float, Integer

from jaxreg.checks import FINITE, Domain, check_choice, check_integer, check_kind
from jaxreg.errors import ArgumentError
from jaxreg.values import register_value

Number: TypeAlias = int | float | np.number | Float[Array, "..."] | Integer[Array, "..."]

SIGNS = {"max": 1, "min": -1}
_MODES = {"accuracy": "max", "loss": "min"}


@register_value("monitor", "mode")
@dataclass(frozen=True)
class EarlyStopping:
    r"""When to stop: after more than `patience` records in succession that brought no improvement.

    Record $v$ improves on the best so far, $b$, if $v - \delta > b$ (mode "max") or $v + \delta < b$ (mode "min"),
    $\delta$ = `min_delta`, and is then the new best, whether it beats the baseline or not. The count of records without
    improvement starts anew when $v$ improves on $b$ and, in the same sense, on the baseline. Training stops after the
    record that brings the count above `patience`; that record is the last. Before the first record, $b$ is the worst
    infinity, so that any finite number improves on it. NaN improves on nothing and nothing is ever compared with it.

    The numbers may be traced, and swept. What a training records moves in jumps with them, and has the derivative 0
    between these.

    Args:
        monitor: name of the record that decides, such as "validation_loss" (static).
        mode: "max" or "min", what is better; by default "min" for a name with "loss", "max" for one with "accuracy".
        min_delta: $\delta \ge 0$, in the unit of the record.
        patience: how many records in succession without improvement are tolerated: a whole number, 0 to stop at the
            first, infinite to never stop. With a record every k epochs, each stands for k epochs.
        baseline: what a record must improve on to count as progress, or None.
        start_epoch: first epoch that is looked at, counted from 1; those before are neither best nor without progress.

    Raises:
        ArgumentError: an argument is outside its domain, or no mode is given and the name does not tell it.

    >>> EarlyStopping("validation_loss", patience=2)
    EarlyStopping(monitor='validation_loss', mode='min', min_delta=0.0, patience=2, baseline=None, start_epoch=1)

    `patience` counts as Flax' `EarlyStopping` does; for Keras' numbers, and what differs, see `from_keras`.

    Source: the patience of Keras' and Flax' callbacks. It counts records that do not beat the best one; the criterion
    UP_s of Prechelt, Early Stopping - But When? (1998), counts rises from strip to strip.
    """

    monitor: str = "validation_accuracy"
    mode: str | None = None
    min_delta: Number = 0.0
    patience: Number = 0
    baseline: Number | None = None
    start_epoch: Number = 1

    def __post_init__(self) -> None:
        """Fill in the mode and refuse what is outside its domain."""
        check_kind("monitor", self.monitor, str, 'Give the name of a record, as "validation_loss"')
        if self.mode is None:
            object.__setattr__(self, "mode", _infer_mode(self.monitor))
        if not isinstance(self.mode, str) or self.mode not in SIGNS:
            raise ArgumentError("mode", self.mode, "must be 'max', 'min' or None", "Say which is better")
        _check("min_delta", self.min_delta, 0)
        _check("patience", self.patience, 0, whole=True, finite=False)
        _check("start_epoch", self.start_epoch, 1, whole=True)
        if self.baseline is not None:
            _check("baseline", self.baseline, -math.inf, finite=False)


def from_keras(
    monitor: str = "val_loss",
    min_delta: int | float = 0.0,
    patience: int = 0,
    mode: str = "auto",
    baseline: Number | None = None,
    start_from_epoch: int = 0,
) -> EarlyStopping:
    """The rule that stops at the epoch at which Keras 3's `EarlyStopping` of the same arguments does.

    Keras stops at the `patience`-th record in succession without improvement, and at the first for 0 as well as for 1:
    its p >= 1 tolerates p - 1 records. Its epochs count from 0, the sign of its `min_delta` is ignored, and its
    "val_loss" is "validation_loss" here, which is the data loss alone, where Keras adds the penalty. Its "loss" and
    "accuracy" are running means with dropout on, "train_loss" and "train_accuracy" here are taken at the epoch's end
    with dropout off, so that for these two the epochs may differ.

    Two things are different on purpose. In Keras a NaN in the first record is the best for ever; here it is a record
    without improvement. Keras never stops at a record that is the best so far and yet misses the baseline; here, as its
    documentation says, such records are without progress, and more of them than are tolerated stop the training.

    Args:
        monitor: as Keras names it: "val_loss", "val_accuracy", "loss" or "accuracy".
        min_delta: what counts as an improvement.
        patience: records without one.
        mode: "min", "max", or "auto", which goes by the name.
        baseline: what a record must better, too.
        start_from_epoch: records before this epoch are not looked at.

    Raises:
        ArgumentError: an argument is outside its domain.

    >>> from_keras("val_accuracy", patience=2).patience
    1
    """
    check_kind("monitor", monitor, str, 'Give the name of a record, as "val_loss"')
    FINITE.check("min_delta", min_delta, "Give a number in the unit of the record")
    name = f"validation_{monitor.removeprefix('val_')}" if monitor.startswith("val_") else f"train_{monitor}"
    for argument, value in (("patience", patience), ("start_from_epoch", start_from_epoch)):
        check_integer(argument, value, 0, math.inf, "Give a whole number of records")
    check_choice("mode", mode, ("auto", "min", "max"))
    direction = None if mode == "auto" else mode
    return EarlyStopping(name, direction, abs(min_delta), max(patience - 1, 0), baseline, start_from_epoch + 1)


def _infer_mode(monitor: str) -> str:
    for word, mode in _MODES.items():
        if word in monitor:
            return mode
    raise ArgumentError("mode", None, f"cannot be told from the name {monitor!r}", "Say 'max' or 'min'")


def _check(name: str, value: Any, least: int | float, whole: bool = False, finite: bool = True) -> None:
    """Refuse a concrete number outside its domain; traced values cannot be looked at."""
    if isinstance(value, jax.core.Tracer):
        return
    kind = f"{'a whole' if whole else 'a'} number" + (f" of {least} or more" if least > -math.inf else "")
    constraint = f"must be {kind}{', and finite' if finite else ''}"
    remedy = "Give a number in that range"
    try:
        Domain(least, ends="[)" if finite else "[]", whole=whole).check_all(name, value, remedy)
    except ArgumentError as error:
        raise ArgumentError(name, value, constraint, remedy) from error
