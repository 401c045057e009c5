"""What is published: what wheel and source archive hold; and the wheel alone, where the checkout has never been."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import jaxreg

_ROOT = Path(__file__).parents[2]


def _build(folder, root=_ROOT):
    """Wheel and source archive of the tree, built without network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return _build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built[0]) as archive:  # pure Python: to install it is to unpack it
        archive.extractall(folder)
    return folder


def test_contents(built):
    """The wheel is the package and nothing else; a wheel of the source archive is the same one, bit for bit."""
    wheel, source = built
    with zipfile.ZipFile(wheel) as archive:
        about = f"jaxreg-{jaxreg.__version__}.dist-info"
        held = {name for name in archive.namelist() if not name.startswith(about)}
        metadata = archive.read(f"{about}/METADATA").decode()
        commands = archive.read(f"{about}/entry_points.txt").decode()
        licences = {
            "Apache-2.0": archive.read(f"{about}/licenses/LICENSE").decode(),
            "MIT": archive.read(f"{about}/licenses/jaxreg/explorer/uplot.LICENSE").decode(),
            "CC-BY-4.0": archive.read(f"{about}/licenses/jaxreg/datasets/digits_source.txt").decode(),
        }
    package = (path for path in (_ROOT / "jaxreg").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert held == {path.relative_to(_ROOT).as_posix() for path in package}
    assert {"jaxreg/py.typed", "jaxreg/__init__.pyi", "jaxreg/datasets/digits.npz"} <= held
    assert "\njaxreg = jaxreg.__main__:main" in commands
    assert f"\nVersion: {jaxreg.__version__}\n" in metadata
    assert f"\nversion: {jaxreg.__version__}\n" in (_ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nLicense-Expression: {' AND '.join(licences)}\n" in metadata
    assert "Apache License" in licences["Apache-2.0"]
    assert "MIT License" in licences["MIT"]
    assert "Creative Commons Attribution 4.0" in licences["CC-BY-4.0"]
    (author,) = re.findall(r"\nAuthor: (.*)\n", metadata)
    assert f"- name: {author}\n" in (_ROOT / "CITATION.cff").read_text(encoding="utf-8")

    with tarfile.open(source) as archive:
        archive.extractall(wheel.parent, filter="data")
    unpacked = wheel.parent / f"jaxreg-{jaxreg.__version__}"
    assert {path.name for path in unpacked.iterdir()} == {
        *("jaxreg", "experiments", "paper_figures", "tests", "docs", "pyproject.toml", "PKG-INFO", ".gitignore"),
        *("LICENSE", "CITATION.cff", *(path.name for path in _ROOT.glob("*.md"))),
    }
    again = wheel.parent / "again"
    assert _build(again, unpacked)[0].read_bytes() == wheel.read_bytes()


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
    assert {path.name for path in output.iterdir()} == {"averaging.pdf", "averaging.png", "index.html", "index.json"}
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "✓ holds" in page
    assert "&gt; 2" in page
    assert (home / "studies" / "results" / "averaging-quick.zarr").is_dir()
