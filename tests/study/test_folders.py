"""Folders that are none of studies, and names that are none of a study, are refused in one line."""

import json
from pathlib import Path

import pytest

from jaxreg.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "mine", "first"), "NAME = 'first': is taken"),
        (("new", "mine", "not-a-name"), "NAME = 'not-a-name': must have a name that Python can import"),
        (("new", "mine/in-between", "first"), "FOLDER = 'in-between': must have a name that Python can import"),
        (("run", "nowhere", "first"), "FOLDER = 'nowhere': is no folder"),
        (("run", "json", "first"), f"has the name of a package in {Path(json.__file__).parent}"),
        (("run", "mine", "frist"), "Did you mean first?"),
        (("run", "mine", "broken"), "must have Config, PRESETS"),
        (("figures", "json"), "has the name of a package"),
        (("figures", "mine", "--jobs", "0"), "jobs = 0"),
    ],
)
def test_what_is_no_study_is_refused(folder, arguments, message, capsys):
    Path(folder, "broken.py").write_text("def run(config):\n    pass\n")
    assert main([argument.replace("mine", folder) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_studies_of_a_folder_are_listed(folder, capsys):
    assert main(["run", folder]) == 0
    assert "  first  Is the average of SGD's weights nearer to the minimum" in capsys.readouterr().out
    assert main(["run"]) == 2
    assert "usage: python -m jaxreg run FOLDER" in capsys.readouterr().out
