"""Everything that cannot be swept is refused before it runs, naming argument, value, constraint and remedy."""

import functools
import inspect
import os
import re

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import scipy.sparse

import jaxreg as jr
from jaxreg.errors import ArgumentError, JaxregError, StoreError, SweepError


def run(data, *, seed, rate, width=2):
    return {"x": jax.random.normal(seed, (width,)) * rate + data.sum()}


DATA = (np.ones(3, np.float32),)
AXES = {"seed": jr.seeds(2), "rate": [0.1, 0.2]}
PLUS = functools.partial(dict.__or__, AXES)

BAD = {
    "unknown parameter": (run, PLUS({"speed": [1.0]}), {}, r"'speed'.*no free parameter of run, which has \['rate'"),
    "missing parameter": (run, {"seed": jr.seeds(2)}, {}, r"must also set \['rate'\]"),
    "missing argument": (run, AXES, {"args": ()}, r"must also set \['data'\]"),
    "too many arguments": (run, AXES, {"args": DATA * 2}, r"2 values.*takes 1"),
    "axis and args clash": (run, PLUS({"data": [1.0]}), {}, r"'data'.*no free parameter"),
    "no axes": (run, {}, {}, "at least one axis"),
    "empty axis": (run, PLUS({"rate": []}), {}, "'rate'.*at least one value"),
    "empty static axis": (run, PLUS({"width": jr.static([])}), {}, "'width'.*at least one value"),
    "strings without static": (run, PLUS({"rate": ["a", "b"]}), {}, r"must hold numbers.*static"),
    "objects without static": (run, PLUS({"rate": [None, 1]}), {}, r"must hold numbers.*static"),
    "a lone number": (run, PLUS({"rate": 0.1}), {}, r"must have 1 dimension, not 0.*a list, such as \[0.1\]"),
    "numbers for keys": (run, PLUS({"seed": range(2)}), {}, r"axes = \['rate', 'seed'\].*PRNG key.*jaxreg.seeds"),
    "decimals for keys": (run, PLUS({"seed": [0.5]}), {}, r"axes = \['rate', 'seed'\].*PRNG key.*jaxreg.seeds"),
    "missing of a partial": (functools.partial(run, width=3), {"rate": [1.0]}, {}, r"\['seed'\], parameters of run"),
    "a matrix": (run, PLUS({"rate": [[0.1], [0.2]]}), {}, "must have 1 dimension, not 2"),
    "ragged lists": (run, PLUS({"rate": [[0.1], [0.2, 0.3]]}), {}, "must hold numbers"),
    "duplicated numbers": (run, PLUS({"rate": [0.1, 0.2, 0.1]}), {}, "must not appear twice"),
    "duplicated static values": (run, PLUS({"width": jr.static([2, 2])}), {}, "must not appear twice"),
    "NaN": (run, PLUS({"rate": [0.1, np.nan]}), {}, "must not hold NaN"),
    "chunk_size 0": (run, AXES, {"chunk_size": 0}, r"chunk_size = 0: must be a positive integer"),
    "chunk_size negative": (run, AXES, {"chunk_size": -3}, r"chunk_size = -3"),
    "chunk_size text": (run, AXES, {"chunk_size": "big"}, r"chunk_size = 'big'"),
    "no devices": (run, AXES, {"devices": []}, "at least one device"),
    "dims too short": (run, AXES, {"dims": {"x": ()}}, r"must name 1 trailing.* the shape \(2,\)"),
    "dims too long": (run, AXES, {"dims": {"x": ("a", "b")}}, "must name 1 trailing"),
    "dims of unknown output": (run, AXES, {"dims": {"y": ("a",)}}, r"must name outputs of the run: \['x'\]"),
    "dims named as an axis": (run, AXES, {"dims": {"x": ("rate",)}}, "new name that no axis has"),
    "coordinate length": (run, AXES, {"dims": {"x": {"unit": [1, 2, 3]}}}, "must have length 2"),
    "args not arrays": (run, AXES, {"args": ("text",)}, "arrays and numbers only"),
    "a sparse matrix": (run, AXES, {"args": (scipy.sparse.eye(3),)}, r"args = '\w+': must be a dense.*\.toarray\(\)"),
    "a sparse matrix inside": (run, AXES, {"args": ({"x": scipy.sparse.eye(3, format="csc")},)}, r"\.toarray\(\)"),
    "a sparse design": (
        lambda X, *, alpha: inspect.unwrap(jr.linear.ridge)(X, jnp.ones(3), alpha)._asdict(),
        {"alpha": [1.0]},
        {"args": (jax.experimental.sparse.BCOO.fromdense(jnp.eye(3)),)},
        r"X = 'BCOO': must be dense.*\.todense\(\)",
    ),
    "run=type": (type, {"a": [1.0]}, {"args": ()}, "run = <class 'type'>: must be a function.*Wrap it"),
    "keyword set twice": (
        run,
        PLUS({"case": jr.cases({"a": {"rate": 1.0}})}),
        {},
        r"axes\['case'\] = 'rate': is already set by the axis 'rate'",
    ),
    "case without default": (
        run,
        {"seed": jr.seeds(2), "case": jr.cases({"a": {}, "b": {"rate": 1.0}})},
        {},
        "must set 'rate', which has no default",
    ),
    "seeds used as numbers": (lambda *, seed: {"x": seed}, {"seed": jr.seeds(2)}, {"args": ()}, "array of numbers"),
    "integers beyond 32 bits": (run, PLUS({"rate": [1, 2**40]}), {}, "must fit int32.*x64=True"),
    "floats beyond float32": (run, PLUS({"rate": [1.0, 1e300]}), {}, "must fit float32.*x64=True"),
    "equal once in float32": (run, PLUS({"rate": [1.0, 1.0 + 1e-12]}), {}, "must not appear twice"),
    "args beyond 32 bits": (run, AXES, {"args": (np.array([2**40]),)}, "must fit int32"),
    "args below float32": (run, AXES, {"args": (np.array([1e-300, 1e-310]),)}, "must fit float32"),
    "axis named as the engine's variables": (lambda *, done: {"x": done}, {"done": [1.0]}, {"args": ()}, "'done'"),
    "coordinate with NaN": (run, AXES, {"dims": {"x": {"unit": [0.0, np.nan]}}}, "not NaN"),
    "coordinate of dates": (run, AXES, {"dims": {"x": {"unit": np.arange(2).astype("M8[D]")}}}, "list of numbers"),
    "dimension named as an output": (run, AXES, {"dims": {"x": ("x",)}}, "name of an output too"),
    "output named as a path": (lambda *, a: {"loss/train": a}, {"a": [1.0]}, {"args": ()}, "hold '/'"),
    "clash with args under open keywords": (lambda data, **k: {"x": data}, {"data": [1.0]}, {}, "no free parameter"),
    "shape from an argument": (
        lambda n, *, a: {"x": jnp.zeros(n) + a},
        {"a": [1.0]},
        {"args": (5,)},
        r"run = 'args\[0\]'",
    ),
    "dtype differs between programs": (
        lambda *, n: {"x": jnp.zeros((), n)},
        {"n": jr.static(["int32", "float32"])},
        {"args": ()},
        "float32 for n=float32.*must be int32.*Cast it",
    ),
    "returns nothing": (lambda *, a: None, {"a": [1.0]}, {"args": ()}, "must return a dict or NamedTuple"),
    "returns an empty dict": (lambda *, a: {}, {"a": [1.0]}, {"args": ()}, "at least one"),
    "returns an array": (lambda *, a: a, {"a": [1.0]}, {"args": ()}, "must return a dict or NamedTuple.*Name its"),
    "returns text": (lambda *, a: {"x": "yes"}, {"a": [1.0]}, {"args": ()}, "output 'x' = 'yes'"),
    "returns complex": (
        lambda *, a: {"x": jax.lax.complex(a, a)},
        {"a": [1.0]},
        {"args": ()},
        "array of numbers. Return",
    ),
    "returns a reserved name": (lambda *, a: {"diverged": a}, {"a": [1.0]}, {"args": ()}, "the engine adds"),
    "returns an axis name": (lambda *, a: {"a": a}, {"a": [1.0]}, {"args": ()}, "taken by the engine or by an axis"),
    "shape from a traced value": (
        lambda *, a: {"x": jnp.zeros(a)},
        {"a": [1, 2]},
        {"args": ()},
        r"run = 'a': is traced.*static",
    ),
    "branch on a traced value": (
        lambda *, a: {"x": a if a > 0 else -a},
        {"a": [1.0]},
        {"args": ()},
        r"run = 'a': is traced.*jnp.where",
    ),
    "other names per static value": (
        lambda *, n: {f"x{n}": jnp.zeros(())},
        {"n": jr.static([1, 2])},
        {"args": ()},
        r"must return \['x1'\] for n=2 too",
    ),
    "other rank per static value": (
        lambda *, n: {"x": jnp.zeros((2,) * n)},
        {"n": jr.static([1, 2])},
        {"args": ()},
        "output 'x'",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("entry", [jr.sweep, jr.plan])
def test_refused(name, entry):
    function, axes, options, message = BAD[name]
    with pytest.raises(JaxregError, match=message) as refusal:
        entry(function, axes, **({"args": DATA, "progress": False} | options))
    assert type(refusal.value) in (SweepError, ArgumentError)
    named = r"(run|axes|args|dims|chunk_size|devices|output|name|X|seeds|static|cases)\b"
    assert re.match(named, refusal.value.argument)
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jr.seeds(0), r"seeds\(n\) = 0"),
        (lambda: jr.seeds(3, root=-1), r"seeds\(root\) = -1"),
        (lambda: jr.seeds(3, start=2**32), r"seeds\(start\)"),
        (lambda: jr.seeds(2, start=2**32 - 1), r"start \+ n must not exceed"),
        (lambda: jr.static([[1, 2]]), "must be hashable"),
        (lambda: jr.static({"a": [1, 2]}), "must be hashable"),
        (lambda: jr.cases({}), "at least one name"),
    ],
)
def test_axis_constructors_refuse(make, message):
    with pytest.raises(SweepError, match=message):
        make()


