"""Convolutions as matrix products against XLA's own, values and derivatives, and where each is used."""

import functools

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxreg.nets.convolution import by_products

_RANDOM = np.random.default_rng(0)


def _array(*shape):
    return jnp.asarray(_RANDOM.normal(size=shape).astype(np.float32))


def _conv(x, kernel, strides=(1, 1), padding="SAME", numbers=("NHWC", "HWIO", "NHWC"), **more):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=numbers, **more)


_X = _array(2, 7, 6, 4)
_CONVOLUTIONS = [
    (_conv, _X, _array(3, 3, 4, 5)),
    (functools.partial(_conv, strides=(2, 3), padding="VALID"), _X, _array(3, 2, 4, 5)),
    (functools.partial(_conv, padding=((2, -1), (0, 1)), rhs_dilation=(2, 1)), _X, _array(3, 2, 4, 5)),
    (functools.partial(_conv, padding=((1, 2), (2, 1)), lhs_dilation=(2, 3)), _X, _array(3, 3, 4, 5)),
    (functools.partial(_conv, feature_group_count=2), _X, _array(3, 3, 2, 6)),
    (functools.partial(_conv, feature_group_count=4), _X, _array(3, 3, 1, 4)),
    (functools.partial(_conv, numbers=("NCHW", "OIHW", "NCHW")), _array(2, 4, 7, 6), _array(5, 4, 3, 3)),
    (functools.partial(_conv, strides=(2,), numbers=("NWC", "WIO", "NWC")), _array(2, 9, 3), _array(4, 3, 5)),
]
_TIES = jnp.round(_X)  # the first of equal entries has the gradient
_POOLS = [
    functools.partial(linen.max_pool, window_shape=window, strides=strides, padding=padding)
    for window, strides, padding in [((2, 2), (2, 2), "VALID"), ((2, 3), (2, 3), "SAME"), ((3, 3), (2, 2), "SAME")]
]


def _all_of(change):
    """Every value and derivative, one after the other."""
    results = []
    for function, *operands in [*_CONVOLUTIONS, *((pool, _TIES) for pool in _POOLS)]:
        values, pull = jax.vjp(change(function), *operands)
        weights = jnp.cos(jnp.arange(values.size, dtype=values.dtype)).reshape(values.shape)
        results.append((values, *pull(weights)))
    return results


def test_values_and_derivatives_are_those_of_xla():
    ours, theirs = jax.jit(lambda: (_all_of(by_products), _all_of(lambda function: function)))()
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), ours, theirs)
    pushed = [jax.jvp(change(_POOLS[0]), (_TIES,), (_X,))[1] for change in (by_products, lambda function: function)]
    np.testing.assert_allclose(*pushed)


def test_a_cpu_multiplies_and_others_convolve():
    """What stays as it is: other chips, and windows of very many entries."""
    net = by_products(lambda x, kernel: _POOLS[0](jax.nn.relu(_conv(x, kernel))))
    slope = jax.grad(lambda kernel, x: net(x, kernel).sum())
    loop = jax.jit(lambda x, kernel: lax.fori_loop(0, 3, lambda _, k: k - slope(k, x), kernel))
    traced = loop.trace(*_CONVOLUTIONS[0][1:])
    texts = {chip: traced.lower(lowering_platforms=(chip,)).as_text() for chip in ("cpu", "tpu")}
    for operation in ("stablehlo.convolution", "stablehlo.select_and_scatter"):
        assert operation not in texts["cpu"]
        assert operation in texts["tpu"]
    wide = jax.jit(by_products(functools.partial(_conv, padding="VALID"))).lower(
        _array(1, 12, 12, 1), _array(12, 12, 1, 1)
    )
    assert "stablehlo.convolution" in wide.as_text()
