"""Axes: values that are equal but not the same, one value written in several ways, keywords along an axis."""

import dataclasses
import enum
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.checks import check_integer
from jaxreg.engine.axes import Seeds
from jaxreg.errors import ArgumentError, SweepError


def sweep(run, axes, **options):
    return jr.sweep(run, axes, progress=False, **options)


@dataclasses.dataclass(frozen=True)
class Setting:
    value: Any


class Member(enum.IntEnum):
    """One that is equal to a number."""

    ONE = 1


KINDS = {bool: 1.0, int: 2.0, float: 3.0, np.float32: 4.0, np.int64: 5.0, np.bool_: 6.0, Member: 7.0}
SAME = [1, True, 1.0, np.float32(1), np.int64(1), np.bool_(True), Member.ONE]
WRAPPED = {"bare": lambda v: v, "tuple": lambda v: ("a", (v,)), "frozen value": Setting}


def inner(value):
    return inner(value[-1]) if isinstance(value, tuple) else inner(value.value) if isinstance(value, Setting) else value


def kind(*, flag):
    return {"kind": jnp.float32(KINDS[type(inner(flag))])}


@pytest.mark.parametrize("form", WRAPPED)
@pytest.mark.parametrize("is_jitted", [False, True])
def test_equal_static_values_have_a_program_each(form, is_jitted):
    wrap = WRAPPED[form]
    run = jax.jit(kind, static_argnames="flag") if is_jitted else kind  # JAX itself looks these up by equality
    expected = [KINDS[type(value)] for value in SAME]
    assert sweep(run, {"flag": jr.static([wrap(v) for v in SAME])}).kind.values.tolist() == expected
    for value in reversed(SAME):  # and in sweeps of their own, after those of others
        assert sweep(run, {"flag": jr.static([wrap(value)])}).kind.values.tolist() == [KINDS[type(value)]]
    cases = {str(i): {"flag": jr.static(wrap(value))} for i, value in enumerate(SAME)}
    assert sweep(run, {"case": jr.cases(cases)}).kind.values.tolist() == expected
    draws = sweep(run, {"draw": jr.zipped(flag=jr.static([wrap(v) for v in SAME]))})
    assert draws.kind.values.tolist() == expected


def test_minus_zero_is_told_from_zero_where_it_is_static():
    def run(*, a):
        return {"inverse": 1 / jnp.float32(a)}

    result = sweep(run, {"a": jr.static([0.0, -0.0])})
    assert result.inverse.values.tolist() == [np.inf, -np.inf]
    assert result.a.values.tolist() == ["0.0", "-0.0"]
    assert sweep(run, {"a": jr.static([-0.0])}).inverse.values.tolist() == [-np.inf]
    assert sweep(run, {"a": [-0.0, 1.0]}).inverse.values.tolist() == [
        np.inf,
        1.0,
    ]  # a number of an axis has no sign of 0


def test_stores_tell_equal_static_values_apart(tmp_path):
    result = sweep(kind, {"flag": jr.static([1, True, 1.0])}, store=tmp_path / "s.zarr")
    assert result.kind.values.tolist() == [2.0, 1.0, 3.0]
    assert result.flag.values.tolist() == ["1", "True", "1.0"]
    for first, second in ((1, True), (1, 1.0), (True, 1), (0.0, -0.0)):
        path = tmp_path / f"{first}{second}.zarr"

        def run(*, flag):
            return {"kind": 1 / jnp.float32(flag), "type": jnp.float32(KINDS[type(flag)])}

        sweep(run, {"flag": jr.static([first])}, store=path)
        with pytest.raises(jr.errors.StoreError, match="holds another sweep"):
            sweep(run, {"flag": jr.static([second])}, store=path)


def test_static_functions_of_one_name():
    def make(factor):
        def activation(x):
            return factor * x

        return activation

    result = sweep(lambda *, f, a: {"x": f(a)}, {"f": jr.static([make(1.0), make(2.0)]), "a": [3.0]})
    assert result["x"].values.ravel().tolist() == [3.0, 6.0]
    assert len(set(result.f.values.tolist())) == 2
    named = sweep(lambda *, f, a: {"x": f(a)}, {"f": jr.static([jax.nn.relu, jnp.tanh]), "a": [3.0]})
    assert named.f.values.tolist() == ["relu", "tanh"]


