"""The benchmark of an accelerator keeps what it measured, goes on where it stopped, outlives what hangs."""

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
from tests.experiments.benchmarks.serving import serve


def test_an_entry_that_fails_says_how():
    def measure():
        yield row("half", 1.0, "x")
        raise AssertionError("ours and theirs differ")

    found = device_benchmark.measure_entry(Entry("bad", 60.0, measure))
    assert (found["rows"], found["error"]) == ([], "AssertionError: ours and theirs differ")


def test_every_entry_is_kept_and_none_is_measured_twice(tmp_path):
    """One ends its process, one outlasts its box; the others are measured, and the same call goes on."""

    def supervise(boxes, **more):
        entries = [Entry(name, box, list) for name, box in boxes.items()]
        return device_benchmark.supervise(tmp_path, entries, 300, tiny=True, serve=serve, **more)

    began = time.monotonic()
    record = supervise({"first": 60.0, "abort": 60.0, "endless": 0.5, "last": 60.0})
    assert time.monotonic() - began < 60
    errors = {entry["entry"]: entry["error"] for entry in record["entries"]}
    assert list(errors) == ["first", "abort", "endless", "last"]
    assert errors["first"] is errors["last"] is None
    assert "with code 7" in errors["abort"]
    assert "with code -9" in errors["endless"]
    assert record["complete"]
    assert record["environment"]["device"] == "cpu"
    assert device_benchmark.read(tmp_path) == record
    table = device_benchmark.report(record)
    assert "| last | 3 steps/s |" in table
    assert "not measured: abort: ended after" in table
    assert supervise(dict.fromkeys(errors, 0.0)) == record
    again = supervise({"abort": 60.0}, retry=True)
    assert [entry["entry"] for entry in again["entries"]] == ["first", "last", "abort"]
    late = device_benchmark.supervise(tmp_path, [Entry("late", 60.0, list)], 0.0, tiny=True, serve=serve)
    assert not late["complete"]


def test_a_process_that_ends_between_two_entries_costs_no_more_than_one(tmp_path):
    entries = [Entry(name, 60.0, list) for name in ("leave", "next", "last")]
    record = device_benchmark.supervise(tmp_path, entries, 300, tiny=True, serve=serve)
    errors = {entry["entry"]: entry["error"] for entry in record["entries"]}
    assert list(errors) == ["leave", "next", "last"]
    assert errors["leave"] is errors["last"] is None
    assert "with code 7" in errors["next"]
    assert record["complete"]


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
    beside = found["T5 networks, 2, bfloat16 products: accuracy beside float32"]
    assert beside["note"] == "paired, ± 0.500 standard error"


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
