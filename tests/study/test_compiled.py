"""Programs are compiled once: found again, counted, bounded, switched off, and never in the way of an answer."""

import gc
import os
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxreg.study import compiled
from jaxreg.study.compiled import keep_programs, programs_folder, trace_fast

_SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs", "jax_enable_compilation_cache")


@pytest.fixture(autouse=True)
def settings():
    """JAX as it comes, and as it is left."""
    held = {name: getattr(jax.config, name) for name in _SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_enable_compilation_cache", True)
    compiled.compilation_cache.reset_cache()
    yield lambda: {name: getattr(jax.config, name) for name in _SETTINGS}
    for name, value in held.items():
        jax.config.update(name, value)
    compiled.compilation_cache.reset_cache()


def _calculate():
    """A program that JAX has not in memory: each function is a new one."""
    return float(jax.jit(lambda x: 3.0 * x + 1.0)(np.float32(2.0)))


def _held(folder):
    return {path: path.stat().st_size for path in folder.glob("*-cache")}


def test_a_second_call_compiles_nothing_and_settings_are_put_back(tmp_path, settings):
    before = settings()
    for found in (0, 1):
        with keep_programs(tmp_path) as programs:
            assert _calculate() == 7.0
        assert (programs.needed, programs.found) == (1, found)
        assert str(programs) == ("1 program, 1 of them kept from before" if found else "1 program compiled")
        assert settings() == before
    held = _held(tmp_path)
    assert len(held) == 1
    jax.jit(lambda x: 5.0 * x)(np.float32(2.0))
    assert _held(tmp_path) == held  # what is compiled later is not kept


def test_it_can_be_switched_off(tmp_path):
    jax.config.update("jax_enable_compilation_cache", False)
    with keep_programs(tmp_path / "none") as programs:
        assert _calculate() == 7.0
    assert str(programs) == "no programs"
    assert not (tmp_path / "none").exists()


def test_a_folder_that_jax_was_told_is_used_as_it_is(tmp_path, settings):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    before = settings()
    with keep_programs():
        assert settings() == before
        _calculate()


def test_within_a_folder_that_keeps_programs_another_can_be_named(tmp_path, settings):
    with keep_programs(tmp_path / "outer"):
        before = settings()
        with keep_programs(tmp_path / "inner") as programs:
            _calculate()
        assert (str(programs), len(_held(tmp_path / "inner"))) == ("1 program compiled", 1)
        assert settings() == before
        _calculate()
    assert len(_held(tmp_path / "outer")) == 1


def test_what_was_used_longest_ago_goes_first(tmp_path, monkeypatch):
    for age, name in enumerate("abcd"):
        path = tmp_path / f"{name}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compiled, "LARGEST", 250)
    with keep_programs(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"a-cache", "b-cache"}


def test_a_torn_program_or_no_folder_changes_no_answer(tmp_path):
    with keep_programs(tmp_path):
        _calculate()
    (path,) = _held(tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    with keep_programs(tmp_path) as programs:
        assert _calculate() == 7.0
    assert programs.found == 0
    (tmp_path / "file").touch()
    with keep_programs(tmp_path / "file" / "folder"):
        assert _calculate() == 7.0


def test_processors_and_versions_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXREG_CACHE", str(tmp_path))
    here = programs_folder()
    assert here.parent == tmp_path / "programs"
    monkeypatch.setattr("platform.machine", lambda: "another")
    there = programs_folder()
    monkeypatch.setattr("jax.__version__", "0.0")
    assert len({here, there, programs_folder()}) == 3


def test_tracing_fast_notes_no_place_in_the_code_and_collects_seldom():
    held, often = jax.config.jax_traceback_in_locations_limit, gc.get_threshold()

    def notes_this_file():
        return Path(__file__).name in jax.jit(lambda x: x + 1).lower(1.0).as_text(debug_info=True)

    try:
        jax.config.update("jax_traceback_in_locations_limit", 10)
        gc.set_threshold(700, 10, 10)
        assert notes_this_file()
        trace_fast()
        assert not notes_this_file()
        assert gc.get_threshold()[0] >= 10_000
    finally:
        jax.config.update("jax_traceback_in_locations_limit", held)
        gc.set_threshold(*often)