def test_one_value_written_in_several_ways_is_one_value_of_a_store(tmp_path):
    def run(*, rate):
        return {"value": 2 * rate}

    for axis in (
        [0.1, 0.2, 0.3, 0.4],
        np.arange(0.1, 0.45, 0.1),
        jnp.array([0.1, 0.2]),
        [0.1 + 0.2],
        [np.float32(0.3)],
    ):
        result = sweep(run, {"rate": axis}, store=tmp_path / "s.zarr")
        np.testing.assert_array_equal(result["value"], 2 * np.asarray(axis, np.float32))
    assert sweep(run, {"rate": [0.3]}, store=tmp_path / "s.zarr").rate.values.tolist() == [0.3]
    import xarray as xr

    with xr.open_zarr(tmp_path / "s.zarr") as plain:
        assert plain.rate.values.tolist() == [0.1, 0.2, 0.3, 0.4]
    for axis in ([0.1, 0.3], [0.1 + 0.2], np.array([0.3, 0.1], np.float32)):
        sweep(run, {"rate": axis}, store=tmp_path / "wide.zarr", x64=True)
    with xr.open_zarr(tmp_path / "wide.zarr") as plain:
        assert plain.rate.values.tolist() == [0.1, 0.3]


def test_coordinates_are_the_shortest_decimals():
    result = sweep(lambda *, rate: {"x": rate}, {"rate": jnp.geomspace(0.03, 1.0, 16)})
    assert float(result["x"].sel(rate=0.03)) == np.float32(0.03)
    result = sweep(lambda *, rate: {"x": rate}, {"rate": np.linspace(0, 1, 11)})
    assert result.rate.values.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert np.array_equal(result["x"], result.rate.values.astype(np.float32))


def test_zipped_keywords_change_together():
    def run(*, seed, rate, width, l2):
        return {"x": rate * width + l2, "noise": jax.random.normal(seed), "key": jax.random.key_data(seed)}

    draws = jr.zipped(rate=[0.1, 0.2, 0.3], width=jr.static([4, 8, 4]), seed=jr.seeds(3, root=5))
    result = sweep(run, {"l2": [0.0, 1.0], "draw": draws})
    assert dict(result["x"].sizes) == {"l2": 2, "draw": 3}
    np.testing.assert_allclose(result["x"].sel(l2=1.0), [1.4, 2.6, 2.2], rtol=1e-6)
    np.testing.assert_allclose(result.rate, [0.1, 0.2, 0.3])
    assert result.width.values.tolist() == [4, 8, 4]
    expected = [jax.random.key_data(Seeds(3, root=5).key(i)).tolist() for i in range(3)]
    assert result.key.values[0].tolist() == expected


def test_zipped_axes_grow_in_a_store_and_refuse_other_values(tmp_path):
    def run(*, rate, l2):
        return {"x": rate + l2}

    def axes(rates, l2):
        return {"draw": jr.zipped(rate=rates, l2=[float(c) for c in l2])}

    sweep(run, axes([0.1, 0.2], [1, 2]), store=tmp_path / "s.zarr")
    result = sweep(run, axes([0.1, 0.2, 0.3], [1, 2, 3]), store=tmp_path / "s.zarr")
    np.testing.assert_allclose(result["x"], [1.1, 2.2, 3.3])
    np.testing.assert_allclose(result.rate, [0.1, 0.2, 0.3])
    with pytest.raises(jr.errors.StoreError, match=r"draw\['1'\]"):
        sweep(run, axes([0.1, 0.9, 0.3], [1, 2, 3]), store=tmp_path / "s.zarr")


def test_keywords_of_cases_are_coordinates(tmp_path):
    def run(*, l2=0.0, mode="plain", width=4):
        return {"x": l2 * width + float(mode == "plain"), "mode": jnp.float32(0)}

    cases = jr.cases({"a": {}, "b": {"l2": 0.3}, "c": {"mode": "other", "width": jr.static(8)}})
    for store in (None, tmp_path / "s.zarr"):
        result = sweep(run, {"case": cases}, store=store)
        assert result.l2.dims == ("case",)
        assert result.l2.values.tolist() == [0.0, 0.3, 0.0]
        assert result.width.values.tolist() == [4, 4, 8]
        assert "mode" in result.data_vars  # an output's name stays the output's


def test_settings_that_some_cases_leave_out():
    def run(*, a, **settings):
        return {"x": a * settings.get("scale", 10.0) + len(settings), "y": settings.get("shift", 0.0) + a}

    bundles = {"none": {}, "scale": {"scale": 2.0}, "both": {"scale": 3.0, "shift": 1.0}}
    result = sweep(run, {"a": [1.0], "case": jr.cases(bundles)})
    assert result["x"].values.ravel().tolist() == [10.0, 3.0, 5.0]
    assert result["y"].values.ravel().tolist() == [1.0, 1.0, 2.0]
    np.testing.assert_array_equal(result.scale, [np.nan, 2.0, 3.0])


