"""What a study and its figure are: modules with a few names, read as these protocols."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast, runtime_checkable

import xarray as xr

from jaxreg.errors import ArgumentError

PRESETS = ("quick", "laptop", "paper")
_NEEDED = {"Experiment": ("Config", "PRESETS", "run"), "Figure": ("CAPTION", "draw")}


@runtime_checkable
class Experiment(Protocol):
    """A study: a module whose docstring is its question.

    It may have `CLAIMS` too, a tuple of `jaxreg.study.Claim`, `report(dataset) -> str`, printed in place of the
    dataset, `TOLERANCE`, the relative difference that `jaxreg check` takes for rounding in its runs, and `PLANS`, from
    presets that are no matter of minutes to what they take, which the help says.
    """

    Config: type
    """A frozen dataclass: every field is an option of the command line, its docstring the help."""
    PRESETS: Mapping[str, Any]
    """Values of `Config`, by name: "laptop" at least, the default; figures have "quick" and "paper" too."""

    def run(self, config: Any, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
        """The population.

        Args:
            config: settings.
            store: folder or URL that keeps the runs, to go on from; of a second sweep, `jaxreg.study.beside` it.
            progress: show progress bars.

        Raises:
            ArgumentError: a setting outside its domain.
        """


@runtime_checkable
class Figure(Protocol):
    """How a study's dataset is drawn: a module of the same name.

    It may have `animations(dataset)` too: `jaxreg.plotting.Animation` by name.
    """

    CAPTION: str

    def draw(self, dataset: xr.Dataset) -> Any:
        """The matplotlib figure."""


def as_experiment(module: ModuleType) -> Experiment:
    """The module as a study.

    Raises:
        ArgumentError: a name that a study must have is not there, or a plan of no preset.
    """
    _check("Experiment", module)
    presets = module.PRESETS
    if "laptop" not in presets or not all(isinstance(preset, module.Config) for preset in presets.values()):
        raise ArgumentError("PRESETS", presets, "must be values of Config with 'laptop' among them", "Add it")
    if unknown := sorted(getattr(module, "PLANS", {}).keys() - presets.keys()):
        raise ArgumentError("PLANS", unknown, f"must be of presets, {', '.join(presets)}", "Name one of them")
    return cast(Experiment, module)


def as_figure(module: ModuleType) -> Figure:
    """The module as a figure.

    Raises:
        ArgumentError: a name that a figure must have is not there.
    """
    _check("Figure", module)
    return cast(Figure, module)


def _check(kind: str, module: ModuleType) -> None:
    if missing := [name for name in _NEEDED[kind] if not hasattr(module, name)]:
        constraint = f"must have {', '.join(missing)}"
        raise ArgumentError(module.__name__, str(module.__file__), constraint, "`python -m jaxreg new` writes one")
