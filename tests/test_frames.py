"""The long table against the labelled arrays, entry by entry."""

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr


def test_each_row_is_a_run():
    random = np.random.default_rng(0)
    dataset = xr.Dataset(
        {
            "w": (("step", "seed", "draw"), random.random((2, 3, 2))),
            "shared": ("draw", [5.0, 6.0]),
            "diverged": (("draw", "seed"), random.random((2, 3)) < 0.5),
            "done": (("draw", "seed"), [[True, True, False], [True, True, True]]),
        },
        {"seed": [4, 5, 6], "rate": ("draw", [0.1, 0.2]), "step": [10, 20]},
    )
    frame = jr.to_frame(dataset)
    assert [*frame] == ["draw", "seed", "rate", "w[step=10]", "w[step=20]", "shared", "diverged"]
    assert [*zip(frame["draw"], frame["seed"], strict=True)] == [(0, 4), (0, 5), (1, 4), (1, 5), (1, 6)]
    for row in frame.to_dict("records"):
        run = dataset.isel(draw=row["draw"]).sel(seed=row["seed"])
        assert (row["rate"], row["shared"], row["diverged"]) == (run["rate"], run["shared"], run["diverged"])
        assert [row["w[step=10]"], row["w[step=20]"]] == run["w"].values.tolist()


def test_a_result_goes_to_netcdf_and_comes_back(tmp_path):
    def run(*, seed, size, l2):
        draw = jax.random.normal(seed, (size,))
        return {"draw": draw * l2, "large": draw[0] > 0, "key": jax.random.key_data(seed)}

    axes = {
        "seed": jr.seeds(2),
        "size": jr.static([1, 2]),
        "case": jr.cases({"plain": {"l2": 0.0}, "l2": {"l2": 1e-4}}),
    }
    result = jr.sweep(run, axes, dims={"draw": (jr.ragged("step"),)}, store=tmp_path / "s.zarr", progress=False)
    few = result.drop_vars("key")  # netCDF 3, which SciPy writes, has no unsigned integers
    few.to_netcdf(tmp_path / "few.nc", engine="scipy")
    read = xr.load_dataset(tmp_path / "few.nc", engine="scipy")
    xr.testing.assert_equal(read, few.load())
    assert read.attrs == few.attrs
    assert {name: read[name].dtype for name in few.data_vars} == {name: few[name].dtype for name in few.data_vars}
    with pytest.raises(ValueError, match="uint32"):
        result.to_netcdf(tmp_path / "all.nc", engine="scipy")
    pytest.importorskip("h5netcdf")
    result.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "all.nc", engine="h5netcdf"), result.load())
