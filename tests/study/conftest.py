"""A folder of studies, which command lines are tried on."""

import sys

import pytest

import jaxreg
from jaxreg.__main__ import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of studies with one in it, as the working directory has it; and one with a module's name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(jaxreg, "use_all_cores", lambda: 2)  # JAX has started: conftest chose its devices
    name = f"mine_{tmp_path.name}"
    assert main(["new", name, "first"]) == 0
    (tmp_path / "json").mkdir()
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]
