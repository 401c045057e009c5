"""The benchmark measures what it says, and its table tells met from missed."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

import jaxreg as jr
from experiments.benchmarks import __main__ as command_line
from experiments.benchmarks import benchmark, timing
from experiments.benchmarks import nets as nets_benchmark
from experiments.benchmarks.settings import Entry
from paper_figures.benchmarks import benchmark as figure

_LINEAR = {"linear": 3, "loop": 2, "columns": 300, "refits": 2, "gauged": 4}
_DESCENTS = {"descents": 64, "tutorial": 1, "batched": 8, "memory": 64, "scratch": 8}
TINY = dataclasses.replace(benchmark.PRESETS["quick"], seeds=8, epochs=1, runs=2048, repeats=1, **_LINEAR, **_DESCENTS)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    store = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets_benchmark, "DEEP", dataclasses.replace(nets_benchmark.DEEP, hidden=(8,) * 5))
        return store, benchmark.run(TINY, store=store, progress=False)


def test_each_entry_is_measured_once(tmp_path, monkeypatch, capsys):
    """By the command line, which can name entries, goes on after a failure, and refuses other settings."""
    calls, broken = [], {"linear"}

    def make(name):
        def measure(config, limit):
            calls.append(name)
            assert name == "machine" or limit == 2e9
            if name in broken:
                raise RuntimeError(name)
            yield timing.row(name, 2.0, "x", target=1.0)

        return measure

    monkeypatch.setattr(benchmark, "_ENTRIES", {name: make(name) for name in benchmark._ENTRIES})
    monkeypatch.setattr(jr, "use_all_cores", lambda: 2)
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["--only", "network", "scratch"]) == 0
    assert calls == ["machine", "network", "scratch"]
    assert "| scratch | 2 x | 1 | met |" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="linear"):
        command_line.main([])
    broken.clear()
    assert command_line.main([]) == 0
    assert calls[3:8] == ["engine", "descents", "nets", "linear", "linear"]
    assert set(calls) == set(benchmark._ENTRIES) == {"machine", *get_args(Entry)}
    shown, count = capsys.readouterr().out, len(calls)
    assert [line.split()[1] for line in shown.splitlines()[2 : 1 + count]] == list(benchmark._ENTRIES)
    assert command_line.main(["--seeds", "3"]) == 2
    assert "holds measurements with other settings" in capsys.readouterr().err
    assert command_line.main(["--seeds", "3", "--only", "machine", "--fresh"]) == 0
    assert calls[count:] == ["machine"]
    assert command_line.main(["--plan", "--store", str(tmp_path / "planned")]) == 2
    assert "what a benchmark takes is what it measures" in capsys.readouterr().err
    assert len(calls) == count + 1
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("--only", "--descents", "python -m experiments.benchmarks [-h]"))


@pytest.mark.slow
def test_rows_are_kept_as_json_and_read_again(measured):
    store, dataset = measured
    record = json.loads((store / benchmark.JSON_NAME).read_text())
    assert [entry["name"] for entry in record["rows"]] == dataset["figure"].values.tolist()
    assert record["history"][0]["versions"]["jax"]
    assert (dataset["value"].where(dataset["unit"] != "of 1", 1) > 0).all()  # what is a share or a rank may be 0
    again = benchmark.run(TINY, store=store, progress=False)  # reads, and measures nothing
    np.testing.assert_array_equal(again["value"], dataset["value"])


@pytest.mark.slow
def test_the_table_tells_met_from_missed(measured):
    assert timing.meets(timing.row("a", 1.04, "ratio of times", target=1.05)) == "met"
    assert timing.meets(timing.row("a", 1.06, "ratio of times", target=1.05)) == "missed"
    assert timing.meets(timing.row("a", 299.0, "MB", target=300)) == "met"
    assert timing.meets(timing.row("a", 301.0, "MB", target=300)) == "missed"
    assert timing.meets(timing.row("a", 7.0, "x", target=6.0)) == "met"
    assert timing.meets(timing.row("a", 5.0, "x", target=6.0)) == "missed"
    assert timing.meets(timing.row("a", 5.0, "x")) == ""
    table = benchmark.report(measured[1])
    assert table.count("\n| ") == measured[1].sizes["figure"] + 1
    assert "jaxreg" in table.splitlines()[-1]


@pytest.mark.slow
def test_the_figure_shows_every_target(measured):
    axes = figure.draw(measured[1]).axes[0]
    assert len(axes.patches) == int(np.isfinite(measured[1]["target"]).sum())
    rows = [entry for entry in json.loads(measured[1].attrs["provenance"])["rows"] if entry["target"] is not None]
    assert all(patch.get_width() > 0 for patch, row in zip(axes.patches, rows, strict=True) if row["unit"] != "of 1")
    reached = [patch.get_width() >= 1 for patch in axes.patches]
    assert reached == [timing.meets(entry) == "met" for entry in rows]
    assert {"ratio of times", "MB"} <= {entry["unit"] for entry in rows}


_RIVAL = """
import dataclasses, sys
import jaxreg as jr
from experiments.benchmarks import nets, rivals

recipe = dataclasses.replace(nets.BASE, epochs=10, learning_rate=0.5)
theirs = rivals.time_torch(recipe, jr.datasets.load("digits"), 3, loader=sys.argv[1] == "True")
assert theirs.accuracy.shape == theirs.seconds.shape == (3,)
assert theirs.accuracy.mean() > 0.6
"""


@pytest.mark.slow
@pytest.mark.parametrize("loader", [True, False])
def test_the_pytorch_loop_learns_as_we_do(loader):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is in the extra 'bench', not in 'test'")
    done = subprocess.run([sys.executable, "-c", _RIVAL, str(loader)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
