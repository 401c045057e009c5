"""Early stopping: hand-worked curves, a plain-Python reference, Keras' stops, and rules applied afterwards."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg.errors import ArgumentError
from jaxreg.nets.stopping import EarlyStopping, apply, check_monitor, from_keras, start, update

_nan = math.nan
_LOSSES = [3.0, 2.0, 2.5, 2.25, 1.5, 1.5, 1.75, 1.25, 2.0, 2.0, 2.0]
_ACCURACIES = [0.5, 0.75, 0.625, 0.75, 0.875, 0.5, 0.25]


def _follow(rule, curve, epochs=None):
    """The state after a curve, one compiled update per record."""
    values = jnp.asarray(curve, jnp.float32)
    epochs = jnp.arange(1, len(curve) + 1) if epochs is None else jnp.asarray(epochs)
    step = lambda state, record: (update(rule, state, *record), None)  # noqa: E731
    return jax.lax.scan(step, start(rule), (values, epochs))[0]


def _stop(rule, curve, epochs=None):
    state = _follow(rule, curve, epochs)
    return int(state.stopped_epoch), int(state.best_epoch)


def _reference(curve, mode, min_delta, patience, baseline, start_epoch):
    """The rule as one would say it: (stopped epoch, best epoch)."""
    sign = 1 if mode == "max" else -1
    best, best_epoch, without = -math.inf, 0, 0
    for epoch, value in enumerate(curve, start=1):
        if epoch < start_epoch:
            continue
        without += 1
        gain = sign * value - min_delta
        if gain > best:
            best, best_epoch = sign * value, epoch
            if baseline is None or gain > sign * baseline:
                without = 0
        if without > patience:
            return epoch, best_epoch
    return 0, best_epoch


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"patience": 0}, (3, 2)),
        ({"patience": 1}, (4, 2)),
        ({"patience": 2}, (11, 8)),  # 2.5 and 2.25 are tolerated, 1.5 and 1.75 as well, the third 2.0 is not
        ({"patience": 3}, (0, 8)),
        ({"patience": math.inf}, (0, 8)),
        ({"patience": 2, "min_delta": 0.25}, (8, 5)),  # 1.25 is below 1.5, but not by more than 0.25
        ({"patience": 0, "start_epoch": 3}, (6, 5)),
        ({"patience": 0, "start_epoch": 12}, (0, 0)),
        ({"patience": 0, "mode": "max"}, (2, 1)),
        ({"patience": 1, "baseline": 2.0}, (2, 2)),  # 2.0 is no better than the baseline
        ({"patience": 2, "baseline": 2.25}, (11, 8)),
        ({"patience": 4, "baseline": 1.0}, (5, 5)),
    ],
)
def test_hand_worked_curve(changes, expected):
    assert _stop(EarlyStopping("validation_loss", **changes), _LOSSES) == expected


@pytest.mark.parametrize(
    ("curve", "patience", "expected"),
    [
        ([_nan, 2.0, 1.0, 1.5], 0, (1, 0)),
        ([_nan, 2.0, 1.0, 1.5], 1, (0, 3)),
        ([2.0, _nan, 1.0, _nan, _nan, 0.5], 1, (5, 3)),
        ([_nan] * 4, 2, (3, 0)),
        ([math.inf, math.inf, 1.0], 1, (2, 0)),
        ([math.inf, 1.0, -math.inf, 0.0], 1, (0, 3)),
    ],
)
def test_a_nan_is_never_the_best_and_counts_as_no_improvement(curve, patience, expected):
    assert _stop(EarlyStopping("validation_loss", patience=patience), curve) == expected


def test_nothing_changes_after_the_stop():
    rule = EarlyStopping("validation_loss", patience=1)
    stopped = _follow(rule, _LOSSES[:4])
    assert int(stopped.stopped_epoch) == 4
    for part, later in zip(stopped, _follow(rule, _LOSSES), strict=True):
        assert part == later


@pytest.mark.parametrize(
    ("curve", "keras", "expected"),
    [  # The stop epochs (0: none) and best epochs that Keras 3.15.1 gave, its epochs counted from 1
        *((_LOSSES, {"patience": p}, e) for p, e in enumerate([(3, 2), (3, 2), (4, 2), (11, 8), (0, 8), (0, 8)])),
        *((_LOSSES, {"patience": p, "min_delta": 0.25}, e) for p, e in [(1, (3, 2)), (2, (4, 2)), (3, (8, 5))]),
        *((_LOSSES, {"patience": p, "min_delta": -0.5}, e) for p, e in [(1, (3, 2)), (2, (4, 2)), (3, (5, 2))]),
        *(
            (_LOSSES, {"patience": 1, "start_from_epoch": s}, e)
            for s, e in enumerate([(3, 2), (3, 2), (6, 5), (6, 5), (6, 5), (7, 6)])
        ),
        *(
            (_ACCURACIES, {"monitor": "val_accuracy", "patience": p}, e)
            for p, e in enumerate([(3, 2), (3, 2), (4, 2), (0, 5), (0, 5)])
        ),
        *(([2.0, _nan, 1.0, _nan, _nan, 0.5], {"patience": p}, e) for p, e in enumerate([(2, 1), (2, 1), (5, 3)])),
        ([5.0, 4.0, 3.0, 2.0, 1.5, 1.75], {"patience": 3, "baseline": 3.5}, (0, 5)),
    ],
)
def test_stops_where_keras_does(curve, keras, expected):
    assert _stop(from_keras(**keras), curve) == expected


@pytest.mark.parametrize(
    ("curve", "keras", "in_keras", "here"),
    [
        ([_nan, 2.0, 1.0, 0.5], {"patience": 2}, (3, 1), (0, 4)),  # there the NaN is the best, and stays it
        ([5.0, 4.0, 3.0, 2.0, 1.5, 1.75], {"patience": 2, "baseline": 0.0}, (6, 5), (2, 2)),
        ([5.0, 4.0, 3.0, 2.0, 1.5, 1.75], {"patience": 2, "baseline": 3.5}, (0, 5), (2, 2)),
    ],
)
def test_differs_from_keras_on_purpose(curve, keras, in_keras, here):
    assert _stop(from_keras(**keras), curve) == here != in_keras


def test_keras_names_and_epochs_are_translated():
    assert from_keras("val_loss", start_from_epoch=2) == EarlyStopping("validation_loss", start_epoch=3)
    assert from_keras("accuracy", 0.5, 3) == EarlyStopping("train_accuracy", "max", 0.5, 2)
    assert from_keras("val_score", mode="max", baseline=1.0) == EarlyStopping("validation_score", "max", baseline=1.0)


_VALUES = st.one_of(st.integers(-6, 6).map(lambda k: k / 4), st.sampled_from([_nan, math.inf, -math.inf]))
_RULES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "min_delta": st.sampled_from([0.0, 0.25, 0.5]),
        "patience": st.one_of(st.integers(0, 5), st.just(math.inf)),
        "baseline": st.one_of(st.none(), st.integers(-6, 6).map(lambda k: k / 4)),
        "start_epoch": st.integers(1, 6),
    }
)
_PADDED = 12


@given(st.lists(_VALUES, min_size=_PADDED, max_size=_PADDED), _RULES)
@settings(deadline=None, max_examples=100)
def test_agrees_with_plain_python(curve, arguments):
    expected = _reference(curve, **arguments)
    history = xr.Dataset({"score": ("epoch", np.float32(curve))})
    applied = apply(history, {"rule": EarlyStopping("score", **arguments)}).isel(rule=0)
    assert (int(applied["stopped_epoch"]), int(applied["best_epoch"])) == expected
    stopped, best = expected
    last = stopped or _PADDED
    assert int(applied["last_epoch"]) == last
    np.testing.assert_array_equal(applied["score"].sel(at="last"), np.float32(curve[last - 1]))
    np.testing.assert_array_equal(applied["score"].sel(at="best"), np.float32(curve[best - 1] if best else _nan))


# --- Numbers that are traced ------------------------------------------------------------------------------------------


def test_numbers_of_a_rule_may_be_swept_in_one_program():
    traces = []

    @jax.jit
    @jax.vmap
    def stop(patience, min_delta):
        traces.append(1)
        return _follow(EarlyStopping("validation_loss", None, min_delta, patience), _LOSSES)

    patience, min_delta = np.meshgrid(np.arange(4), np.float32([0, 0.25, 0.5]), indexing="ij")
    together = stop(patience.ravel(), min_delta.ravel())
    stop(patience.ravel() + 1, min_delta.ravel())
    assert len(traces) == 1
    for i, (p, delta) in enumerate(zip(patience.ravel(), min_delta.ravel(), strict=True)):
        alone = _follow(EarlyStopping("validation_loss", patience=int(p), min_delta=float(delta)), _LOSSES)
        for part, same in zip(together, alone, strict=True):
            assert part[i] == same


def test_rule_is_a_pytree_of_its_numbers():
    rule = EarlyStopping("validation_loss", patience=3, baseline=1.0)
    assert jax.tree.leaves(rule) == [0.0, 3, 1.0, 1]
    assert jax.tree.map(lambda leaf: leaf, rule) == rule
    assert jax.tree.structure(rule) != jax.tree.structure(EarlyStopping("test_loss", patience=3, baseline=1.0))


# --- Rules applied afterwards -----------------------------------------------------------------------------------------


def _history(seed=0, runs=(3, 4), epochs=9, dtype=np.float32):
    random = np.random.default_rng(seed)
    shape = (*runs, epochs)
    curves = {
        "validation_accuracy": np.round(random.uniform(0, 1, shape), 1),
        "validation_loss": np.round(random.uniform(0, 2, shape), 1),
        "test_accuracy": random.uniform(0, 1, shape),
    }
    dims = ("rate", "seed", "epoch")
    return xr.Dataset(
        {name: (dims, curve.astype(dtype)) for name, curve in curves.items()}
        | {"diverged": (dims[:2], np.zeros(runs, bool)), "steps": ("rate", np.arange(runs[0]))},
        {"rate": np.linspace(0, 1, runs[0]), "seed": np.arange(runs[1]), "epoch": np.arange(1, epochs + 1)},
        {"dataset": "digits"},
    )


_APPLIED = {
    "to the end": EarlyStopping(patience=math.inf),
    "accuracy 1": EarlyStopping(patience=1, min_delta=0.1),
    "loss 0": EarlyStopping("validation_loss"),
    "loss 2": EarlyStopping("validation_loss", patience=2, start_epoch=2, baseline=0.5),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_applied_afterwards_is_compiled_along_the_way(dtype):
    history = _history(dtype=dtype)
    applied = apply(history, _APPLIED)
    assert applied["stopped_epoch"].dims == ("rule", "rate", "seed")
    assert applied["rule"].values.tolist() == list(_APPLIED)
    epochs = np.arange(1, 10)
    for name, rule in _APPLIED.items():
        curve = history[rule.monitor].transpose("epoch", ...).values
        with jax.enable_x64(dtype == np.float64):
            state = start(rule, curve.shape[1:], curve.dtype)
            step = jax.jit(update)
            for value, epoch in zip(jnp.asarray(curve), epochs, strict=True):
                state = step(rule, state, value, int(epoch))
        chosen = applied.sel(rule=name)
        np.testing.assert_array_equal(chosen["stopped_epoch"], state.stopped_epoch)
        np.testing.assert_array_equal(chosen["best_epoch"], state.best_epoch)
        last = np.where(np.asarray(state.stopped_epoch) > 0, state.stopped_epoch, 9)
        np.testing.assert_array_equal(chosen["last_epoch"], last)
        for at, epoch in (("last", last), ("best", np.asarray(state.best_epoch))):
            index = np.maximum(epoch, 1)[..., None] - 1
            for variable in ("validation_accuracy", "validation_loss", "test_accuracy"):
                expected = np.take_along_axis(history[variable].values, index, -1)[..., 0]
                got = chosen[variable].sel(at=at).transpose("rate", "seed").values
                np.testing.assert_array_equal(got, np.where(epoch > 0, expected, np.nan))


def test_what_is_no_curve_is_kept():
    history = _history()
    applied = apply(history, _APPLIED)
    xr.testing.assert_identical(applied["steps"], history["steps"])
    assert applied.attrs == history.attrs
    assert set(applied.dims) == {"rule", "at", "rate", "seed"}
    assert applied["at"].values.tolist() == ["last", "best"]
    assert not applied["diverged"].any()


def test_a_run_that_stops_in_time_has_not_diverged():
    losses = [[1.0, 2.0, 2.0, _nan], [1.0, 0.5, 0.25, 0.125], [1.0, _nan, _nan, _nan], [1.0, 2.0, 2.0, 2.0]]
    history = xr.Dataset(
        {"validation_loss": (("seed", "epoch"), losses), "diverged": ("seed", [True, False, True, True])}
    )
    rules = {"0": EarlyStopping("validation_loss"), "9": EarlyStopping("validation_loss", patience=9)}
    applied = apply(history, rules)
    # Run 3 diverged in what is no curve, at an unknown time: only a run that never stopped is sure to have.
    assert applied["diverged"].values.tolist() == [[False, False, True, False], [True, False, True, True]]
    assert applied["validation_loss"].sel(at="best").values.tolist() == [[1, 0.125, 1, 1]] * 2


def test_padding_is_no_record():
    history = xr.Dataset(
        {
            "validation_loss": (("epochs", "epoch"), [[2.0, 1.0, _nan, _nan], [2.0, 1.0, 3.0, 3.0]]),
            "epoch_valid": (("epochs", "epoch"), [[True, True, False, False], [True] * 4]),
        },
        {"epochs": [2, 4]},
    )
    applied = apply(history, {"1": EarlyStopping("validation_loss", patience=1)}).isel(rule=0)
    assert applied["stopped_epoch"].values.tolist() == [0, 4]
    assert applied["last_epoch"].values.tolist() == [2, 4]
    assert applied["validation_loss"].sel(at="last").values.tolist() == [1.0, 3.0]


def test_epochs_are_those_of_the_records():
    history = xr.Dataset({"validation_loss": ("epoch", [2.0, 1.0, 1.5, 1.25])}, {"epoch": [5, 10, 15, 20]})
    rules = {"0": EarlyStopping("validation_loss"), "late": EarlyStopping("validation_loss", start_epoch=11)}
    applied = apply(history, rules)
    assert applied["stopped_epoch"].values.tolist() == [15, 0]
    assert applied["best_epoch"].values.tolist() == [10, 20]
    assert applied["validation_loss"].sel(at="last").values.tolist() == [1.5, 1.25]


def test_rules_may_monitor_curves_of_other_dimensions():
    history = _history().assign(shared_loss=("epoch", np.arange(9.0, 0, -1)))
    applied = apply(history, {"shared": EarlyStopping("shared_loss", start_epoch=3), "own": EarlyStopping()})
    assert applied["stopped_epoch"].dims == ("rule", "rate", "seed")
    assert (applied["stopped_epoch"].sel(rule="shared") == 0).all()
    alone = apply(_history(), {"own": EarlyStopping()})
    np.testing.assert_array_equal(applied["test_accuracy"].sel(rule="own"), alone["test_accuracy"].sel(rule="own"))


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": -1}, "patience = -1: must be a whole number of 0 or more"),
        ({"patience": 1.5}, "patience = 1.5: must be a whole number"),
        ({"patience": _nan}, "patience = nan"),
        ({"min_delta": -0.1}, "min_delta = -0.1: must be a number of 0 or more, and finite"),
        ({"min_delta": math.inf}, "min_delta = inf"),
        ({"start_epoch": 0}, "start_epoch = 0: must be a whole number of 1 or more, and finite"),
        ({"baseline": _nan}, "baseline = nan: must be a number"),
        ({"mode": "auto"}, "mode = 'auto': must be 'max', 'min' or None"),
        ({"monitor": "weight_norm"}, "cannot be told from the name 'weight_norm'. Say 'max' or 'min'"),
    ],
)
def test_bad_rules_are_refused(arguments, message):
    with pytest.raises(ArgumentError) as refusal:
        EarlyStopping(**arguments)
    assert message in str(refusal.value)


def test_numbers_of_a_rule_may_be_integers_that_jax_has_no_room_for():
    rule = EarlyStopping("validation_loss", min_delta=2**40, patience=2**40, baseline=2**63, start_epoch=1)
    state = update(rule, start(rule), jnp.array(1.0), 1)
    assert state.best_value == 1
    assert state.stopped_epoch == 0


@pytest.mark.parametrize("arguments", [{"patience": -1}, {"start_from_epoch": -1}, {"mode": "up"}])
def test_bad_arguments_of_keras_are_refused(arguments):
    with pytest.raises(ArgumentError):
        from_keras(**arguments)


def test_what_is_recorded_is_listed():
    with pytest.raises(
        ArgumentError, match=r"'validation_loss': is not recorded\. Choose one of test_accuracy, test_l"
    ):
        check_monitor(EarlyStopping("validation_loss"), ("test_loss", "test_accuracy"))
    with pytest.raises(ArgumentError, match="Choose one of test_accuracy, validation_accuracy, validation_loss"):
        apply(_history(), {"rule": EarlyStopping("train_loss")})


def test_bad_histories_are_refused():
    rules = {"rule": EarlyStopping()}
    with pytest.raises(ArgumentError, match=r"dim = 'step': must be a dimension of the curves\. Known: rate, seed, ep"):
        apply(_history(), rules, dim="step")
    with pytest.raises(ArgumentError, match="rules"):
        apply(_history(), {})
    with pytest.raises(ArgumentError, match="'at'"):
        apply(_history().rename(rate="at"), rules)
    for epochs in (np.arange(9), np.arange(9, 0, -1), np.linspace(1, 2, 9)):
        with pytest.raises(ArgumentError, match="epoch"):
            apply(_history().assign_coords(epoch=epochs), rules)
