"""Bad values: odd objects by name, and generated numbers and arrays as expressions, so that a failure can be read."""

import collections
import datetime
import decimal
import fractions
import pathlib
from typing import Any

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr
from hypothesis import strategies as st

import jaxreg as jr
from jaxreg import landscape, nets, penalties

_ODD = """
None; True; False; ...; NotImplemented; object(); int; abs; (lambda: 0); (lambda *a, **k: 0); type; print
''; 'a'; '1'; '\\0'; 'é' * 300; b''; b'a'; bytearray(3); memoryview(b'ab'); 1j; complex('nan')
fractions.Fraction(1, 2); decimal.Decimal('0.5'); decimal.Decimal('NaN'); datetime.datetime(2020, 1, 1)
[]; (); {}; set(); frozenset({1}); [[]]; [1]; [0.5, 1.5]; (1, 2); (0, 0); (2.0, 1.0); [[1], [1, 2]]; [None]; ['a', 'b']
[float('nan'), 1.0]; (float('inf'), 0.0); [10**400]; [1, 'a']; {'a': 1}; {1: 2}; {'x': {'y': [1, 2]}};
range(3); range(0)
iter([1]); (i for i in range(3)); collections.deque([1.0]); pathlib.Path('a'); slice(3); [object()]; [1j]
10**400; -10**400; 2**31; 2**63; -2**63 - 1; 10**5000; np.int64(-1); np.uint64(2**63); np.bool_(True); np.str_('a')
np.float16(0.1); np.float64('nan'); np.longdouble(0.5); np.complex64(1); np.datetime64('2020-01-01'); np.timedelta64(1)
np.void(b'a'); np.array(0.5); np.array(2); np.array([0.5]); np.array(None); np.array(['a', 'b']); np.array([b'a'])
np.array([1, None], object); np.array([1, 2], object); np.array([], object); np.array(['2020'], 'datetime64[D]')
np.zeros(3, [('a', 'i4')]); np.ma.masked; np.ma.masked_array([1.0, 2.0], [True, False]); np.ma.masked_array(1.0, True)
np.array([1.0, 2.0], '>f8'); np.matrix([[1.0]]) if False else np.ones((1, 1)); np.recarray((2,), [('a', 'f4')])
jnp.float32(0.5); jnp.array(2); jnp.array([0.5]); jnp.array(True); jnp.bfloat16(0.5); jnp.array(1j); jnp.zeros(0)
jax.random.key(0); jax.random.PRNGKey(0); jax.random.split(jax.random.key(0)); jax.random.key(0, impl='rbg')
jax.ShapeDtypeStruct((2,), jnp.float32); jax.devices()[0]
pd.DataFrame({'a': [1.0, 2.0], 'b': [3, 4]}); pd.DataFrame({'a': ['x']}); pd.Series([1.0, 2.0]); pd.Series(['x'])
pd.DataFrame({'a': pd.array([1, None], dtype='Int64')}); pd.NA; pd.NaT; pd.Timestamp('2020')
xr.DataArray([1.0, 2.0], dims='t'); xr.DataArray(0.5); xr.Dataset(); xr.Dataset({'x': ('t', [1.0, 2.0])})
xr.Dataset({'x': ('t', ['a'])}); xr.Dataset({'mean': 1.0, 'low': 0.0}); xr.DataArray(['a'])
scipy.sparse.eye(2, format='csr'); jax.experimental.sparse.BCOO.fromdense(jnp.eye(2))
landscape.QUADRATIC; landscape.noisy_gradient(landscape.QUADRATIC, 0.1); nets.Augmentation(); penalties.L1(0.1)
nets.EarlyStopping('validation_loss'); jr.seeds(2); jr.static([1]); jr.cases({'a': {'b': 1}});
jr.stats; jr.errors.ArgumentError
jax.tree.map; (jr.landscape.T2_POINTS,); (np.ones(2), np.ones(3)); {'kernel': np.ones((2, 2)), 'bias': 'a'}
"""
ODD = [text.strip() for line in _ODD.strip().split("\n") for text in line.split(";") if text.strip()]
_NUMBERS = [
    0,
    1,
    2,
    3,
    -1,
    5,
    100,
    0.0,
    -0.0,
    0.5,
    1.5,
    -0.5,
    2.0,
    1e-7,
    1e-30,
    1e-39,
    1e-300,
    5e-324,
    1e10,
    1e38,
    1e39,
    1e300,
]
_FILLS = ["0", "1", "-1", "nan", "inf", "1e-39", "1e38", "3e38", "1e300", "127", "arange", "mixed"]
_DTYPES = ["float32", "float64", "float16", "int8", "uint8", "int64", "uint64", "bool", "complex64", "object", "str"]
_SHAPES = [
    (),
    (0,),
    (1,),
    (2,),
    (3,),
    (6,),
    (7,),
    (0, 3),
    (3, 0),
    (1, 1),
    (2, 2),
    (6, 2),
    (2, 6),
    (6, 1),
    (4, 3),
    (2, 3, 3),
    (1, 2, 3, 4),
]

recipes = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(
        [f"float({str(n)!r})" if isinstance(n, float) else str(n) for n in _NUMBERS] + ["nan", "inf", "-inf"]
    ),
    st.floats(width=64).map(lambda n: f"float({str(n)!r})"),
    st.builds(
        lambda kind, fill, shape, library: f"array({library!r}, {kind!r}, {fill!r}, {shape})",
        st.sampled_from(_DTYPES),
        st.sampled_from(_FILLS),
        st.sampled_from(_SHAPES),
        st.sampled_from(["numpy", "jax", "list", "frame"]),
    ),
)


def array(library: str, kind: str, fill: str, shape: tuple[int, ...]) -> Any:
    """An array of a kind that may or may not be able to hold the fill."""
    with np.errstate(all="ignore"):
        if fill == "arange":
            values = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
        elif fill == "mixed":
            values = np.resize(np.array([0.5, -2.0, 3.0, 0.0]), shape)
        else:
            values = np.full(shape, float(fill))
        values = values.real.astype(kind)
    if library == "list":
        return values.tolist()
    if library == "frame":
        return pd.DataFrame(values) if len(shape) in (1, 2) else xr.DataArray(values)
    return jnp.asarray(values) if library == "jax" and values.dtype.kind in "biufc" else values


_NAMES = {
    "nan": float("nan"), "inf": float("inf"), "array": array, "np": np, "jnp": jnp, "jax": jax, "pd": pd, "xr": xr,
    "jr": jr, "landscape": landscape, "nets": nets, "penalties": penalties, "scipy": scipy, "pathlib": pathlib,
    "fractions": fractions, "decimal": decimal, "datetime": datetime, "collections": collections,
}  # fmt: skip


def make(recipe: str) -> Any:
    """The value that an expression of this module stands for."""
    return eval(recipe, dict(_NAMES))


def is_finite(value: Any) -> bool:
    """Whether no number in a value is infinite, or not a number."""
    for leaf in jax.tree.leaves(value):
        try:
            if not np.isfinite(np.asarray(leaf)).all():
                return False
        except (TypeError, ValueError, OverflowError):
            return False
    return True
