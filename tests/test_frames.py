"""The long table against the labelled arrays, entry by entry."""

import numpy as np
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
