"""Run functions that the engine's tests share, and helpers to count compilations."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import monitoring

_compilations = 0


def _count(event: str, duration: float, **kwargs: object) -> None:
    global _compilations
    if event == "/jax/core/compile/backend_compile_duration":
        _compilations += 1


monitoring.register_event_duration_secs_listener(_count)


@contextlib.contextmanager
def counted_compilations() -> Iterator[list[int]]:
    """A list that holds, after the block, how many programs XLA compiled in it."""
    result: list[int] = []
    before = _compilations
    yield result
    result.append(_compilations - before)


def read_summary(capsys):
    """The last line that a sweep said."""
    return capsys.readouterr().err.strip().splitlines()[-1].rpartition("\r")[2].strip()


def count_computed(capsys):
    """How many runs the last sweep computed, by its summary."""
    line = read_summary(capsys)
    if line.endswith(" runs found in the store, none left to compute"):
        return 0
    return int(line.split(" runs, ")[0].split("; ")[-1].replace(",", ""))


def descend(points, *, seed, learning_rate, batch_size=4):
    """SGD on the mean of squares of drawn points: a scan, random draws, a static size."""

    def step(w, key):
        batch = jax.random.choice(key, points, (batch_size,))
        w = w - learning_rate * (w - batch.mean())
        return w, w

    final, weights = jax.lax.scan(step, jnp.zeros((), points.dtype), jax.random.split(seed, 8))
    return {"weight": weights, "final": final}


def draw(*, seed, scale=1.0):
    """One normal number, and which seed it came from."""
    return {"value": scale * jax.random.normal(seed), "key": jax.random.key_data(seed)}
