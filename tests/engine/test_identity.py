"""What a store is known by: what decides its numbers, and nothing else."""

import dataclasses
import functools
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine.provenance import read_flags
from jaxreg.errors import StoreError


def sweep(run, axes, **options):
    return jr.sweep(run, axes, progress=False, **options)


AXES = {"seed": jr.seeds(2), "a": [1.0, 2.0]}


def define(source, name="run", **names):
    """A function as if its module had this text now."""
    module = types.ModuleType(name)
    module.__dict__.update(jax=jax, jnp=jnp, functools=functools, **names)
    exec(source, module.__dict__)
    return module.run


BASE = """
def helper(x):
    return 2 * x
constant = 3.0
def run(*, seed, a, k=1.0):
    def step(c, _):
        return c + a, None
    c = jax.lax.scan(step, jax.random.normal(seed), None, length=3)[0]
    def turn(s):
        return s[0] + 1, s[1] + 1
    c = jax.lax.while_loop(lambda s: s[0] < 0, turn, (c, c))[0]
    return {"x": jax.nn.relu(c) + helper(a) * constant + k}
"""
SAME = {
    "a comment and a docstring": BASE.replace("def helper(x):", "def helper(x):\n    'Twice x.'  # yes"),
    "renamed locals": BASE.replace("c + a", "c + a").replace("step", "walk"),
    "a renamed helper": BASE.replace("helper", "twice"),
    "dead code": BASE.replace("    c = jax", "    unused = jnp.ones(3).sum() * a\n    c = jax"),
    "dead code in a loop": BASE.replace(
        "        return c + a, None", "        d = jnp.cos(c)\n        return c + a, None"
    ),
    "a helper under jit": BASE.replace("def helper", "@jax.jit\ndef helper"),
    "a number by another name": BASE.replace("constant = 3.0", "three = 3.0\nconstant = three"),
    "a default that is never used": BASE.replace("k=1.0", "k=1.0, other=5"),
    "a while loop's dead code": BASE.replace("s[1] + 1", "jnp.cos(s[1])"),
    "a print": BASE.replace("    c = jax", "    jax.debug.print('{}', jnp.cos(a))\n    c = jax", 1),
    "a print in a loop": BASE.replace("return s[0] + 1", "jax.debug.callback(str, 2 * s[0])\n        return s[0] + 1"),
}
OTHER = {
    "a helper's code": BASE.replace("2 * x", "2.5 * x"),
    "a global": BASE.replace("constant = 3.0", "constant = 4.0"),
    "a default": BASE.replace("k=1.0", "k=9.0"),
    "a loop's length": BASE.replace("length=3", "length=4"),
    "another function": BASE.replace("relu", "tanh"),
    "another order of the draw": BASE.replace(
        "jax.random.normal(seed)", "jax.random.normal(jax.random.split(seed)[0])"
    ),
    "a body of the loop": BASE.replace("c + a, None", "c - a, None"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_decides_no_number_keeps_the_store(tmp_path, name):
    path = tmp_path / "s.zarr"
    first = sweep(define(BASE), AXES, store=path).load()
    again = sweep(define(SAME[name], "elsewhere"), AXES | {"seed": jr.seeds(3)}, store=path)
    np.testing.assert_array_equal(again["x"][:2], first["x"])


@pytest.mark.parametrize("name", OTHER)
def test_what_decides_numbers_is_noticed(tmp_path, name):
    path = tmp_path / "s.zarr"
    sweep(define(BASE), AXES, store=path)
    with pytest.raises(StoreError, match="the computation of the run"):
        sweep(define(OTHER[name]), AXES | {"seed": jr.seeds(3)}, store=path)


def test_the_streams_of_the_random_numbers_are_noticed(tmp_path):
    sweep(define(BASE), AXES, store=tmp_path / "s.zarr")
    flipped = not jax.config.jax_threefry_partitionable
    with jax.threefry_partitionable(flipped), pytest.raises(StoreError, match="threefry_partitionable"):
        sweep(define(BASE), AXES | {"seed": jr.seeds(3)}, store=tmp_path / "s.zarr")
    with jax.default_matmul_precision("highest"), pytest.raises(StoreError, match="matmul_precision"):
        sweep(define(BASE), AXES, store=tmp_path / "s.zarr")


def test_flags_of_the_compiler_that_may_alter_numbers_are_noticed(tmp_path, monkeypatch):
    def call(flags, count):
        monkeypatch.setenv("XLA_FLAGS", flags)
        read_flags.cache_clear()
        return sweep(reads_a_global, {"a": [1.0, 2.0, 3.0][:count]}, store=tmp_path / "s.zarr")

    try:
        call("--xla_dump_to=/nowhere --xla_cpu_fast=1 --xla_cpu_other=3", 1)
        call("--xla_cpu_other=2 --xla_cpu_fast --xla_cpu_other=3 --xla_force_host_platform_device_count=2", 2)
        for flags in ("", "--xla_cpu_fast=true", "--xla_cpu_fast=false --xla_cpu_other=3"):
            with pytest.raises(StoreError, match=r"xla_flags is \{'xla_cpu_fast': 'true'"):
                call(flags, 3)
    finally:
        read_flags.cache_clear()


def test_provenance_names_the_generators_that_were_used():
    def generator(run, **axes):
        return json.loads(sweep(run, {"a": [1.0]} | axes).provenance)["history"][0]["prng"]

    assert generator(lambda *, a: {"x": a}) == "none"
    with jax.default_prng_impl("rbg"):
        own = jax.random.key(0)
        assert generator(lambda *, a, seed: {"x": a * jax.random.normal(seed)}, seed=jr.seeds(1)) == "threefry2x32"
        assert generator(lambda *, a: {"x": jax.lax.cond(a > 0, lambda: jax.random.normal(own), lambda: a)}) == "rbg"


def by_case(k=1.0, m="p", shift=0.0):
    def run(*, a, k=k, m=m, j=0.0):
        return {"x": a * k + (100.0 if m == "q" else 0.0) + j + shift}

    return run


def test_defaults_that_cases_leave_out_are_noticed(tmp_path):
    axes = {"a": [1.0], "case": jr.cases({"one": {}, "two": {"k": 2.0, "m": "p"}})}
    sweep(by_case(), axes, store=tmp_path / "s.zarr")
    for changed in (by_case(k=9.0), by_case(m="q")):
        with pytest.raises(StoreError, match="the computation of case=one"):
            sweep(changed, axes, store=tmp_path / "s.zarr")


@pytest.mark.parametrize("keyword", [{"j": 2.0}, {"m": "q"}])
def test_a_case_that_adds_a_keyword_does_not_hide_changed_code(tmp_path, keyword):
    few, many = {"a": {}}, {"a": {}, "b": keyword}
    sweep(by_case(), {"a": [1.0], "case": jr.cases(few)}, store=tmp_path / "s.zarr")
    with pytest.raises(StoreError, match="the computation of case=a"):
        sweep(by_case(shift=5.0), {"a": [1.0], "case": jr.cases(many)}, store=tmp_path / "s.zarr")
    grown = sweep(by_case(), {"a": [1.0], "case": jr.cases(many)}, store=tmp_path / "s.zarr")
    assert grown["x"].values.ravel().tolist() == [1.0, 3.0 if "j" in keyword else 101.0]


def named_alike(factor):
    def model(a):
        return factor * a

    return model


@pytest.mark.parametrize("order", [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
def test_functions_of_one_name_that_change_places_are_noticed(tmp_path, order):
    models = [named_alike(2.0), named_alike(3.0)]

    def run(*, a, model):
        return {"x": model(a)}

    def call(order):
        row = jr.zipped(a=[1.0] * len(order), model=jr.static([models[i] for i in order]))
        return sweep(run, {"row": row}, store=tmp_path / "s.zarr")["x"].values.tolist()

    assert call([0, 1, 0, 1]) == [2.0, 3.0, 2.0, 3.0]
    with pytest.raises(StoreError, match="row"):
        call(order)
    models[:] = [named_alike(2.0), named_alike(3.0)]
    assert call([0, 1, 0, 1, 1]) == [2.0, 3.0, 2.0, 3.0, 3.0]


FACTOR = 2.0


def reads_a_global(*, a):
    return {"x": FACTOR * a}


@dataclasses.dataclass(eq=False)
class Model:
    factor: float

    def run(self, *, a):
        return {"x": self.factor * a}


def test_what_changed_within_one_process_is_traced_anew(tmp_path, monkeypatch):
    array, model = np.ones(3, np.float32), Model(2.0)

    def reads_an_array(*, a):
        return {"x": a * jnp.asarray(array).sum()}

    def change():
        monkeypatch.setitem(globals(), "FACTOR", 3.0)
        array[:] = 2.0
        model.factor = 5.0

    runs = (reads_a_global, reads_an_array, model.run)
    before = [sweep(run, {"a": [1.0]}, store=tmp_path / f"{i}.zarr")["x"].item() for i, run in enumerate(runs)]
    change()
    after = [sweep(run, {"a": [1.0]})["x"].item() for run in runs]
    assert (before, after) == ([2.0, 3.0, 2.0], [3.0, 6.0, 5.0])
    for i, run in enumerate(runs):
        with pytest.raises(StoreError, match="the computation of the run"):
            sweep(run, {"a": [1.0, 2.0]}, store=tmp_path / f"{i}.zarr")


NESTED = {"rate": 2.0}


@jax.jit
def jitted_helper(a):
    return a * NESTED["rate"]


def body_of_a_loop(carry, _):
    return carry * NESTED["rate"], None


SETTINGS = types.ModuleType("settings_of_mine")
SETTINGS.rate = 2.0


class Constants:
    rate = 2.0


@jax.jit
def jitted_reader(a):
    return a * SETTINGS.rate * Constants.rate


@jax.jit
def jitted_run(*, a):
    return {"x": a + NESTED["rate"]}


NESTED_RUNS = {
    "a jitted helper": (lambda *, a: {"x": jitted_helper(a)}, [2.0, 5.0]),
    "the body of a loop": (lambda *, a: {"x": jax.lax.scan(body_of_a_loop, a, None, length=2)[0]}, [4.0, 25.0]),
    "a jitted run": (jitted_run, [3.0, 6.0]),
}


@pytest.mark.parametrize("name", NESTED_RUNS)
def test_functions_that_jax_keeps_are_traced_anew_too(name, monkeypatch):
    run, expected = NESTED_RUNS[name]
    first = sweep(run, {"a": [1.0]})["x"].item()
    monkeypatch.setitem(NESTED, "rate", 5.0)
    assert [first, sweep(run, {"a": [1.0]})["x"].item()] == expected
    monkeypatch.undo()
    assert sweep(run, {"a": [1.0]})["x"].item() == expected[0]


class Slotted:
    __slots__ = ("rate",)


class Called:
    rate = 1.0

    def __call__(self, a):
        return self.rate * a


DEEP, LARGE, SLOTTED, CALLED = (
    {"a": {"b": {"c": {"d": {"e": [2.0]}}}}},
    np.zeros(2**20, np.float32),
    Slotted(),
    Called(),
)
DEEP["a"]["itself"] = DEEP
SLOTTED.rate = 2.0


@jax.jit
def jitted_depths(a):
    return CALLED(a) * DEEP["a"]["b"]["c"]["d"]["e"][0] * SLOTTED.rate + jnp.asarray(LARGE).sum()


def test_what_a_jitted_helper_reads_is_noticed_however_deep_large_or_small():
    def call():
        return sweep(lambda *, a: {"x": jitted_depths(a)}, {"a": [1.0]})["x"].item()

    assert call() == 4.0
    DEEP["a"]["b"]["c"]["d"]["e"][0] = 3.0
    assert call() == 6.0
    SLOTTED.rate = 1.0
    assert call() == 3.0
    LARGE[2**19 + 1] = 5.0
    assert call() == 8.0
    CALLED.rate = 2.0
    assert call() == 11.0


SHIFT = 1.0


@jax.jit
def shifted(x):
    return x + SHIFT


class Shifting:
    slope = 2.0

    def __call__(self, *, a):
        return {"x": shifted(a)}

    @functools.partial(jax.jit, static_argnums=0)
    def scale(self, x):
        return self.slope * x

    def run(self, *, a):
        return {"x": self.scale(a) - 1.0 + SHIFT}


class Wrapper:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, **keywords):
        return {"x": shifted(self.function(**keywords)["x"])}


def decorate(function):
    @functools.wraps(function)
    def wrapper(**keywords):
        return {"x": shifted(function(**keywords)["x"])}

    return wrapper


def plain(*, a):
    return {"x": a}


def with_model(model, *, a):
    return {"x": model.scale(a) - 1.0 + SHIFT}


def with_function(*, f, a):
    return {"x": f(a)}


MODEL = Shifting()
REACHED = {
    "a static value": (with_function, {"f": jr.static(shifted)}),
    "a case's function": (with_function, {"case": jr.cases({"one": {"f": shifted}})}),
    "a row's function": (with_function, {"row": jr.zipped(f=jr.static([shifted]))}),
    "a partial in a tuple": (lambda *, f, a: {"x": f[0](a)}, {"f": jr.static((functools.partial(shifted),))}),
    "a method of a held object": (MODEL.run, {}),
    "a callable object": (MODEL, {}),
    "an object in a partial": (functools.partial(with_model, MODEL), {}),
    "a wrapper": (decorate(plain), {}),
    "a wrapper under jit": (jax.jit(decorate(plain)), {}),
    "a decorator that is a class": (Wrapper(plain), {}),
    "an object in a list in a dict": (lambda *, a: HELD["models"][0](a=a), {}),
}
HELD = {"models": [MODEL]}


@pytest.mark.parametrize("name", REACHED)
def test_what_a_jitted_helper_reads_is_noticed_however_it_is_reached(name, tmp_path, monkeypatch):
    run, axes = REACHED[name]
    axes = axes | {"a": [1.0]}
    assert sweep(run, axes, store=tmp_path / "s.zarr")["x"].item() == 2.0
    monkeypatch.setitem(globals(), "SHIFT", 10.0)
    assert sweep(run, axes)["x"].item() == 11.0
    with pytest.raises(StoreError, match="the computation of"):
        sweep(run, axes | {"a": [1.0, 2.0]}, store=tmp_path / "s.zarr")
    monkeypatch.undo()
    assert sweep(run, axes)["x"].item() == 2.0


def test_a_jitted_method_sees_its_objects_and_its_class(monkeypatch):
    for owner, slope in ((Shifting, 5.0), (MODEL, 7.0)):
        assert sweep(MODEL.run, {"a": [1.0]})["x"].item() == 2.0
        monkeypatch.setattr(owner, "slope", slope, raising=False)
        assert sweep(MODEL.run, {"a": [1.0]})["x"].item() == slope
        monkeypatch.undo()


def test_a_redefined_helper_is_noticed_also_at_the_address_of_an_older_one():
    @jax.jit
    def outer(x):
        return inner(x)

    def run(*, a):
        return {"x": outer(a)}

    for factor in range(1, 9):
        inner = eval(f"lambda x: x * {factor}")  # each frees the one before, whose address the next may have
        assert sweep(run, {"a": [1.0]})["x"].item() == factor


def test_more_than_can_be_looked_at_counts_as_changed(monkeypatch):
    monkeypatch.setattr("jaxreg.engine.surroundings._MOST_THINGS", 2)
    values = [2.0]

    def reads(x):
        return x * values[0]

    def run(*, a):
        return {"x": helper(a)}

    helper = jax.jit(decorate_plainly(decorate_plainly(reads)))
    first = sweep(run, {"a": [1.0]})["x"].item()
    values[0] = 3.0
    assert (first, sweep(run, {"a": [1.0]})["x"].item()) == (2.0, 3.0)


def decorate_plainly(function):
    return lambda x: function(x)


RULES = """
from jax.custom_batching import custom_vmap
@jax.jit
def inner(x):
    return factor * x
factor = 2.0
@custom_vmap
def f(x):
    return x * 1.0
@f.def_vmap
def rule(n, batched, x):
    return inner(jnp.sin(x)), True
def run(*, seed, a):
    return {"x": f(a)}
"""


@pytest.mark.parametrize(("old", "new"), [("jnp.sin", "jnp.cos"), ("jnp.sin(x)", "jnp.sin(x) + 1"), ("2.0", "3.0")])
def test_a_changed_rule_for_batches_is_noticed(old, new, tmp_path):
    changed = RULES.replace(old, new)
    before = sweep(define(RULES), AXES, store=tmp_path / "s.zarr").x.values
    assert (sweep(define(RULES), AXES)["x"].values == before).all()
    assert (sweep(define(changed), AXES)["x"].values != before).all()
    with pytest.raises(StoreError, match="the computation of the run"):
        sweep(define(changed), AXES, store=tmp_path / "s.zarr")


def test_a_changed_rule_that_batches_of_batches_alone_reach_is_noticed(tmp_path):
    chained = (
        RULES.replace("return inner(jnp.sin(x)), True", "return jax.lax.map(g, x), True")
        + """
@custom_vmap
def g(x):
    return x + 1.0
@g.def_vmap
def second(n, batched, x):
    return jnp.sin(x), True
def run(*, a, b):
    return {"x": f(a + b)}
"""
    )
    axes, other = {"a": [1.0, 2.0], "b": [0.0, 3.0]}, chained.replace("jnp.sin", "jnp.cos")
    np.testing.assert_allclose(
        sweep(define(chained), axes, store=tmp_path / "s.zarr").x, np.sin([[1, 4], [2, 5]]), 1e-6
    )
    with pytest.raises(StoreError, match="the computation of the run"):
        sweep(define(other), axes, store=tmp_path / "s.zarr")


def test_a_rule_for_batches_that_reads_what_changed_is_called_anew():
    run = define(RULES)
    sweep(run, AXES)
    run.__globals__["factor"] = 20.0
    np.testing.assert_allclose(sweep(run, AXES)["x"][0], 20 * np.sin([1.0, 2.0]), rtol=1e-6)


def test_defaults_that_only_arrays_do_for_are_as_good_in_a_store(tmp_path):
    def run(*, a, k=1.0, j=1.0):
        return {"x": (k * 1).astype(jnp.float32) + a * j}

    axes = {"a": [1.0], "case": jr.cases({"one": {}, "two": {"k": 2.0}})}
    assert sweep(run, axes)["x"].values.tolist() == [[2.0, 3.0]]
    assert sweep(run, axes, store=tmp_path / "s.zarr")["x"].values.tolist() == [[2.0, 3.0]]
    more = axes | {"case": jr.cases({"one": {}, "two": {"k": 2.0}, "three": {"j": 3.0}})}
    assert sweep(run, more, store=tmp_path / "s.zarr")["x"].values.tolist() == [[2.0, 3.0, 4.0]]
    run.__kwdefaults__["k"] = 9.0
    with pytest.raises(StoreError, match="the computation of case=one"):
        sweep(run, axes, store=tmp_path / "s.zarr")


OBJECTS = """
class Scale:
    def __call__(self, x):
        return 2 * x
def make():
    class Shift:
        def __call__(self, x):
            return x + 1
    return Shift()
models = (Scale(), make(), functools.partial(Scale()))
def run(*, model, a):
    return {"x": model(a)}
run.models = models
"""


def test_where_a_static_object_lives_is_no_part_of_it(tmp_path):
    moved = OBJECTS.replace("def make", "def build").replace("make()", "build()")
    for source, module in ((OBJECTS, "here"), (moved, "there.else")):
        run = define(source, module)
        result = sweep(run, {"model": jr.static(list(run.models)), "a": [1.0]}, store=tmp_path / "s.zarr")
    assert result["x"].values.ravel().tolist() == [2.0, 2.0, 2.0]
    assert "here" not in str(result.model.values)


@pytest.mark.parametrize("owner", [SETTINGS, Constants])
def test_what_a_jitted_helper_reads_of_modules_and_classes_is_noticed(owner, monkeypatch):
    def run(*, a):
        return {"x": jitted_reader(a)}

    assert sweep(run, {"a": [1.0]})["x"].item() == 4.0
    monkeypatch.setattr(owner, "rate", 5.0)
    assert sweep(run, {"a": [1.0]})["x"].item() == 10.0


def test_shared_data_is_known_by_its_numbers(tmp_path):
    def run(data, *, a):
        return {"x": a * data.sum()}

    numbers = [1.0, 2.0, 4.0]
    for data in (np.array(numbers), np.array(numbers, np.float32), jnp.array(numbers), numbers):
        assert sweep(run, {"a": [1.0]}, args=(data,), store=tmp_path / "s.zarr")["x"].item() == 7.0
    with pytest.raises(StoreError, match="data"):
        sweep(run, {"a": [1.0]}, args=(np.array([1.0, 2.0, 5.0]),), store=tmp_path / "s.zarr")
