"""Sixty changes between two sweeps of one store, each refused by name; changes that decide no number are not."""

import contextlib
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.errors import StoreError

BASE = """
SHIFT, TABLE, WEIGHTS = 0.5, {"rate": [1.0, 2.0]}, np.arange(3.0, dtype=np.float32)
class Model:
    slope = 2.0
    def __init__(self, depth):
        self.depth = depth
    def __call__(self, x):
        for _ in range(self.depth):
            x = self.slope * x + 1
        return x
model = Model(2)
def helper(x, power=2):
    return x ** power
def make(factor):
    def scaled(x):
        return factor * x
    return scaled
scaled = make(3.0)
@jax.jit
def compiled(x):
    return jnp.tanh(x)
@jax.custom_jvp
def smooth(x):
    return jnp.maximum(x, 0.1)
@smooth.defjvp
def smooth_jvp(primals, tangents):
    return smooth(primals[0]), 0.5 * primals[0] * tangents[0]
def run(data, *, seed, a, n, k=1.5, mode="sum", steps=3):
    noise = jax.random.normal(seed, (n,))
    def step(carry, x):
        return carry * 0.9 + x, carry
    last, path = jax.lax.scan(step, a, noise)
    def grow(c):
        return c * 2.0
    end = jax.lax.while_loop(lambda c: c < 50.0, grow, jnp.abs(last) + 1.0)
    chosen = jax.lax.cond(a > 1.5, lambda v: v + 1.0, lambda v: v - 1.0, end)
    drawn = jax.random.uniform(jax.random.fold_in(seed, 7), minval=0.0, maxval=1.0)
    slope = jax.grad(smooth)(a)
    total = jnp.sum(data * WEIGHTS) if mode == "sum" else jnp.max(data)
    total = total + SHIFT + TABLE["rate"][1] + model(a) + helper(last) + scaled(a) + compiled(last)
    for i in range(steps):
        total = total + i * k
    return {"x": chosen + drawn + slope + smooth(last) + total, "path": path.sum()}
"""
CODE = [  # what is written in the module, and what in its place
    ("0.5, {", "0.25, {"),
    ('"rate": [1.0, 2.0]', '"rate": [1.0, 2.5]'),
    ("np.arange(3.0, dtype=np.float32)", "np.arange(3.0, dtype=np.float32) + np.float32(1)"),
    ("slope = 2.0", "slope = 2.5"),
    ("model = Model(2)", "model = Model(3)"),
    ("self.slope * x + 1", "self.slope * x - 1"),
    ("power=2", "power=3"),
    ("x ** power", "x ** power + 1"),
    ("make(3.0)", "make(4.0)"),
    ("factor * x", "factor + x"),
    ("jnp.tanh(x)", "jnp.sin(x)"),
    ("jnp.maximum(x, 0.1)", "jnp.maximum(x, 0.2)"),
    ("0.5 * primals", "0.6 * primals"),
    ("k=1.5", "k=1.25"),
    ('mode="sum"', 'mode="max"'),
    ("steps=3", "steps=4"),
    ("jax.random.normal", "jax.random.uniform"),
    ("normal(seed, (n,))", "normal(seed, (n, 1))[:, 0]"),
    ("carry * 0.9", "carry * 0.8"),
    ("+ x, carry", "- x, carry"),
    ("+ x, carry", "+ x, x"),
    ("scan(step, a, noise)", "scan(step, a, noise, reverse=True)"),
    ("scan(step, a, noise)", "scan(step, 2 * a, noise)"),
    ("c * 2.0", "c * 3.0"),
    ("c < 50.0", "c < 60.0"),
    ("c < 50.0", "c <= 50.0"),
    ("jnp.abs(last) + 1.0", "jnp.abs(last) + 2.0"),
    ("a > 1.5", "a > 1.0"),
    ("v + 1.0", "v + 2.0"),
    ("v - 1.0", "v"),
    ("fold_in(seed, 7)", "fold_in(seed, 8)"),
    ("minval=0.0", "minval=-1.0"),
    ("maxval=1.0", "maxval=2.0"),
    ("jax.grad(smooth)(a)", "jax.grad(smooth)(2 * a)"),
    ("jnp.sum(data * WEIGHTS)", "jnp.mean(data * WEIGHTS)"),
    ("jnp.sum(data * WEIGHTS)", "jnp.sum(data + WEIGHTS)"),
    ('["rate"][1]', '["rate"][0]'),
    ("model(a)", "model(last)"),
    ("scaled(a)", "scaled(-a)"),
    ("i * k", "i * k * k"),
    ("path.sum()", "path.max()"),
    ("chosen + drawn", "chosen - drawn"),
    ('"path": path', '"track": path'),
    ('"path": path.sum()', '"path": path'),
    ('"path": path.sum()', '"path": jnp.int32(path.sum())'),
    ("+ compiled(last)", ""),
]
GIVEN = {"seed": jr.seeds(2), "a": [1.0, 2.0], "n": jr.static([4])}
NUMBERS = np.array([1.0, 2.0, 4.0], np.float32)
DATA = [NUMBERS + np.float32([0, 0, 1e-6]), NUMBERS[::-1].copy(), NUMBERS[:2], NUMBERS[None]]
AXES = [
    GIVEN | {"seed": jr.seeds(2, root=1)},
    GIVEN | {"a": jr.static([1.0, 2.0])},
    GIVEN | {"extra": [1.0]},
    GIVEN | {"case": jr.cases({"one": {"k": 1.5}})},
    dict(reversed(GIVEN.items())),
]


