"""Two CPU devices and strict dtype promotion for every test; warnings are errors (pyproject.toml)."""

import gc

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Drop the programs of a module after its last test: those of the whole suite would fill gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()
