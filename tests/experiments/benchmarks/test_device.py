"""The benchmark of an accelerator keeps what it measured, goes on where it stopped, outlives what hangs."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxreg as jr
from experiments.benchmarks import device as device_benchmark
from experiments.benchmarks.device import entries as device_entries
from experiments.benchmarks.device import networks as device_networks
from experiments.benchmarks.device.entries import Entry
from experiments.benchmarks.device.sizes import TINY, Sizes
from experiments.benchmarks.device.summary import sum_up
from experiments.benchmarks.timing import row


def _entries(calls):
    def measure(name, value):
        calls.append(name)
        if value is None:
            raise AssertionError("ours and theirs differ")
        return [row(name, value, "steps/s", seconds=1.0)]

    values = {"first": 1.0, "bad": None, "last": 3.0}
    return lambda sizes: [Entry(n, 5.0, lambda n=n, v=v: measure(n, v)) for n, v in values.items()]


def test_every_entry_is_kept_and_none_is_measured_twice(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(device_entries, "list_entries", _entries(calls))
    monkeypatch.setattr(jr, "use_all_cores", lambda: 1)
    device_benchmark.work(tmp_path, tiny=True)
    device_benchmark.work(tmp_path, tiny=True)
    assert calls == ["first", "bad", "last"]
    record = device_benchmark.read(tmp_path)
    assert record["complete"]
    assert record["environment"]["device"].endswith("cpu")
    assert [entry["entry"] for entry in record["entries"]] == ["first", "bad", "last"]
    assert record["entries"][1]["error"] == "AssertionError: ours and theirs differ"
    table = device_benchmark.report(record)
    assert "| last | 3 steps/s |" in table
    assert "not measured: bad: AssertionError" in table


def test_a_line_that_is_not_whole_yet_is_not_read(tmp_path):
    (tmp_path / device_benchmark.LOG_NAME).write_text('{"names": ["a"], "environment": {}}\n{"entry": "a", "ro')
    assert len(device_benchmark._lines(tmp_path)) == 1
    assert not device_benchmark.read(tmp_path)["complete"]


def test_an_entry_that_outlasts_its_box_is_ended_and_said_so(tmp_path):
    line = json.dumps({"begin": "endless", "box": 0.5})
    script = f"import time; open({str(tmp_path / device_benchmark.LOG_NAME)!r}, 'a').write({line!r} + chr(10))"
    process = subprocess.Popen([sys.executable, "-c", f"{script}; time.sleep(60)"])
    began = time.monotonic()
    assert device_benchmark._watch(process, tmp_path, time.monotonic() + 60)
    assert time.monotonic() - began < 30
    (entry,) = device_benchmark.read(tmp_path)["entries"]
    assert entry["rows"] == []
    assert "with code -9" in entry["error"]
    assert json.loads((tmp_path / device_benchmark.JSON_NAME).read_text())["complete"] is False


def test_rows_are_compared():
    rows = [
        row("best matrix product, default", 2.0, "TFLOP/s"),
        row("memory bandwidth: scaling an array", 1000.0, "GB/s"),
        row("refit descent, 10 runs, xla", 2.0, "steps/s"),
        row("refit descent, 10 runs, pallas", 14.0, "steps/s"),
        row("T5 networks, 10", 80.0, "runs/s", operations_per_second=1e12, bytes_per_second=2.5e11),
        row("T5 network, PyTorch loop", 2.0, "runs/s"),
        row("T5 networks, 2, float32 products", 1.0, "runs/s", accuracies=[90.0, 91.0]),
        row("T5 networks, 2, bfloat16 products", 1.0, "runs/s", accuracies=[90.5, 90.5]),
    ]
    found = {entry["name"]: entry for entry in sum_up(rows)}
    assert {name: entry["value"] for name, entry in found.items()} == {
        "refit descent, 10 runs, pallas: over XLA": 7.0,
        "T5 networks, 10: of bandwidth": 0.25,
        "T5 networks, 10: of products": 0.5,
        "T5 networks over PyTorch loop": 40.0,
        "T5 networks, 2, bfloat16 products: accuracy beside float32": 0.0,
    }
    assert (
        found["T5 networks, 2, bfloat16 products: accuracy beside float32"]["note"] == "paired, ± 0.500 standard error"
    )


def test_images_are_of_the_size_of_mnist_without_its_files(monkeypatch):
    monkeypatch.delenv("JAXREG_DATA", raising=False)
    data = device_networks.load_images(TINY)
    assert data.x_train.shape == (TINY.examples, 784)
    assert data.x_test.shape == (TINY.tested, 784)
    digits = jr.datasets.load("digits")
    corner = np.asarray(digits.x_train[0]).reshape(8, 8)
    np.testing.assert_array_equal(data.x_train[0].reshape(28, 28)[0, [0, 27]], corner[0, [0, 7]])
    np.testing.assert_array_equal(data.y_train, digits.y_train[: TINY.examples])


@pytest.mark.slow
def test_the_entries_of_landscapes_and_networks_run(monkeypatch):
    monkeypatch.delenv("JAXREG_DATA", raising=False)
    measured = [
        *device_entries.measure_refit("refit", 64, "xla"),
        *device_entries.measure_noisy("noisy", 64, "xla"),
        *device_networks.measure_networks("networks", 2, TINY),
    ]
    assert [entry["unit"] for entry in measured] == ["steps/s", "steps/s", "runs/s"]
    assert all(entry["value"] > 0 and entry["compile_seconds"] >= 0 for entry in measured)
    networks = measured[-1]
    weights = 784 * 256 + 256 * 128 + 128 * 10 + 256 + 128 + 10
    assert networks["bytes_per_second"] * networks["seconds"] == pytest.approx(16 * weights * 2 * 4)


def test_entries_fit_the_time_of_a_lent_machine():
    names = [entry.name for entry in device_entries.list_entries(Sizes())]
    assert len(set(names)) == len(names)
    assert names[0] == "machine"
    assert any("10,000" in name and name.startswith("T5") for name in names)
