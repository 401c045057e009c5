"""What the explorer's page holds, without a browser: sizes, what is thinned, what is refused, how it is written."""

import base64
import html
import json

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.__main__ import main
from jaxreg.errors import ArgumentError
from jaxreg.explorer.packing import share_out


def _population(seeds=6, steps=4):
    """Two rates, some seeds, a history."""
    random = np.random.default_rng(0)
    return xr.Dataset(
        {
            "loss": (("seed", "rate", "step"), random.random((seeds, 2, steps)).astype(np.float32)),
            "last": (("seed", "rate"), random.random((seeds, 2))),
            "diverged": (("seed", "rate"), np.zeros((seeds, 2), bool)),
        },
        {"seed": np.arange(seeds), "rate": [0.1, 1.0]},
    )


def _held(page):
    """The data of a page."""
    return json.loads(page.html.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


def _numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bytes"]), packed["type"]).reshape(packed["shape"])


def test_a_page_holds_the_numbers_as_they_are():
    population = _population()
    held = _held(jr.explore(population))
    for name in ("loss", "last"):
        np.testing.assert_array_equal(_numbers(held["variables"][name]["values"]), population[name])
        assert held["variables"][name]["values"]["type"] == population[name].dtype.name
    assert (held["runs"], held["axes"]) == ("seed", ["seed", "rate"])


def test_categories_are_few_integers_or_those_that_are_named():
    axes = ("seed", "rate")
    population = _population().assign(
        done=(axes, np.array([[1, 1]] * 5 + [[0, 0]], bool)),
        fate=(axes, np.array([[0, 2]] * 3 + [[2, 2]] * 2 + [[9, 9]]), {"flag_meanings": "the_left gone right"}),
        few=(axes, np.array([[0, 2]] * 3 + [[2, 2]] * 2 + [[9, 9]])),
        steps=(axes, np.arange(12).reshape(6, 2) * np.ones((1, 2), int) + 3),
        constant=(axes, np.ones((6, 2), int)),
    )
    held = _held(jr.explore(population))["variables"]
    assert held["fate"]["categories"] == {"values": [0, 1, 2], "names": ["the left", "gone", "right"], "named": True}
    assert held["few"]["categories"] == {"values": [0, 2], "names": ["0", "2"], "named": False}  # 9 is of no run
    assert len(held["steps"]["categories"]["values"]) == 10
    assert [held[name]["categories"] for name in ("constant", "last")] == [None, None]
    for wrong in (["0", float("nan")], [0, [1, 2]], "0 2"):
        population["few"].attrs = {"flag_meanings": "left right", "flag_values": wrong}
        assert not _held(jr.explore(population))["variables"]["few"]["categories"]["named"]


def test_a_history_that_does_not_fit_is_thinned_and_its_means_are_those_of_all_entries():
    population = _population(seeds=400, steps=1000)
    page = jr.explore(population, variables=["loss", "last"], megabytes=0.6)
    assert len(page.html.encode()) <= 6e5
    loss, last = (_held(page)["variables"][name] for name in ("loss", "last"))
    assert "moments" not in last
    places = loss["values"]["places"]
    assert 1 < len(places) < 1000
    assert (places[0], places[-1]) == (0, 999)
    np.testing.assert_array_equal(_numbers(loss["values"]), population["loss"].isel(step=places))
    assert loss["moments"]["places"] == [*range(1000)]
    expected = jr.stats.mean(population, "loss")
    np.testing.assert_allclose(_numbers(loss["moments"]["mean"]), expected["mean"], rtol=1e-12)
    np.testing.assert_array_equal(_numbers(loss["moments"]["n"]), expected["n"])


def test_a_variable_of_which_nothing_fits_has_its_means():
    """Of 200,000 runs the states fit into 1 MB, the values do not."""
    random = np.random.default_rng(0)
    population = xr.Dataset(
        {
            "loss": (("seed", "rate"), random.random((100_000, 2))),
            "diverged": (("seed", "rate"), random.random((100_000, 2)) < 0.1),
            "done": ("seed", random.random(100_000) < 0.9),
        }
    )
    held = _held(jr.explore(population, megabytes=1.0))["variables"]["loss"]
    assert "values" not in held
    expected = jr.stats.mean(population, "loss")
    for part, name in (("mean", "mean"), ("n", "n"), ("left_out", "diverged")):
        np.testing.assert_allclose(_numbers(held["moments"][part]), expected[name], rtol=1e-12)


def test_a_variable_that_does_not_fit_at_all_is_named():
    random = np.random.default_rng(0)
    axes = ("seed", "rate")
    population = xr.Dataset({name: (axes, random.random((2, 8000))) for name in ("first", "second")})
    population["diverged"] = (axes, np.zeros((2, 8000), bool))
    page = jr.explore(population.assign_coords(rate=np.arange(8000) / 2), megabytes=0.5)
    assert [*_held(page)["variables"]] == ["first"]
    assert "0 diverged. Left out, as they do not fit: second.</p>" in page.html


def test_what_is_small_is_kept_whole_and_the_rest_shares_what_is_left():
    arrays = {
        "history": xr.DataArray(np.zeros((10, 100), np.float32), dims=("seed", "step")),
        "last": xr.DataArray(np.zeros(10, np.float32), dims=("seed",)),
    }
    assert share_out(arrays, ("seed",), "seed", 1e6) == {"history": (100, 0), "last": (1, 0)}
    assert share_out(arrays, ("seed",), "seed", 3940.0) == {"history": (29, 47), "last": (1, 0)}
    assert share_out(arrays, ("seed",), "seed", 0.0) == {"history": (0, 0), "last": (0, 0)}


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (lambda d: d.drop_vars("diverged"), {}, "must have the variable diverged"),
        (lambda d: d.isel(seed=[]), {}, "must have a run that is done, but none of 0 is"),
        (lambda d: d.assign(done=d["diverged"]), {}, "must have a run that is done, but none of 12 is"),
        (lambda d: d.isel(seed=0, rate=0), {}, "must have an axis"),
        (lambda d: d[["diverged"]], {}, "must have a variable of real numbers"),
        (lambda d: d, {"dim": "step"}, "dim = 'step': must be an axis of the sweep. Known: seed, rate"),
        (lambda d: d, {"variables": ["gain"]}, "variables = 'gain': must name numeric variables"),
        (lambda d: d, {"variables": "loss"}, "variables = 'loss': must be a list of names"),
        (lambda d: d, {"megabytes": 0.0}, "megabytes = 0.0: must lie in"),
    ],
)
def test_what_is_refused(change, options, told):
    with pytest.raises(ArgumentError, match=told.replace("(", r"\(").replace("[", r"\[")):
        jr.explore(change(_population()), **options)