@contextlib.contextmanager
def in_64_bits():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


SETTINGS = {
    "x64": in_64_bits,
    "matmul": lambda: jax.default_matmul_precision("highest"),
    "streams": lambda: jax.threefry_partitionable(not jax.config.jax_threefry_partitionable),
    "generator": lambda: jax.default_prng_impl("rbg"),
}
NEEDLESS = [
    ("def helper(x, power=2):", "def helper(x, power=2):\n    'Some power.'  # of x"),
    ("noise", "draws"),
    ("helper", "powered"),
    ("    total = total + SHIFT", "    unused = jnp.cos(a).sum()\n    total = total + SHIFT"),
    ("return carry * 0.9 + x, carry", "return (carry * 0.9) + x, carry"),
    ("steps=3", "steps=3, other=5"),
    ("@jax.jit\n", ""),
    ("def helper", "@jax.jit\ndef helper"),
    ("SHIFT", "OFFSET"),
    ("x ** power", "(lambda value: value ** power)(x)"),
    ("class Model:", "class Model:\n    'A model.'"),
    ("range(steps)", "tuple(range(steps))"),
]


def define(source, name="run_of_mine"):
    module = types.ModuleType(name)
    module.__dict__.update(jax=jax, jnp=jnp, np=np, functools=functools)
    exec(source, module.__dict__)
    return module.run


def replace(old, new):
    assert old in BASE
    return BASE.replace(old, new)


def sweep(path, source=BASE, axes=None, data=NUMBERS, **options):
    return jr.sweep(define(source), axes or GIVEN, args=(data,), store=path, progress=False, **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("held") / "s.zarr"
    sweep(path)
    return path


def test_there_are_sixty():
    assert len(CODE) + len(DATA) + len(AXES) + len(SETTINGS) + 1 == 60


@pytest.mark.parametrize(("old", "new"), CODE)
def test_a_change_of_code_is_refused(store, old, new):
    with pytest.raises(StoreError, match=r"the computation of n=4|outputs"):
        sweep(store, replace(old, new), GIVEN | {"seed": jr.seeds(3)})


@pytest.mark.parametrize("data", DATA, ids=range(len(DATA)))
def test_a_change_of_data_is_refused(store, data):
    shorter = replace("data * WEIGHTS", "data * WEIGHTS[: data.shape[-1]]")
    with jax.numpy_rank_promotion("allow"), pytest.raises(StoreError, match=r"data is|the computation of"):
        sweep(store, shorter, data=data)


@pytest.mark.parametrize("number", range(len(AXES)))
def test_a_change_of_axes_is_refused(store, number):
    with pytest.raises(StoreError, match=r"the axes|seed"):
        sweep(store, replace("steps=3", "steps=3, extra=0.0"), AXES[number])


@pytest.mark.parametrize("name", SETTINGS)
def test_a_change_of_settings_is_refused(store, name):
    with SETTINGS[name](), pytest.raises(StoreError, match=r"x64|precision|threefry|prng|outputs"):
        sweep(store)


def test_a_change_of_coordinates_is_refused(tmp_path):
    run = define(BASE.replace("path.sum()", "path"))
    for times in ([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 4.0]):
        call = functools.partial(jr.sweep, run, GIVEN, args=(NUMBERS,), store=tmp_path / "s.zarr", progress=False)
        if times[-1] == 3.0:
            call(dims={"path": {"time": times}})
            continue
        with pytest.raises(StoreError, match="coordinates"):
            call(dims={"path": {"time": times}})


@pytest.mark.parametrize(("old", "new"), NEEDLESS)
def test_what_decides_no_number_goes_on(store, old, new):
    assert sweep(store, replace(old, new)).x.shape == (2, 2, 1)