def test_wrong_types_are_refused_without_the_tests_type_checker(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)

    def free(*, a):
        return {"x": a}

    calls = {
        "run = 3": lambda: jr.sweep(3, {"a": [1.0]}),
        "axes = [1.0]": lambda: jr.sweep(free, [1.0]),
        "args = 3": lambda: jr.sweep(free, {"a": [1.0]}, args=3),
        "seeds(n) = 2.5": lambda: jr.seeds(2.5),
        "seeds(n) = True": lambda: jr.seeds(True),
        "cases['a'] = 3": lambda: jr.cases({"a": 3}),
        "cases = [('a', {})]": lambda: jr.cases([("a", {})]),
        "executor = 4": lambda: jr.sweep(free, {"a": [1.0]}, executor=4),
    }
    for named, call in calls.items():
        with pytest.raises(SweepError) as refusal:
            call()
        assert str(refusal.value).startswith(f"{named}: ")


def test_errors_inside_the_run_are_the_users_own():
    def broken(*, a):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jr.sweep(broken, {"a": [1.0]}, progress=False)


def test_foreign_store_paths_are_refused(tmp_path):
    def refuse(path, message):
        with pytest.raises(StoreError, match=message):
            jr.sweep(run, AXES, args=DATA, store=path, progress=False)

    file = tmp_path / "file"
    file.write_text("notes")
    refuse(file, "is no folder")
    refuse(file / "below.zarr", "cannot be used")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    refuse(folder, "did not write")
    assert (folder / "thesis.txt").read_text() == "years of work"
    empty = tmp_path / "empty"
    empty.mkdir()
    jr.sweep(run, AXES, args=DATA, store=empty, progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_store_path_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="not writable"):
        jr.sweep(run, AXES, args=DATA, store=tmp_path / "s.zarr", progress=False)


def test_a_read_only_file_system_is_refused():
    with pytest.raises(StoreError, match="store = '/proc/"):
        jr.sweep(run, AXES, args=DATA, store="/proc/jaxreg/s.zarr", progress=False)
