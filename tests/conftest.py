"""Two CPU devices and strict dtype promotion for every test; warnings are errors (pyproject.toml)."""

import gc
import signal

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Drop the programs of a module after its last test: those of the whole suite would fill gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()
