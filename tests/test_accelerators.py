"""What of accelerators needs no compiler: kernels counted, processes that end or hang, chunks that fill a memory."""

import math
import os
import time

import jax
import jax.numpy as jnp
import jaxtyping
import pytest

import jaxreg as jr
from jaxreg.accelerators import TARGETS, compile_for, processes, targets
from jaxreg.accelerators.kernels import KernelCount, count_kernels
from jaxreg.engine.fitting import EMULATED, fit_box, warn_of_emulation
from jaxreg.engine.grid import Box
from jaxreg.engine.reading import read_axes
from jaxreg.engine.tracing import build_programs
from jaxreg.errors import AcceleratorError, JaxregError

_HLO = """
%fused (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %add = f32[4]{0} add(%p, %p)
}

%body (state: (s32[], f32[4])) -> (s32[], f32[4]) {
  %state = (s32[], f32[4]{0:T(8,128)}, /*index=2*/f32[]) parameter(0)
  %w = f32[4]{0} get-tuple-element(%state), index=1
  %a = f32[4]{0} fusion(%w), kind=kLoop, calls=%fused
  %b = f32[4]{0} custom-call(%a), custom_call_target="AllocateBuffer"
  %c = f32[4]{0} custom-call(%a), custom_call_target="tpu_custom_call"
  ROOT %t = (s32[], f32[4]{0}) tuple(%i, %c)
}

%condition (state: (s32[], f32[4])) -> pred[] {
  %limit = s32[]{:T(128)} constant(100)
  ROOT %less = pred[] compare(%i, %limit), direction=LT
}

%called (p: f32[4]) -> f32[4] {
  ROOT %s = f32[4]{0} sort(%p), dimensions={0}
}

ENTRY %main (x: f32[4]) -> f32[4] {
  %x = f32[4]{0} parameter(0)
  %start = (f32[4]{0}, f32[4]{0}, u32[]) copy-start(%x)
  %done = f32[4]{0} copy-done(%start)
  %sorted = f32[4]{0} call(%done), to_apply=%called
  %loop = (s32[], f32[4]{0}) while(%t), condition=%condition, body=%body
  ROOT %end = f32[4]{0} fusion(%sorted), kind=kLoop, calls=%fused
}
"""


def test_kernels_are_counted_by_hand():
    assert count_kernels(_HLO) == KernelCount(per_call=2 + 100 * 2, per_step=2, steps=100)
    noted = _HLO.replace("body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"7"}}')
    assert count_kernels(noted) == KernelCount(per_call=2 + 7 * 2, per_step=2, steps=7)


def test_kernels_of_a_program_that_is_compiled_here():
    def loop(x):
        return jax.lax.fori_loop(0, 50, lambda _, x: jnp.sort(x) + 1, x)

    text = jax.jit(loop).lower(jnp.ones(8)).compile().as_text()
    found = count_kernels(text)
    assert found.steps == 50
    assert found.per_call >= 50 * found.per_step > 0


def test_unknown_targets_and_missing_compilers_are_told(monkeypatch):
    def run(*, seed):
        return {"draw": jax.random.normal(seed)}

    axes = {"seed": jr.seeds(4)}
    with pytest.raises(AcceleratorError, match="v5e, v6e, h100, a100"):
        compile_for("v4", run, axes)
    monkeypatch.setattr(targets, "is_installed", lambda target: False)
    with pytest.raises(AcceleratorError, match="aot-tpu"):
        compile_for("v5e", run, axes)
    with pytest.raises(AcceleratorError, match="aot-cuda"):
        jr.plan(run, axes, target="h100")
    with pytest.raises(AcceleratorError, match="v5e, v6e, h100, a100"):  # before the run is traced
        jr.plan(lambda *, seed: pytest.fail("traced"), axes, target="V5E")


@pytest.mark.parametrize(
    "bad", [{"chunk_size": 0}, {"chunk_size": "all"}, {"processes": 0}, {"timeout": 0.0}, {"timeout": "long"}]
)
def test_what_cannot_be_meant_is_refused_before_anything_compiles(bad, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it
    with pytest.raises(JaxregError, match=next(iter(bad))):
        compile_for("v5e", lambda *, seed: {"draw": jax.random.normal(seed)}, {"seed": jr.seeds(4)}, **bad)


def _programs(tmp_path, monkeypatch, script):
    """Compile three programs in a process that does what `script` says at each of them."""
    child = tmp_path / "child.py"
    child.write_text(f"import json, os, sys, time\nfor name in sys.argv[2:]:\n    {script}\n")
    monkeypatch.setattr(processes, "COMMAND", (str(child),))
    files = []
    for word in ("good", "bad", "good"):
        files.append((word, tmp_path / f"{len(files)}{word}"))
    heard = []
    found = processes.compile_files(TARGETS["v5e"], files, 5.0, tell=lambda number, program: heard.append(number))
    assert heard == [0, 1, 2]
    return found


_GOOD = f"print({processes.MARK!r} + json.dumps({{'temporary_bytes': 5 * 2**30, 'argument_bytes': 1}}), flush=True)"


def test_a_compiler_that_ends_its_process_costs_one_program(tmp_path, monkeypatch):
    found = _programs(tmp_path, monkeypatch, f"os.abort() if 'bad' in name else {_GOOD}")
    assert [program.outcome for program in found] == ["compiled", "aborted", "compiled"]
    assert "(-6)" in found[1].message


def test_a_compiler_that_does_not_end_costs_one_program(tmp_path, monkeypatch):
    found = _programs(tmp_path, monkeypatch, f"time.sleep(60) if 'bad' in name else {_GOOD}")
    assert [program.outcome for program in found] == ["compiled", "timed out", "compiled"]


def test_an_interrupt_waits_for_no_compiler_and_leaves_none(tmp_path, monkeypatch):
    child = tmp_path / "child.py"
    child.write_text(
        f"import json, os, sys, time\nopen(sys.argv[2] + '.id', 'w').write(str(os.getpid()))\n{_GOOD}\ntime.sleep(60)"
    )
    monkeypatch.setattr(processes, "COMMAND", (str(child),))

    def interrupt(number, program):
        while not all((tmp_path / f"{k}.id").exists() for k in range(2)):
            time.sleep(0.05)
        raise KeyboardInterrupt

    began = time.monotonic()
    files = [(str(k), tmp_path / str(k)) for k in range(4)]
    with pytest.raises(KeyboardInterrupt):
        processes.compile_files(TARGETS["v5e"], files, 60.0, processes=2, tell=interrupt)
    assert time.monotonic() - began < 30
    for k in range(2):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / f"{k}.id").read_text()), 0)


