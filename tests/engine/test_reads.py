"""One trace does for many sweeps as long as nothing that the run reads has changed; every change is seen."""

import dataclasses
import inspect
import os
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine import member
from jaxreg.engine.known import find_values
from jaxreg.penalties import L1


@pytest.fixture
def traces(monkeypatch):
    """A list that grows with every trace."""
    held, trace = [], member._trace

    def counted(run, *rest):
        held.append(run)
        return trace(run, *rest)

    monkeypatch.setattr(member, "_trace", counted)
    return held


def sweep(run, **options):
    return jr.sweep(run, {"a": [1.0, 2.0]}, progress=False, **options)["x"].values.tolist()


FACTOR, NUMBERS, TABLE, ARRAY = 2.0, [2.0, 3.0], {"rate": {"base": 2.0}}, np.array([2.0, 1.0], np.float32)


@dataclasses.dataclass(frozen=True)
class Recipe:
    factor: float
    steps: int = 2

    @property
    def twice(self):
        return SHIFT + 2 * self.factor


SHIFT = 0.0
RECIPE = Recipe(1.0)


@jax.jit
def under_jit(a):
    return a * FACTOR


def helper(a):
    return a * FACTOR


def factory(factor, extra=0.0):
    return lambda *, a: {"x": a * factor + extra}


KNOWN = {
    "a global": lambda *, a: {"x": a * FACTOR},
    "a helper": lambda *, a: {"x": helper(a)},
    "a helper under jit": lambda *, a: {"x": under_jit(a)},
    "a list": lambda *, a: {"x": a * NUMBERS[0]},
    "a nested table": lambda *, a: {"x": a * TABLE["rate"]["base"]},
    "an array": lambda *, a: {"x": a * jnp.asarray(ARRAY)[0]},
    "a value of a frozen class": lambda *, a: {"x": a * RECIPE.twice},
    "a class of a library": lambda *, a: {"x": L1(FACTOR).value(a)},
    "a closure": factory(2.0),
    "a loop": lambda *, a: {"x": jax.lax.fori_loop(0, 1, lambda i, c: c * FACTOR, a)},
}
SETTERS = {
    "a list": lambda value: NUMBERS.__setitem__(0, value),
    "a nested table": lambda value: TABLE["rate"].__setitem__("base", value),
    "an array": lambda value: ARRAY.__setitem__(0, value),
    "a value of a frozen class": lambda value: globals().__setitem__("SHIFT", value - 2.0),
    "a closure": lambda value: setattr(KNOWN["a closure"].__closure__[1], "cell_contents", value),
}


@pytest.mark.parametrize("name", KNOWN)
def test_an_unchanged_run_is_traced_once_and_a_changed_one_again(name, traces):
    put = SETTERS.get(name, lambda value: globals().__setitem__("FACTOR", value))
    assert [sweep(KNOWN[name]) for _ in range(3)] == [[2.0, 4.0]] * 3
    assert len(traces) == 1
    put(5.0)
    assert sweep(KNOWN[name]) == [5.0, 10.0]
    assert len(traces) == 2
    put(2.0)
    assert sweep(KNOWN[name]) == [2.0, 4.0]


class Model:
    def __init__(self):
        self.factor = 2.0

    def run(self, *, a):
        return {"x": a * self.factor}


MODULE = types.ModuleType("mine")
MODULE.factor = 2.0
MODEL = Model()


class Namespace:
    factor = 2.0


def from_a_file(*, a):
    return {"x": a * float(os.environ["FACTOR_OF_A_TEST"])}


def attribute_of_a_function(*, a):
    return {"x": a * attribute_of_a_function.factor}


def imports(*, a):
    import mine

    return {"x": a * mine.factor}


UNSURE = {
    "a module's attribute": (lambda *, a: {"x": a * MODULE.factor}, lambda p: p.setattr(MODULE, "factor", 5.0)),
    "an object's attribute": (lambda *, a: {"x": a * MODEL.factor}, lambda p: p.setattr(MODEL, "factor", 5.0)),
    "a method": (MODEL.run, lambda p: p.setattr(MODEL, "factor", 5.0)),
    "a class's attribute": (lambda *, a: {"x": a * Namespace.factor}, lambda p: p.setattr(Namespace, "factor", 5.0)),
    "the environment": (from_a_file, lambda p: p.setenv("FACTOR_OF_A_TEST", "5.0")),
    "a function's attribute": (attribute_of_a_function, lambda p: p.setattr(attribute_of_a_function, "factor", 5.0)),
    "an import": (imports, lambda p: p.setattr(MODULE, "factor", 5.0)),
    "by name": (lambda *, a: {"x": a * globals()["FACTOR"]}, lambda p: p.setitem(globals(), "FACTOR", 5.0)),
}


@pytest.mark.parametrize("name", UNSURE)
def test_what_may_change_unseen_is_traced_every_time(name, traces, monkeypatch):
    run, change = UNSURE[name]
    monkeypatch.setitem(__import__("sys").modules, "mine", MODULE)
    monkeypatch.setenv("FACTOR_OF_A_TEST", "2.0")
    attribute_of_a_function.factor = 2.0
    assert [sweep(run), sweep(run)] == [[2.0, 4.0]] * 2
    assert len(traces) == 2
    change(monkeypatch)
    assert sweep(run) == [5.0, 10.0]


def test_settings_shapes_and_static_values_have_traces_of_their_own(traces):
    def run(data, *, a, n):
        return {"x": a * jnp.ones(int(n)).sum() * data.sum() + float(isinstance(n, bool))}

    def call(*values, data=(1.0, 1.0), **options):
        axes = {"a": [1.0], "n": jr.static(list(values))}
        return jr.sweep(run, axes, args=(np.asarray(data),), progress=False, **options)["x"].values.ravel().tolist()

    assert [call(1, True), call(1, True)] == [[2.0, 3.0]] * 2
    assert len(traces) == 2
    assert call(1, data=np.ones(3)) == [3.0]
    assert call(1, x64=True) == [2.0]
    with jax.default_matmul_precision("highest"):
        call(1)
    assert len(traces) == 5
    assert call(1, data=np.full(2, 4.0)) == [8.0]  # other numbers of the same shape
    assert len(traces) == 5


look = inspect.unwrap(find_values)  # without the types that tests check: what wraps it is not read


def test_a_trace_that_looked_at_the_data_is_kept_for_these_numbers_alone(traces):
    def run(labels, weights, *, a):
        known = look(labels)
        if known is not None and known.max() > 1:
            raise ValueError("labels")
        return {"x": a * (labels * weights).sum()}

    def call(*labels, weight=1.0):
        args = np.array(labels, np.float32), np.full(len(labels), weight, np.float32)
        return jr.sweep(run, {"a": [2.0]}, args=args, progress=False)["x"].item()

    assert (call(0, 1), call(1, 1)) == (2.0, 4.0)
    assert len(traces) == 2
    assert (call(1, 1), call(1, 1, weight=3.0)) == (4.0, 12.0)  # nothing looked at the weights
    assert len(traces) == 2
    for _ in range(2):
        with pytest.raises(ValueError, match="labels"):
            call(0, 7)
    assert len(traces) == 4
    assert call(0, 1) == 2.0
    assert len(traces) == 5  # the latest is kept


def test_functions_of_the_host_are_those_of_the_run_at_hand():
    def watch():
        seen = []

        def run(*, a):
            jax.debug.callback(lambda value: seen.append(float(value)), a)
            return {"double": 2 * a}

        jr.sweep(run, {"a": [1.0, 2.0]}, progress=False)
        return sorted(seen)

    assert watch() == watch() == [1.0, 2.0]
