"""`python -m experiments`: what it lists, what it builds from a Config, what it prints and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxreg
from jaxreg.study.catalogue import list_modules
from jaxreg.study.command import run_study

_ROOT = Path(__file__).parents[2]
_COIN = '''"""How often does a biased coin show heads?

More about it.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.claims import Claim, Inside
from jaxreg.errors import DataError
from jaxreg.study import share


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of the coin."""

    seeds: int = 6
    """Number of tosses for each bias."""
    biases: tuple[float, ...] = (0.25, 0.75)
    """Probabilities of heads."""
    side: Literal["heads", "tails", "edge"] = "heads"
    """What is counted."""


PRESETS = {"quick": Config(seeds=2), "laptop": Config(), "paper": Config(seeds=50, biases=(0.5,))}
CONFIGS = []


def toss(*, seed, bias):
    return {"heads": jax.random.bernoulli(seed, bias)}


def run(config, store=None, progress=True):
    CONFIGS.append(config)
    if config.side == "edge":
        raise DataError("coin", "edge", "must fall", "Toss it again")
    axes = {"seed": jr.seeds(config.seeds), "bias": jnp.array(config.biases, jnp.float32)}
    return jr.sweep(toss, axes, store=store, progress=False)


CLAIMS = (Claim("A coin shows heads at times", "Bernoulli 1713", share("heads", dim=("seed", "bias")), Inside(0, 100)),)
'''
_BENCHMARK = '''"""How fast is it?"""

import dataclasses

import xarray as xr


@dataclasses.dataclass(frozen=True)
class Config:
    """Nothing to set."""


PRESETS = {"laptop": Config()}


def run(config, store=None, progress=True):
    return xr.Dataset({"seconds": ("case", [1.0, 2.0])})


def report(dataset):
    return f"{float(dataset.seconds.sum()):g} seconds in all"
'''


def main(arguments, package):
    return run_study(arguments, package, "python -m studies")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Name of an importable package with two experiments and a module that is none."""
    name = f"fake_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    sources = {"__init__": "", "coin": _COIN, "benchmark": _BENCHMARK, "broken": "import nothing_of_that_name\n"}
    for module, text in sources.items():
        (folder / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(jaxreg, "use_all_cores", lambda: 2)  # JAX has started: conftest chose its devices
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]


def _last_config(package):
    return sys.modules[f"{package}.coin"].CONFIGS[-1]


def test_studies_are_found_in_packages_and_are_packages(package, tmp_path, capsys):
    """In any depth; what is in the package of a study is no study."""
    for place, text in {"games/__init__": "", "games/cards/__init__": _BENCHMARK, "games/cards/deck": _COIN}.items():
        path = tmp_path / package / f"{place}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    known = list_modules(package, "run")
    assert [(name, listed.subject) for name, listed in known.items()] == [
        ("benchmark", package),
        ("cards", f"{package}.games"),
        ("coin", package),
    ]
    (tmp_path / package / "games" / "__init__.py").write_text('"""Games of chance.\n\nAnd more.\n"""\n')
    assert main([], package) == 0
    assert capsys.readouterr().out.splitlines()[2:6] == [
        "  benchmark  How fast is it?",
        "  coin       How often does a biased coin show heads?",
        "Games of chance:",
        "  cards      How fast is it?",
    ]
    assert main(["cards"], package) == 0
    assert capsys.readouterr().out == "3 seconds in all\n"
    path.with_name("coin.py").write_text(_COIN)  # within a study: its own affair
    assert main([], package) == 0
    (tmp_path / package / "games" / "coin.py").write_text(_COIN)
    assert main(["coin"], package) == 2
    assert f"is the name of {package}.coin and of {package}.games.coin" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_name_it_lists_the_experiments(package, capsys, arguments):
    assert main(arguments, package) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  benchmark  How fast is it?" in lines
    assert "  coin       How often does a biased coin show heads?" in lines
    assert not any("broken" in line for line in lines)
    assert f"{package}.coin" not in sys.modules  # listing imports none of them


