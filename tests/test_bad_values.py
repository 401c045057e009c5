"""Every public function refuses bad arguments by name: no raw exception, no hang, no silent NaN."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_values.calls import CALLS, public


def test_every_public_function_is_called():
    """A new function must be given a valid call in `tests/bad_values/calls.py`, and is then spoilt like all others."""
    assert sorted(CALLS) == sorted(public())


def _spoil(*options: str) -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "tests.bad_values", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_a_few_hundred_bad_arguments_are_refused():
    _spoil("--examples", "300")


@pytest.mark.slow
def test_frames_are_refused_wherever_no_table_is_read():
    """Above all as flags: the truth of a frame is an error of pandas."""
    _spoil("--each", "pd.DataFrame({'a': [1.0, 2.0], 'b': [3, 4]})")


@pytest.mark.campaign
def test_five_thousand_bad_arguments_are_refused():
    _spoil("--examples", "5000", "--valid", "--random")


@pytest.mark.campaign
def test_numbers_that_jax_has_no_room_for_are_refused_or_computed():
    _spoil("--each", "2**31", "np.int64(2**40)", "2**63", "float(1e184)", "float(1e-39)", "float(1e39)")
