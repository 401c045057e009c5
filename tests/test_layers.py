"""Data flows one way: jaxreg, experiments, figures; matplotlib and training each have their place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from jaxreg.study.catalogue import list_modules

_ROOT = Path(__file__).parents[1]
_TRAINING = {"jaxreg.engine", "jaxreg.nets", "jaxreg.hypergrad", "optax", "flax", "experiments"}
_RUNNING = {"sweep", "plan", "seeds", "run", "train", "grad", "value_and_grad", "scan"}


def _modules(folder):
    return sorted((_ROOT / folder).rglob("*.py"))


def _name(path):
    return str(path.relative_to(_ROOT))


def _imports(path, root=_ROOT):
    """Dotted names that a module imports, with those it takes from them; relative ones made absolute."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = list(package[: len(package) - node.level + 1]) if node.level else []
            start = ".".join([*parent, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _reaches(name, targets):
    return any(name == target or name.startswith(f"{target}.") for target in targets)


def _is_figure(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "draw" for node in tree.body)


@pytest.mark.parametrize("path", _modules("jaxreg"), ids=_name)
def test_jaxreg_imports_no_experiment_and_matplotlib_only_to_plot(path):
    banned = {"experiments", "paper_figures"}
    if "plotting" not in path.parts and path != _ROOT / "jaxreg" / "study" / "making.py":  # which draws studies
        banned |= {"matplotlib", "jaxreg.plotting"}
    assert not [name for name in _imports(path) if _reaches(name, banned)]


@pytest.mark.parametrize("path", _modules("experiments"), ids=_name)
def test_experiments_do_not_draw(path):
    banned = {"matplotlib", "jaxreg.plotting", "jaxreg.study.figures", "jaxreg.study.making", "paper_figures"}
    assert not [name for name in _imports(path) if _reaches(name, banned)]
    assert "plotting" not in {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}


@pytest.mark.parametrize("path", [*filter(_is_figure, _modules("paper_figures"))], ids=_name)
def test_figures_do_not_train(path):
    assert not [name for name in _imports(path) if _reaches(name, _TRAINING) or name.rpartition(".")[2] in _RUNNING]
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not _RUNNING & {getattr(f, "attr", getattr(f, "id", None)) for f in called}


def test_every_figure_draws_an_experiment():
    """The two packages have one layout: a figure is where its study is."""
    figures, studies = (
        {name: listed.path.partition(".")[2] for name, listed in list_modules(package, defining).items()}
        for package, defining in (("paper_figures", "draw"), ("experiments", "run"))
    )
    assert figures == studies
    assert {path.partition(".")[0] for path in studies.values()} == {
        *("regression", "landscape", "networks", "penalties", "hypergradients", "benchmarks"),
    }


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("import matplotlib.pyplot as plt", True),
        ("from matplotlib import pyplot", True),
        ("from jaxreg import plotting", True),
        ("from jaxreg.plotting import band", True),
        ("def draw():\n    import matplotlib", True),
        ("import matplotlib_inline", False),
    ],
)
def test_the_check_itself_finds_imports(tmp_path, text, caught):
    (tmp_path / "module.py").write_text(text)
    found = [n for n in _imports(tmp_path / "module.py", tmp_path) if _reaches(n, {"matplotlib", "jaxreg.plotting"})]
    assert bool(found) == caught


def test_imports_start_no_device_and_leave_slow_ones_to_their_use():
    """After all modules are imported, the number of devices can still be set; `scipy.stats` takes half a second."""
    code = "\n".join(
        [
            "import importlib, pkgutil, sys, jaxreg",
            "names = [m.name for m in pkgutil.walk_packages(jaxreg.__path__, 'jaxreg.')]",
            "[importlib.import_module(name) for name in names if name.rsplit('.', 1)[-1] not in ('__main__', 'child')]",
            "jaxreg.use_all_cores()",
            "assert 'scipy.stats' not in sys.modules",
        ]
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
