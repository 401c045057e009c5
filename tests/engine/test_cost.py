"""The cost of a run: what its hottest loop keeps alive, and whether products dominate."""

import jax
import jax.numpy as jnp

from jaxreg.engine.cost import measure_cost


def cost_of(function, *args, shared=(0,), seeded=()):
    return measure_cost(jax.make_jaxpr(function)(*args), shared, seeded)


def train(data, rate):
    """Ten steps on a 100 x 50 weight matrix with batches of 20."""

    def step(w, i):
        x = jax.lax.dynamic_slice_in_dim(data, i * 20, 20)
        gradient = jax.grad(lambda w: jnp.tanh(x @ w).sum())(w)
        return w - rate * gradient, None

    w, _ = jax.lax.scan(step, jnp.zeros((100, 50)), jnp.arange(10))
    return jax.jit(lambda w: (data[:100] @ w).sum())(w)


def test_hot_bytes_count_the_loop_and_not_the_shared_data():
    cost = cost_of(train, jnp.zeros((10_000, 100)), jnp.float32(0.1))
    weights, batch = 4 * 100 * 50, 4 * 20 * 100
    assert 2 * weights + batch <= cost.hot_bytes <= 5 * weights + 2 * batch
    assert cost.peak_bytes < 4 * 10_000 * 100
    assert cost.is_product_bound


def test_product_operations_are_exact():
    cost = cost_of(train, jnp.zeros((10_000, 100)), jnp.float32(0.1))
    assert cost.product_operations == 10 * 2 * (2 * 20 * 100 * 50) + 2 * 100 * 100 * 50


def test_elementwise_loops_are_not_product_bound():
    def walk(rate, key):
        def step(w, key):
            w = w - rate * (w + jax.random.normal(key))
            return w, w

        return jax.lax.scan(step, jnp.float32(0), jax.random.split(key, 1000))[1]

    cost = cost_of(walk, jnp.float32(0.1), jax.random.key(0), shared=(), seeded=(1,))
    assert not cost.is_product_bound
    assert cost.hot_bytes < 500
    assert cost.unseeded_bytes < cost.hot_bytes  # the draws are the seed's, the weight is not
    assert cost.hot_bytes_per_run(1) == cost.hot_bytes
    assert cost.unseeded_bytes <= cost.hot_bytes_per_run(1000) < cost.unseeded_bytes + 1
    assert cost.peak_bytes >= 4 * 1000 + 8 * 1000  # the history and the keys
