"""Long sweeps of small runs, really killed: first progress within seconds, and all but the last of the work is kept."""

import itertools
import random
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr

CODE = """
import sys, time
import jax, jax.numpy as jnp
jax.config.update("jax_num_cpu_devices", 2)
import jaxreg as jr
from jaxreg.engine import execute
finish = execute.Execution._finish_first
def finish_first(self, started):
    finish(self, started)
    print(self.tally.runs, time.time(), flush=True)
execute.Execution._finish_first = finish_first
def walk(*, seed):
    def step(i, w):
        return w - 0.1 * w + 0.01 * jnp.sin(w * i)
    return {"w": jax.lax.fori_loop(0, 10**6, step, jax.random.normal(seed))}
print("start", time.time(), flush=True)
jr.sweep(walk, {"seed": jr.seeds(8000)}, store=sys.argv[1], progress=False)
"""
OPEN = CODE.replace(  # as many turns, which nobody knows before
    "jax.lax.fori_loop(0, 10**6, step, jax.random.normal(seed))",
    "jax.lax.while_loop(lambda s: s[0] < 10**6, lambda s: (s[0] + 1, step(*s)), (0, jax.random.normal(seed)))[1]",
)
FIRST, LAST = 10.0, 15.0  # seconds


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("code", "attempt"), [(CODE, 0), (CODE, 1), (OPEN, 1), (OPEN, 2)], ids=["for", "for again", "while", "while again"]
)
def test_a_sweep_of_eight_thousand_long_runs_shows_progress_and_outlives_a_kill(tmp_path, code, attempt):
    """Runs of a million steps each; what was computed more than 15 s before the kill is in the store."""
    store = tmp_path / "s.zarr"
    with subprocess.Popen([sys.executable, "-c", code, str(store)], stdout=subprocess.PIPE, text=True) as process:
        time.sleep(random.Random(attempt).uniform(25, 60))
        killed = time.time()
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().splitlines()
    began = float(said[0].split()[1])
    calls = [(int(runs), float(when)) for runs, when in (line.split() for line in said[1:])]
    assert calls[0][1] - began < FIRST
    with xr.open_zarr(store, chunks=None) as plain:
        kept = int(plain.done.sum())
    must = max((runs for runs, when in calls if when < killed - LAST), default=0)
    print(f"first after {calls[0][1] - began:.1f} s; {kept} of {calls[-1][0]} runs kept, {killed - began:.0f} s in")
    assert kept >= must
    assert kept > 0
    between = [after - before for (_, before), (_, after) in itertools.pairwise(calls)]
    assert max(between, default=0.0) < LAST