def test_what_the_compiler_says_decides_what_it_is_called(tmp_path, monkeypatch):
    refusal = f"print({processes.MARK!r} + json.dumps({{'message': 'INVALID: bitcast of s64'}}), flush=True)"
    found = _programs(tmp_path, monkeypatch, f"{refusal} if 'bad' in name else {_GOOD}")
    assert [program.outcome for program in found] == ["compiled", "refused", "compiled"]
    memory = f"print({processes.MARK!r} + json.dumps({{'message': 'RESOURCE_EXHAUSTED: too much'}}), flush=True)"
    assert _programs(tmp_path, monkeypatch, f"{memory} if 'bad' in name else {_GOOD}")[1].outcome == "too large"
    large = _GOOD.replace("5 *", "16 *")
    found = _programs(tmp_path, monkeypatch, f"{large} if 'bad' in name else {_GOOD}")
    assert [program.fits for program in found] == [True, False, True]
    assert "needs 16.00 of 15.75 GiB" in str(found[1].message)
    assert "does not fit" in str(found[1])


def _study(runs):
    def run(*, seed):
        return {"draw": jax.random.normal(seed)}

    axes = read_axes(run, {"seed": jr.seeds(runs)}, ())
    return axes, build_programs(run, axes, ())


@pytest.mark.parametrize("start", [1, 50, 5000])
@pytest.mark.parametrize(("runs", "expected"), [(400, 400), (10_000, 1000)])
def test_a_chunk_grows_or_shrinks_until_it_fills_the_memory(start, runs, expected):
    tried = []

    def footprint(program, box):
        tried.append(box.members)
        return math.inf if box.members > 4000 else 50 + 9.5 * box.members

    axes, programs = _study(runs)
    box = fit_box(axes, programs, Box((min(start, runs),), 0), footprint, 10_000)
    assert box.members <= expected
    assert box.members >= 0.75 * expected
    assert footprint(programs[0], box) <= 10_000
    assert len(tried) <= 5


def test_emulated_precision_is_told_on_a_tpu_only():
    with jax.enable_x64(True):
        warn_of_emulation("gpu")
        with pytest.warns(UserWarning, match="devices=jax.devices"):
            warn_of_emulation("tpu")
    warn_of_emulation("tpu")
    assert "emulated" in EMULATED
