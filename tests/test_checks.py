"""The check layer: what is no number, integer, key, choice or array of the domain is refused, whatever it is."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from jaxreg import checks
from jaxreg.checks import FINITE, NOT_NEGATIVE, POSITIVE, SHARE, Domain
from jaxreg.errors import ArgumentError

ODD = {
    "text": "a",
    "bytes": b"1",
    "none": None,
    "object": object(),
    "class": int,
    "function": abs,
    "dict": {},
    "set": {1},
    "truth": True,
    "NumPy truth": np.True_,
    "traced truth": jnp.array(True),
    "complex": 1j,
    "NumPy complex": np.complex64(1),
    "fraction": Fraction(1, 2),
    "masked": np.ma.masked,
    "masked number": np.ma.masked_array(1.0, True),
    "empty": np.array([]),
    "objects": np.array([1, "a"], object),
    "one in a list": [0.5],
    "one in an array": np.array([0.5]),
    "new key": jax.random.key(0),
    "old key": jax.random.PRNGKey(0),
    "date": np.datetime64("2020-01-01"),
    "frame": pd.DataFrame({"a": [1.0]}),
    "sparse": scipy.sparse.eye(2),
}
HUGE = {"10**400": 10**400, "-10**400": -(10**400), "10**5000": 10**5000, "inf": math.inf, "nan": math.nan}


@pytest.mark.parametrize("value", [*ODD.values(), *HUGE.values()], ids=[*ODD, *HUGE])
def test_what_is_no_finite_number_is_refused(value):
    for domain in (FINITE, POSITIVE, NOT_NEGATIVE, SHARE, Domain(1, ends="[)", whole=True)):
        with pytest.raises(ArgumentError, match=r"^rate = ") as caught:
            domain.check("rate", value, "Give one")
        assert "Give one" in str(caught.value)
    with pytest.raises(ArgumentError, match="must be an integer"):
        checks.check_integer("rate", value, 0, math.inf, "Give one")
    with pytest.raises(ArgumentError, match="must be one of left, right"):
        checks.check_choice("rate", value, ("left", "right"))


@pytest.mark.parametrize("name", [name for name in ODD if name not in ("truth", "NumPy truth")])
def test_what_is_no_flag_is_refused(name):
    checks.check_flag("paired", True)
    checks.check_flag("paired", np.False_)
    with pytest.raises(ArgumentError, match=r"(?s)^paired = .*must be True or False\. Say which\.$"):
        checks.check_flag("paired", ODD[name])


@pytest.mark.parametrize("name", [name for name in ODD if name != "new key"])
def test_what_is_no_key_is_refused(name):
    with pytest.raises(ArgumentError, match=r"must be a typed PRNG key\. Give jax\.random\.key\(0\)"):
        checks.check_key("seed", ODD[name])
    with pytest.raises(ArgumentError, match="must be a typed PRNG key"):
        checks.check_key("seed", jax.random.split(jax.random.key(0)))  # two of them


@pytest.mark.parametrize(
    "number",
    [0, 0.5, np.float32(0.3), np.int8(1), np.array(0.3), jnp.float32(0.3), jnp.bfloat16(0.5), np.longdouble(1)],
)
def test_numbers_of_every_kind_are_taken(number):
    SHARE.check("rate", number, "Give one")
    SHARE.check("rate", number, "Give one", dtype=jnp.float32)
    SHARE.check_all("rate", number, "Give one")
    SHARE.check("rate", xr.DataArray(number), "Give one")


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.sampled_from(["[]", "[)", "(]", "()"]),
    st.booleans(),
)
def test_the_domain_is_the_interval(number, one, other, ends, whole):
    low, high = min(one, other), max(one, other)
    inside = (low <= number if ends[0] == "[" else low < number) and (
        number <= high if ends[1] == "]" else number < high
    )
    inside = inside and (not whole or number == math.floor(number))
    domain = Domain(low, high, ends, whole)
    assert bool(domain.holds(np.float64(number))) == inside
    for check in (domain.check, domain.check_all):
        try:
            check("rate", number, "Give one")
        except ArgumentError:
            assert not inside
        else:
            assert inside


def test_of_traced_values_shape_and_kind_are_checked():
    jax.jit(lambda x: POSITIVE.check("rate", x, "Give one"))(-1.0)
    jax.jit(lambda x: POSITIVE.check_all("rate", x, "Give one"))(jnp.array([-1.0, 2.0]))
    for wrong in (jnp.ones(2), jnp.array(True), jax.random.key(0)):
        with pytest.raises(ArgumentError, match="must be one number"):
            jax.jit(lambda x: POSITIVE.check("rate", x, "Give one"))(wrong)
    assert jax.jit(lambda x: SHARE.holds(x))(jnp.array([0.0, 1.0, 1.5, jnp.nan])).tolist() == [True, True, False, False]


def test_numbers_that_a_precision_loses_are_refused():
    NOT_NEGATIVE.check("rate", 0.0, "Give one", dtype=jnp.float32)
    Domain(0).check("rate", math.inf, "Give one", dtype=jnp.float32)  # where infinity belongs to the domain
    for number in (1e39, 1e-39, 1e-300):
        NOT_NEGATIVE.check("rate", number, "Give one", dtype=jnp.float64)
        with pytest.raises(ArgumentError, match=r"in size in float32\. Give one"):
            NOT_NEGATIVE.check("rate", number, "Give one", dtype=jnp.float32)
        with pytest.raises(ArgumentError, match=r"rate\[1\] = .* in float32"):
            NOT_NEGATIVE.check_all("rate", [1.0, number], "Give one", dtype=jnp.float32)


def test_the_first_wrong_entry_is_named():
    with pytest.raises(ArgumentError, match=r"^x\[1, 0\] = -3\.0: must be 0 or more, and finite\. Give one\.$"):
        NOT_NEGATIVE.check_all("x", [[1.0, 2.0], [-3.0, math.nan]], "Give one")


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.array([[1, 2], [3, 4]], ">f4"),
        np.array([[1, 2], [3, 4]], np.longdouble),
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
        pd.DataFrame({"a": pd.array([1, 3], dtype="Int64"), "b": [2.0, 4.0]}),
        xr.DataArray([[1, 2], [3, 4]]),
        [[Fraction(1), 2], [3, 4]],
        jnp.array([[1, 2], [3, 4]]),
        np.ma.masked_array([[1, 2], [3, 4]], False),
        [jnp.array([1, 2]), jnp.array([3, 4])],
    ],
)
def test_arrays_of_every_kind_are_taken(values):
    array = checks.read_array("x", values, kinds="iuf", ndim=2)
    assert np.asarray(jnp.asarray(array)).tolist() == [[1, 2], [3, 4]]


def test_a_list_of_traced_numbers_is_an_array():
    assert jax.jit(lambda a: checks.read_array("x", [a, 2 * a], ndim=1))(3.0).tolist() == [3.0, 6.0]


@pytest.mark.parametrize(
    "values",
    [
        *(ODD[name] for name in ODD if name not in ("truth", "NumPy truth", "traced truth", "empty", "old key")),
        [[1.0], [1.0, 2.0]],
        [1.0, None],
        [10**400],
        np.ma.masked_array([1.0, 2.0], [True, False]),
        pd.DataFrame({"a": ["1"]}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(values):
    with pytest.raises(ArgumentError, match=r"^x = "):
        checks.read_array("x", values, ndim=3)


def test_sparse_matrices_are_refused_with_the_remedy():
    with pytest.raises(ArgumentError, match=r"must be dense\. Give X\.toarray\(\)"):
        checks.read_array("X", scipy.sparse.eye(3, format="csr"))


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (FINITE, "must be finite"),
        (POSITIVE, "must be positive and finite"),
        (NOT_NEGATIVE, "must be 0 or more, and finite"),
        (Domain(0), "must be 0 or more"),
        (Domain(1, ends="(]"), "must be more than 1"),
        (Domain(high=3), "must be at most 3"),
        (Domain(0, 1, "[)"), "must lie in [0, 1)"),
        (Domain(0, 5, whole=True), "must be whole and lie in [0, 5]"),
        (Domain(), "must be a number, not NaN"),
    ],
)
def test_a_domain_in_words(domain, words):
    assert domain.constraint == words


@pytest.mark.parametrize("read", [checks.read_floats, checks.read_jax])
def test_numbers_that_a_cast_loses_are_refused_unless_others_dwarf_them(read):
    for wrong in ([1.0, 1e39], [1e-39, 1e-39], [0.0, 1e-300], np.float64(1e-45)):
        with pytest.raises(ArgumentError, match=r"^w.* in float32\."):
            read("w", np.asarray(wrong))
    for fine in ([1.0, 1e-39], [0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0], []):
        np.testing.assert_array_equal(read("w", np.asarray(fine)), np.asarray(fine, np.float32))
    for short in (np.float16(6e-8), np.float32(1e-39)):  # nothing is cast
        assert read("w", np.array([short])).dtype == short.dtype
    with jax.enable_x64(True):
        np.testing.assert_array_equal(read("w", np.array([1e-300, 1e39])), [1e-300, 1e39])
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        with pytest.raises(ArgumentError, match=r"must be finite in float64"):
            read("w", np.array([np.longdouble(10) ** 400]))


def test_integers_that_would_wrap_are_refused_or_become_floats():
    for number in (2**31, -(2**31) - 1, 2**63 - 1):
        with pytest.raises(ArgumentError, match=r"^labels\[1\] = .*must lie from -2147483648 to 2147483647 in int32"):
            checks.read_jax("labels", [0, number])
        np.testing.assert_array_equal(checks.read_floats("w", [0, number]), np.array([0, number], np.float32))
        for kind in (int, np.int64):
            assert checks.as_real(kind(number)) == float(number)
    with pytest.raises(ArgumentError, match="in uint32"):
        checks.read_jax("labels", np.array([2**32], np.uint64))
    assert checks.read_jax("labels", [2**31 - 1]).dtype == jnp.int32
    for same in (2**31 - 1, -(2**31), 0.5, jnp.int32(3), np.float32(1e-39), np.float32(1e30), np.array(1e30)):
        assert checks.as_real(same) is same
    assert checks.as_real(2**40, 64) == 2**40
    assert type(checks.as_real(xr.DataArray(0.5))) is float
    assert (checks.as_real(10**400), checks.as_real(-(10**400), 64)) == (math.inf, -math.inf)
    assert isinstance(checks.as_real(2**63, 64), float)


def test_shapes_that_broadcast_without_growing_fit():
    for shape in ((), (1,), (3,), (1, 3), (2, 1), (2, 3)):
        checks.check_fits("step", shape, "w", (2, 3))
    for shape in ((2,), (3, 1), (0,), (1, 2, 3)):
        with pytest.raises(ArgumentError, match=r"must broadcast to the shape \(2, 3\) of w"):
            checks.check_fits("step", shape, "w", (2, 3))