def test_ten_million_runs_are_refused_with_what_to_do():
    runs = np.broadcast_to(np.zeros(1, bool), (10_000_000, 1))
    dataset = xr.Dataset({"diverged": (("seed", "rate"), runs), "hit": (("seed", "rate"), runs)})
    with pytest.raises(ArgumentError, match=r"has 10,000,000 runs, which do not fit .* isel"):
        jr.explore(dataset)


def test_a_page_says_how_much_is_done_and_escapes_what_it_is_told(tmp_path):
    evil = "</script><b>&"
    population = _population().assign_coords(rate=[evil, "b"]).assign_attrs(title=evil)
    population["done"] = population["diverged"] | (population["seed"] > 0)
    page = jr.explore(population)
    assert "10 of 12 runs are done so far" in page.html
    assert evil not in page.html
    assert _held(page)["dims"]["rate"]["labels"] == [evil, "b"]
    shown = page._repr_html_()
    assert html.unescape(shown.partition('srcdoc="')[2].rpartition('"')[0]) == page.html
    assert page.save(tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    assert "uPlot 1.6.32 (MIT)" in page.html
    assert "Copyright (c) 2022 Leon Sorokin" in page.html
    assert "\nvar uPlot=" in page.html
    with pytest.raises(ArgumentError, match="cannot be written"):
        page.save(tmp_path / "no" / "page.html")


def test_the_command_writes_the_page_of_a_store(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "slow_descent.zarr"
    run = lambda *, seed, rate: {"loss": rate}  # noqa: E731
    jr.sweep(run, {"rate": [0.5, 1.0], "seed": jr.seeds(3)}, store=store, progress=False)
    assert main(["explore", str(store)]) == 0
    assert "slow_descent.html: 0." in capsys.readouterr().out
    assert "<title>slow descent</title>" in (tmp_path / "slow_descent.html").read_text(encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for bad in ("empty", "none"):
        assert main(["explore", str(tmp_path / bad)]) == 2
        assert "holds nothing. Give the folder that a sweep wrote" in capsys.readouterr().err
    assert main(["explore", str(store), "--variables", "gain"]) == 2
    assert "Known: loss" in capsys.readouterr().err


_STUDY = """
from dataclasses import dataclass
import jaxreg as jr
from jaxreg.study import Above, Claim, mean

@dataclass(frozen=True)
class Config:
    runs: int = 3

PRESETS = {"quick": Config(), "laptop": Config(), "paper": Config()}
CLAIMS = (Claim("Twice a rate is positive", "arithmetic", mean("gain", dim="rate"), Above(0)),)

def run(config, store=None, progress=True):
    axes = {"rate": [1.0, 2.0, 3.0][:config.runs]}
    return jr.sweep(lambda *, rate: {"gain": 2 * rate}, axes, store=store, progress=False)
"""


def test_the_command_computes_what_a_study_lacks_as_other_commands_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # and taken away again
    asked: list[str] = []
    monkeypatch.setattr(jr, "use_all_cores", lambda: asked.append("all cores"))
    (tmp_path / "explored_studies").mkdir()
    (tmp_path / "explored_studies" / "doubling.py").write_text(_STUDY, encoding="utf-8")
    study = ["--study", "explored_studies", "doubling", "--preset", "quick"]
    assert main(["explore", "doubled.zarr", *study]) == 0, capsys.readouterr().err
    assert asked == ["all cores"]
    assert "Twice a rate is positive" in (tmp_path / "doubled.html").read_text(encoding="utf-8")
