"""Multi-layer perceptron: affine layers with an activation in between, initialised as the field does it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

Activation = Callable[[Array], Array]
Initializer = Callable[..., Array]

UNIT_AXIS = 0
"""The axis of a weight (out, in) along which its units lie; see `penalties.GroupLasso`."""

# In the forms of PyTorch: GELU exact, leaky slope 0.01 (Keras 3 has 0.2).
ACTIVATIONS: dict[str, Activation] = {
    "elu": jax.nn.elu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "identity": lambda x: x,
    "leaky_relu": jax.nn.leaky_relu,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


def _scaled(scale: float, mode: Any, distribution: Any) -> Initializer:
    """Variance scaling of a weight (out, in)."""
    return jax.nn.initializers.variance_scaling(scale, mode, distribution, in_axis=-1, out_axis=-2)


INITIALIZERS: dict[str, Initializer] = {
    f"{name}_{law}": _scaled(scale, mode, distribution)
    for name, (scale, mode) in {"glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in"), "lecun": (1.0, "fan_in")}.items()
    for law, distribution in {"normal": "truncated_normal", "uniform": "uniform"}.items()
}


@jax.custom_jvp
def product(x: Float[Array, "batch features"], weight: Float[Array, "units features"]) -> Float[Array, "batch units"]:
    r"""Matrix product $x W^\top$, in the forms that are fast on a CPU.

    The smaller operand comes second, as that is the one a product rearranges first: for a batch of 32, computing
    $(W x^\top)^\top$ saves a quarter of the time, and four fifths for eight tangents of W at once. Both gradients,
    $\delta W$ and $\delta^\top x$, come out without a transpose.

    >>> product(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]))
    Array([[11., 17., 23.]], dtype=float32)
    """
    if x.shape[0] >= weight.shape[0]:
        return _contract_last(x, weight)
    # XLA would merge the transpose into the product, turning it round again, and then into all that follows.
    settle = jax.lax.optimization_barrier
    return settle(settle(_contract_last(weight, x)).T)


def _product_jvp(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, weight), (dx, dweight) = primals, tangents
    value = product(x, weight)
    parts = [] if isinstance(dx, SymbolicZero) else [_product_over.bind(dx, weight, over=(1, 1))]
    parts += [] if isinstance(dweight, SymbolicZero) else [_tangent_product.bind(x, dweight)]
    return value, sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(value)


product.defjvp(_product_jvp, symbolic_zeros=True)


def _contract(a: Any, b: Any, *, over: tuple[int, int]) -> Array:
    return jax.lax.dot_general(a, b, (((over[0],), (over[1],)), ((), ())))


_contract_last = functools.partial(_contract, over=(1, 1))


def _contract_batch(values: tuple[Array, Array], axes: tuple[Any, Any], *, over: tuple[int, int]) -> tuple[Array, int]:
    """JAX would put many b beside one a side by side, which copies all of them transposed: a is repeated instead."""
    a, b = values
    if axes[0] is None:
        a, axes = jax.lax.optimization_barrier(jnp.broadcast_to(a, (b.shape[axes[1]], *a.shape))), (0, axes[1])
    return jax.vmap(functools.partial(_contract, over=over), axes)(a, b), 0


def _contract_back(slope: Any, other: Any, mine: int, others: int, first: bool) -> Array:
    """A derivative of the product: `mine` and `others` are the axes that it is over, `first` whether a is asked for."""
    one, two = ((slope, int(first)), (other, 1 - others))
    (a, i), (b, j) = (one, two) if mine else (two, one)
    return _product_over.bind(a, b, over=(i, j))


# The product of a and b over an axis of each: what derivatives of `product` consist of.
_product_over = Primitive("product_over")
_product_over.def_impl(_contract)
_product_over.def_abstract_eval(
    lambda a, b, *, over: jax.core.ShapedArray((a.shape[1 - over[0]], b.shape[1 - over[1]]), a.dtype)
)
mlir.register_lowering(_product_over, mlir.lower_fun(_contract, multiple_results=False))
batching.primitive_batchers[_product_over] = _contract_batch
ad.defbilinear(
    _product_over,
    lambda slope, a, b, *, over: _contract_back(slope, b, over[0], over[1], True),
    lambda slope, a, b, *, over: _contract_back(slope, a, over[1], over[0], False),
)

# As a function of a weight's tangent a product is fast as `product` is, and its transpose as plain products are.
_tangent_product = Primitive("tangent_product")
_tangent_product.def_impl(product)
_tangent_product.def_abstract_eval(lambda x, weight: jax.core.ShapedArray((x.shape[0], weight.shape[0]), x.dtype))
mlir.register_lowering(_tangent_product, mlir.lower_fun(product, multiple_results=False))
batching.primitive_batchers[_tangent_product] = lambda values, axes: (jax.vmap(product, axes)(*values), 0)
ad.defbilinear(
    _tangent_product,
    lambda slope, x, weight: _product_over.bind(slope, weight, over=(1, 0)),
    lambda slope, x, weight: _product_over.bind(slope, x, over=(0, 0)),
)


class Affine(nn.Module):
    r"""One layer, $x W^\top + b$, with b = 0 at first.

    The weight is (out, in), as PyTorch has it: `UNIT_AXIS` is the `unit_axis` of penalties that go by units.

    Args:
        units: outputs.
        initializer: a key of `INITIALIZERS`.
    """

    units: int
    initializer: str

    @nn.compact
    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch units"]:
        """The layer's outputs."""
        weight = self.param("weight", INITIALIZERS[self.initializer], (self.units, x.shape[-1]), x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.units,), x.dtype)
        return product(x, weight) + bias[None]


class MLP(nn.Module):
    r"""Multi-layer perceptron $h_0 = x,\; h_i = \phi(h_{i-1} W_i^\top + b_i)$, logits $h_L W^\top + b$.

    Args:
        hidden: units of each hidden layer; empty for a linear classifier.
        classes: number of logits.
        activation: $\phi$, a key of `ACTIVATIONS`.
        initializer: of the weights, a key of `INITIALIZERS`; Keras' default is "glorot_uniform". Biases start at 0.

    >>> model = MLP(hidden=(8, 4), classes=3)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 5)))
    >>> jax.tree.map(jnp.shape, params)["params"]["hidden_0"]
    {'bias': (8,), 'weight': (8, 5)}
    >>> model.apply(params, jnp.zeros((2, 5))).shape
    (2, 3)
    """

    hidden: tuple[int, ...]
    classes: int
    activation: str = "sigmoid"
    initializer: str = "glorot_uniform"

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch features"], multipliers: Sequence[Float[Array, "batch _"] | None] = ()
    ) -> Float[Array, "batch classes"]:
        """Logits. Activations of hidden layer i are multiplied with `multipliers[i]` unless it is None (dropout)."""
        for i, units in enumerate(self.hidden):
            x = ACTIVATIONS[self.activation](Affine(units, self.initializer, name=f"hidden_{i}")(x))
            multiplier = multipliers[i] if multipliers else None
            x = x if multiplier is None else x * multiplier
        return Affine(self.classes, self.initializer, name="output")(x)