def test_the_real_package_is_listed_in_order():
    names = list(list_modules("experiments", "run"))
    assert names == sorted(names)
    assert {"learning_rate", "sgd_landscape"} <= set(names)
    assert not {"catalogue", "report", "__main__"} & set(names)


def test_it_prints_runs_dimensions_and_ledger(package, capsys):
    assert main(["coin"], package) == 0
    out = capsys.readouterr().out
    assert "12 runs (seed 6 × bias 2), 0 diverged" in out
    assert "heads" in out
    (line,) = [line for line in out.splitlines() if line.startswith("holds")]
    assert "A coin shows heads at times  Bernoulli 1713" in line
    assert " 12 " in line
    assert "Adjusted" not in out  # one claim is no multiple test


@pytest.mark.parametrize(
    ("arguments", "seeds", "biases"),
    [
        ([], 6, (0.25, 0.75)),
        (["--preset", "quick"], 2, (0.25, 0.75)),
        (["--preset=paper", "--seeds", "3"], 3, (0.5,)),
        (["--seeds", "5", "--biases", "0.1", "0.2", "0.3", "--preset", "quick"], 5, (0.1, 0.2, 0.3)),
    ],
)
def test_presets_are_defaults_of_the_fields(package, arguments, seeds, biases):
    assert main(["coin", *arguments], package) == 0
    config = _last_config(package)
    assert (config.seeds, config.biases, config.side) == (seeds, biases, "heads")


def test_the_store_is_passed_on(package, tmp_path):
    store = tmp_path / "results" / "coin.zarr"
    assert main(["coin", "--preset", "quick", "--store", str(store)], package) == 0
    assert any(store.iterdir())


def test_a_url_is_passed_on_as_it_is(package, capsys):
    pytest.importorskip("obstore")
    assert main(["coin", "--preset", "quick", "--store", "memory://coin"], package) == 2
    assert "memory:// is not" in capsys.readouterr().err  # as `sweep` says


def test_help_of_an_experiment_names_its_fields(package, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["coin", "--help"], package)
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for text in ("--seeds", "Number of tosses for each bias.", "--biases", "--preset", "quick", "paper", "--store"):
        assert text in out


def test_a_module_may_report_in_its_own_words(package, capsys):
    assert main(["benchmark"], package) == 0
    assert capsys.readouterr().out == "3 seconds in all\n"


def test_an_unknown_name_is_refused_with_those_known(package, capsys):
    assert main(["cion"], package) == 2
    error = capsys.readouterr().err
    assert "cion" in error
    assert "Did you mean coin?" in error
    assert "benchmark, coin" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["--preset", "huge"], ["--seeds", "many"], ["--no-such-field", "1"], ["--side", "top"]]
)
def test_wrong_options_end_with_code_2(package, capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["coin", *arguments], package)
    assert ended.value.code == 2
    assert not sys.modules[f"{package}.coin"].CONFIGS


def test_errors_of_jaxreg_are_one_line(package, capsys):
    assert main(["coin", "--side", "edge"], package) == 2
    assert capsys.readouterr().err == "error: coin = 'edge': must fall. Toss it again.\n"


def test_the_command_uses_all_cores_and_no_matplotlib(package, tmp_path):
    """As a user runs it, in a process of its own: devices, and what importing every experiment brings in."""
    program = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.command import run_study
assert run_study(["coin", "--preset", "quick"], {package!r}, "studies") == 0
import jax
known = list_modules("experiments", "run")
for name in known:
    load("experiments", name, known)
print(json.dumps([jax.device_count(), [m for m in sys.modules if m.startswith("matplotlib")], len(known)]))
"""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, env=environment, capture_output=True, text=True, check=True
    )
    devices, plotting, experiments = json.loads(done.stdout.splitlines()[-1])
    assert devices == len(os.sched_getaffinity(0))
    assert plotting == []
    assert experiments >= 2
