"""The README is true: its example runs as written, its commands are those of CI, its links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest

from jaxreg.study.catalogue import list_modules

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_example_runs_as_written(capsys):
    (code,) = blocks("python")
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 16
    space = {}
    exec(compile(code, "README.md", "exec"), space)
    result = space["result"]
    assert dict(result.weight.sizes) == {"seed": 1000, "learning_rate": 8, "batch_size": 2, "step": 100}
    final = result.weight.isel(step=-1)
    # Ornstein-Uhlenbeck: smaller batches and larger rates wander further.
    assert (final.var("seed").sel(batch_size=1) > 3 * final.var("seed").sel(batch_size=10)).all()
    assert "learning_rate" in capsys.readouterr().out


def test_the_commands_are_those_that_ci_runs():
    commands = [line for block in blocks("bash") for line in block.strip().splitlines()]
    assert commands == [
        "python3 -m pip install -e . && python3 -m paper_figures",
        "python3 -m pip install -e '.[test]' && python3 -m pytest",
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "install --quiet -e . && python3 -m paper_figures" in script
    assert "install --quiet -e '.[test]' && python3 -m pytest" in script


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_links_and_pictures_exist(path):
    assert (ROOT / path).exists()
    if path.endswith(".png"):
        assert (ROOT / path).stat().st_size < 150_000


def test_every_experiment_is_in_the_table():
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE)) == set(list_modules("experiments", "run"))


def test_the_extras_named_exist():
    extras = re.findall(r"'\.\[(\w+)\]'", TEXT)
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = ", declared, flags=re.MULTILINE) for extra in extras)


def test_the_session_with_linear_models_runs_and_is_certified():
    session = blocks("pycon")[0]
    space = {}
    exec("\n".join(line.removeprefix(">>> ") for line in session.splitlines()), space)
    assert space["fit"].coef.shape == (1000, 15)
    assert float(space["fit"].gap.max()) < 1e-5
    assert not space["fit"].status.any()
    assert space["slope"] != 0


def test_the_session_with_statistics_prints_what_it_says():
    session = next(block for block in blocks("pycon") if "jr.stats" in block)
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", None, None)
    assert doctest.DocTestRunner().run(test) == (0, 6)
