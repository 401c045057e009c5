"""The notebooks run from top to bottom, in little; what they show is small and without warnings."""

import importlib.util
import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import jaxreg as jr

_FOLDER = Path(__file__).parents[1] / "experiments" / "notebooks"
_NAMES = ["hypergradients", "landscape", "own_model", "quickstart", "regularizers"]
_QUICK = {"quickstart"}


def _read(name):
    return json.loads((_FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def test_there_are_no_others():
    assert sorted(path.stem for path in _FOLDER.glob("*.ipynb")) == _NAMES


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in _QUICK)) for n in _NAMES])
def test_every_cell_runs(name, monkeypatch):
    monkeypatch.setenv("JAXREG_QUICK", "1")
    monkeypatch.setattr(jr, "use_all_cores", lambda: 2)  # the number of devices is that of the tests
    space = {"__name__": "__main__"}
    for cell in _read(name):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
    plt.close("all")


@pytest.mark.parametrize("name", _NAMES)
def test_what_is_shown(name):
    """A badge, an installation that keeps JAX, outputs of every cell that has some, no warning, nothing large."""
    cells = _read(name)
    assert "[![Open in Colab](" in "".join(cells[0]["source"])
    install, start = ("".join(cell["source"]) for cell in cells[1:3])
    assert 'find_spec("jaxreg") is None' in install
    assert 'raise ModuleNotFoundError("No jaxreg here: upload its wheel' in install
    assert "jr.use_all_cores()" in start
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    shown = json.dumps(outputs)
    assert "Warning" not in shown
    assert "IProgress" not in shown
    assert len(shown) < 200_000
    assert "image/png" in shown or name == "hypergradients"


def test_where_jaxreg_is_missing_a_wheel_beside_the_notebook_is_installed_and_jax_is_kept(tmp_path, monkeypatch):
    (install,) = {"".join(_read(name)[1]["source"]) for name in _NAMES}  # the same in all of them
    called = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: called.append(command))
    with pytest.raises(ModuleNotFoundError, match="upload its wheel"):
        exec(install.replace('SOURCE = "git+', 'SOURCE = "" and "'), {})
    (tmp_path / "jaxreg-0.1.0-py3-none-any.whl").touch()
    exec(install.replace('SOURCE = "git+', 'SOURCE = "" and "'), {})
    assert called[0][1:] == [
        *("-m", "pip", "install", "-q", "jaxreg-0.1.0-py3-none-any.whl"),
        *(f"{name}=={version(name)}" for name in ("jax", "jaxlib")),
    ]
