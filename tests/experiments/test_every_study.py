"""What all studies have in common: presets of one kind, settings that are refused by name, claims that can be told."""

import dataclasses
import math
from typing import get_type_hints

import jax
import pytest

from jaxreg.checks import Domain
from jaxreg.engine import entry
from jaxreg.engine.checking import check_call
from jaxreg.errors import JaxregError
from jaxreg.study import checking
from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import PRESETS, as_experiment
from jaxreg.study.planning import plan_study
from jaxreg.study.settings import Holds, Ordered, check_settings
from tests.experiments.refusals import REFUSED

_STUDIES = {
    name: listed
    for name, listed in list_modules("experiments", "run").items()
    if not listed.path.startswith("experiments.benchmarks")
}
_REFUSALS = [(name, *refused) for name, table in REFUSED.items() for refused in table]
_TUTORIALS = {
    "polynomial_regression": {"degree": 30, "points": 50, "test_points": 200, "noise": 0.05}
    | {"ridge_alpha": 0.5, "lasso_alpha": 0.001},
    "regularization_paths": {"points": 50, "noise": 0.05, "folds": 5},
    "sgd_landscape": {"start": 3.5, "steps": 100, "batch_size": 10, "points": 100, "noise": 0.2},
    "noise_law": {"points": 100, "noise": 0.2},
    "network_from_scratch": {"units": 4, "steps": 1500},
}
"""Numbers of the tutorials, which every preset keeps."""


def _load(name):
    return as_experiment(load("experiments", name, _STUDIES))


@pytest.mark.parametrize("name", _STUDIES)
def test_presets_are_settings_that_are_allowed_and_the_laptops_is_the_default(name):
    study = _load(name)
    assert tuple(study.PRESETS) == PRESETS
    assert study.PRESETS["laptop"] == study.Config()
    for config in study.PRESETS.values():
        check_settings(config)
        assert vars(config).items() >= _TUTORIALS.get(name, {}).items()
    runs = [getattr(config, "seeds", 0) for config in study.PRESETS.values()]
    assert runs == sorted(runs)


@pytest.mark.parametrize("name", _STUDIES)
def test_claims_have_words_of_their_own_and_a_source(name):
    claims = _load(name).CLAIMS
    assert claims
    assert len({claim.text for claim in claims}) == len(claims)
    assert all(claim.text and claim.source for claim in claims)


def _excluded(config):
    """A value, or several, that each domain in the types of the settings excludes, with the name of the field."""
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        given = getattr(config, name)
        for domain in getattr(hint, "__metadata__", ()):
            if isinstance(domain, Domain):
                ends = zip((domain.low, domain.high), (-1, 1), domain.ends, strict=True)
                outside = [end if bracket in "()" else end + step for end, step, bracket in ends if math.isfinite(end)]
                outside += [] if domain.whole else [math.nan]
                yield from ((name, (value,) if isinstance(given, tuple) else value) for value in outside)
            elif isinstance(domain, Holds):
                yield from ((name, tuple(value for value in given if value != needed)) for needed in domain.values)
            elif isinstance(domain, Ordered):
                yield from ((name, values) for values in ((), (*given, given[0])))


@pytest.mark.parametrize("name", _STUDIES)
def test_what_the_types_of_its_settings_exclude_is_refused_by_name(name):
    study = _load(name)
    excluded = list(_excluded(study.PRESETS["quick"]))
    assert excluded
    for field, value in excluded:
        with pytest.raises(JaxregError, match=rf"^{field}(\[\d+\])? = "):
            study.run(dataclasses.replace(study.PRESETS["quick"], **{field: value}), progress=False)


@pytest.mark.parametrize(("name", "change", "message"), _REFUSALS)
def test_other_bad_settings_are_refused_by_name(name, change, message):
    """A message of one word is the argument that the refusal names; others are among its words."""
    study = _load(name)
    with pytest.raises(JaxregError) as refusal:
        study.run(dataclasses.replace(study.PRESETS["quick"], **change), progress=False)
    told = str(refusal.value)
    assert told.startswith((f"{message} = ", f"{message}[")) if message.isidentifier() else message in told


_SMALL = {
    "polynomial_regression": {"seeds": 6},
    "double_descent": {"seeds": 4, "sizes": (6, 12, 24)},
    "flat_or_sharp": {"seeds": 20},
    "epochs": {"seeds": 4, "hidden": (4,), "batch_size": 300},
    "soft_threshold": {"seeds": 4},
    "hypergradient_distribution": {"seeds": 4, "hidden": 4, "epochs": 2, "rates": (0.01, 0.1, 10.0)},
}
"""Cheap settings of a study of each subject."""


@pytest.mark.parametrize("name", list(_SMALL)[1:])
def test_runs_of_a_first_sweep_are_the_same_alone_as_among_others(name, monkeypatch):
    """In one other way, and only that is compiled: seconds a study."""

    def stop(study, rehearsal):
        raise InterruptedError

    monkeypatch.setattr(entry, "_rehearse", stop)
    study = _load(name)
    (call,), _ = checking._rehearse(study, _make_small(study, name))
    _assert_same(study, call, is_brief=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", _SMALL)
def test_runs_of_a_study_are_the_same_alone_as_among_others(name):
    study = _load(name)
    calls, trouble = checking._rehearse(study, _make_small(study, name))
    assert calls
    assert not trouble
    for call in calls:
        _assert_same(study, call)
    jax.clear_caches()


def _make_small(study, name):
    return dataclasses.replace(study.PRESETS["quick"], **_SMALL[name])


def _assert_same(study, call, is_brief=False):
    tolerance = getattr(study, "TOLERANCE", checking.TOLERANCE_X64 if call.x64 else checking.TOLERANCE)
    worst = max(check_call(call, is_brief), key=lambda one: one.size)
    assert worst.size <= tolerance, worst


@pytest.mark.slow
@pytest.mark.parametrize("name", _STUDIES)
def test_the_papers_preset_runs_through_its_first_chunks(name):
    study = _load(name)
    plan = plan_study(study, study.PRESETS["paper"])
    assert not plan.problem
    assert plan.runs > 0
    jax.clear_caches()
