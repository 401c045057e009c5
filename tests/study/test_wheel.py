"""The built wheel alone: a study is written, run, judged and drawn in a folder that has never seen the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel holds, built from this tree without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:  # pure Python: to install it is to unpack it
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def call(installed, tmp_path_factory):
    """`python ...` with the wheel in an empty folder: exit code, output, errors, and that folder."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"}

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr, home

    return run


@pytest.mark.slow
def test_new_run_figures(call, installed):
    code, shown, _, _ = call("-c", "import jaxreg; print(jaxreg.__file__)")
    assert (code, Path(shown.strip())) == (0, installed / "jaxreg" / "__init__.py")

    code, shown, error, home = call("-m", "jaxreg", "new", "studies", "averaging")
    assert (code, error) == (0, "")
    following = [line.partition("python -m ")[2].split() for line in shown.splitlines() if "python -m " in line]
    assert len((home / "studies" / "averaging.py").read_text().splitlines()) < 60

    code, shown, error, _ = call("-m", *following[0])  # what `new` said
    assert (code, error) == (0, "")
    assert "128 runs (seed 32 × learning_rate 4), 0 diverged" in shown
    assert [line for line in shown.splitlines() if line.startswith("holds")]

    code, shown, error, _ = call("-m", *following[1])
    assert (code, error) == (0, "")
    output = home / "studies" / "output"
    assert {path.name for path in output.iterdir()} == {"averaging.pdf", "averaging.png", "index.html"}
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "✓ holds" in page
    assert "&gt; 2" in page
    assert (home / "studies" / "results" / "averaging-quick.zarr").is_dir()