def test_pytrees_are_outputs_under_their_paths(tmp_path):
    def run(*, seed):
        return {
            "params": {
                "hidden_0": {"weight": jax.random.normal(seed, (2, 3)), "bias": jnp.zeros(3)},
                "list": [jnp.ones(())],
            }
        }

    axes, dims = {"seed": jr.seeds(2)}, {"params/hidden_0/weight": ("input", "output")}
    for store in (None, tmp_path / "s.zarr"):
        result = sweep(run, axes, dims=dims, store=store)
        assert set(result.data_vars) == {"params/hidden_0/weight", "params/hidden_0/bias", "params/list/0", "diverged"}
        assert result["params/hidden_0/weight"].dims == ("seed", "input", "output")
        expected = jax.random.normal(Seeds(2).key(1), (2, 3))
        np.testing.assert_allclose(result["params/hidden_0/weight"][1], expected, rtol=1e-6)


def test_natural_shared_data():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})

    def run(frame, series, numbers, *, a):
        return {"x": a * (frame @ series + numbers[0])}

    result = sweep(run, {"a": [1.0]}, args=(frame, pandas.Series([1.0, 1.0]), [0.5, 0.25]))
    assert result["x"].values.tolist() == [[4.5, 6.5]]
    with pytest.raises(SweepError, match="arrays and numbers only"):
        sweep(lambda frame, *, a: {"x": a}, {"a": [1.0]}, args=(frame.assign(b="text"),))
    assert sweep(lambda *, a: {"x": a}, {"a": pandas.Series([1.0, 2.0])})["x"].values.tolist() == [1.0, 2.0]


def test_integers_that_decide_shapes_hint_at_static():
    def run(*, epochs):
        check_integer("epochs", epochs, 1, 1000, "Train for one epoch at least")  # as `nets.train` does
        return {"x": jnp.zeros(())}

    with pytest.raises(SweepError, match=r"run = 'epochs': is traced, and must be an integer.*jaxreg.static"):
        sweep(run, {"epochs": [1, 2]})


def test_an_axis_that_train_does_not_know_is_named_and_no_static_axis_advised():
    x, y = np.ones((4, 2), np.float32), np.zeros(4, np.int32)
    with pytest.raises(ArgumentError, match=r"weightdecay = 'swept': is not an option of train. Write weight_decay"):
        sweep(partial(jr.nets.train, epochs=1, batch_size=2), {"weightdecay": [0.1]}, args=(x, y, x, y))


BAD = {
    "masked": (lambda: {"a": np.ma.masked_array([1.0, 2.0], [True, False])}, "masked"),
    "below float32": (lambda: {"a": [1e-50]}, "must fit float32"),
    "an empty name": (lambda: {"": [1.0]}, "named by text"),
    "nested static": (lambda: {"a": jr.static([jr.static([1])])}, "values, not axes"),
    "static keys": (lambda: {"a": jr.static(jax.random.split(jax.random.key(0), 2))}, "must not hold keys"),
    "a key in a case": (lambda: {"c": jr.cases({"x": {"a": jax.random.key(0)}})}, "must not hold keys"),
    "names that differ by NUL": (lambda: {"c": jr.cases({"u": {"a": 1.0}, "u\0": {"a": 2.0}})}, "twice"),
    "zipped lengths": (lambda: {"c": jr.zipped(a=[1.0], b=[1.0, 2.0])}, "as many values"),
    "zipped number": (lambda: {"c": jr.zipped(a=1.0)}, "one value per run"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_axes_are_refused(name):
    make, message = BAD[name]
    with pytest.raises(SweepError, match=message):
        sweep(lambda *, a, b=0: {"x": a + b}, make())


OUTPUTS = {
    "a huge integer": (lambda: 10**30, "must fit|array of numbers"),
    "an unsigned one": (lambda: np.array([2**63 + 5], np.uint64), "must fit"),
    "text": (lambda: np.array(["a"]), "array of numbers"),
    "masked": (lambda: np.ma.masked_array([1.0], [True]), "array of numbers"),
    "nothing": (lambda: None, "array of numbers"),
    "a name with a backslash": (lambda: {"a\\b": 1.0}, r"must not be an output's name"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_bad_outputs_are_refused(name):
    make, message = OUTPUTS[name]
    with pytest.raises(SweepError, match=message):
        sweep(lambda *, a: {"x": make()}, {"a": [1.0]})


def test_small_integers_and_half_precision_are_stored(tmp_path):
    def run(*, a):
        return {"small": jnp.ones(3, jnp.int4), "half": jnp.ones(2, jnp.bfloat16) * a.astype(jnp.bfloat16)}

    result = sweep(run, {"a": [1.0]}, store=tmp_path / "s.zarr")
    assert (result.small.dtype, result.half.dtype) == (np.int8, np.float32)
