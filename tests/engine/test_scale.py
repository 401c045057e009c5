"""Many labels on an axis and many static values: what workers are sent, and that all is found again."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine import distribute
from tests.engine.runs import count_computed, counted_compilations


def test_a_million_labels_by_workers_into_a_store_and_found_again(tmp_path, monkeypatch):
    """Each task carries the values of its own tiles alone, never all."""
    rates, sent = np.linspace(0, 1, 10**6, dtype=np.float32), []
    describe_job = distribute.Dispatch._describe_job

    def noted(self, *given):
        job = describe_job(self, *given)
        sent.append(sum(len(values) for group in job.part.groups for values in group.traced.values()))
        return job

    def sweep(**options):
        return jr.sweep(lambda *, rate: {"x": 2 * rate}, {"rate": rates}, store=tmp_path / "s.zarr", **options)

    monkeypatch.setattr(distribute.Dispatch, "_describe_job", noted)
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(sweep(executor=pool, chunk_size=50_000, progress=False).x, 2 * rates)
    assert sum(sent) == 10**6
    assert max(sent) <= 10**6 / 2
    with counted_compilations() as compiled:
        again = sweep(progress=False)
    assert compiled == [0]
    np.testing.assert_array_equal(again.x[::1000], 2 * rates[::1000])


@pytest.mark.slow
def test_two_hundred_static_values(tmp_path, capsys):
    def sweep(count):
        axes = {"seed": jr.seeds(3), "power": jr.static(range(count))}
        return jr.sweep(lambda *, seed, power: {"x": np.float32(power)}, axes, store=tmp_path / "s.zarr")

    assert sweep(200).x.values.tolist() == [list(range(200))] * 3
    assert count_computed(capsys) == 600
    assert sweep(200).x.values.tolist() == [list(range(200))] * 3
    assert count_computed(capsys) == 0
    sweep(201)
    assert count_computed(capsys) == 3
