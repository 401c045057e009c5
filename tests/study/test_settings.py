"""Domains of settings: in the types, checked before anything runs, and met by every preset there is."""

import dataclasses
from typing import Annotated

import pytest

from jaxreg.checks import POSITIVE
from jaxreg.errors import ArgumentError
from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.command import run_study
from jaxreg.study.experiment import as_experiment
from jaxreg.study.settings import ChoosingSeeds, Holds, Ordered, Seeds, check_settings


@dataclasses.dataclass(frozen=True)
class _Config:
    seeds: Seeds = 2
    pairs: ChoosingSeeds = 4
    rates: Annotated[tuple[float, ...], POSITIVE, Holds((0.1,))] = (0.1, 0.3)
    sizes: Annotated[tuple[int, ...], Ordered("rising", 2)] = (1, 3)
    names: Annotated[tuple[str, ...], Ordered()] = ("b", "a")
    label: str = "anything"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seeds": 1}, "seeds = 1: must be whole and 2 or more"),
        ({"seeds": 2.5}, r"seeds = 2\.5"),
        ({"pairs": 3}, "pairs = 3: must be whole and 4 or more"),
        ({"rates": (0.1, -0.3)}, r"rates = -0\.3: must be positive"),
        ({"rates": (0.1, float("nan"))}, "rates = nan"),
        ({"sizes": (3, 1)}, r"sizes = \(3, 1\): must be 2 or more rising values"),
        ({"sizes": (3,)}, "2 or more rising"),
        ({"names": ("a", "a")}, "names = .* one or more different values"),
        ({"names": ()}, "names"),
        ({"seeds": 3.0}, r"seeds = 3\.0"),
        ({"rates": (0.3,)}, r"must hold 0\.1, which claims are about\. Add it"),
    ],
)
def test_what_is_outside_its_domain_is_refused_by_name(changed, message):
    check_settings(_Config())
    with pytest.raises(ArgumentError, match=message):
        check_settings(dataclasses.replace(_Config(), **changed))


def test_every_preset_of_every_study_can_be_judged():
    known = list_modules("experiments", "run")
    for name in known:
        presets = as_experiment(load("experiments", name, known)).PRESETS
        assert {"quick", "laptop", "paper"} <= presets.keys()
        for config in presets.values():
            check_settings(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["learning_rate", "--seeds", "1"], "seeds = 1: must be whole and 4 or more"),
        (["learning_rate", "--learning-rates", "0.3"], "must hold 0.01, 0.1, 1.0, which claims are about"),
        (["polynomial_regression", "--seeds", "1"], "seeds = 1: must be whole and 2 or more"),
    ],
)
def test_settings_that_cannot_be_judged_are_refused_before_anything_is_computed(options, message, monkeypatch, capsys):
    monkeypatch.setattr("jaxreg.use_all_cores", lambda: 2)  # JAX has started: conftest chose its devices
    monkeypatch.setattr("jaxreg.sweep", None)  # whoever calls it fails otherwise
    assert run_study([*options, "--preset", "quick"], "experiments", "python -m experiments") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
