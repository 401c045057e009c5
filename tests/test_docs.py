"""The examples of the documentation run as written, on little data."""

import re
from pathlib import Path

import numpy as np
import pytest

import jaxreg as jr

_TEXT = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"```python\n(.*?)```", _TEXT, flags=re.DOTALL)


def _few(name, train, test, flatten=True):
    """Pictures of 28 x 28 pixels, few of them."""
    random = np.random.default_rng(0)
    shape = (784,) if flatten else (28, 28)
    x, y = random.random((48, *shape)).astype(np.float32), random.integers(0, 10, 48).astype(np.int32)
    return x[:40], y[:40], x[40:], y[40:]


class _Data(tuple):
    x_train, y_train, x_test, y_test = (property(lambda self, i=i: self[i]) for i in range(4))


@pytest.mark.parametrize("code", _EXAMPLES, ids=["linen", "nnx"])
def test_a_model_of_ones_own_is_a_population_in_25_lines(code, monkeypatch, capsys):
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 25
    monkeypatch.setattr(jr.datasets, "load", lambda *args, **options: _Data(_few(*args, **options)))
    space = {}
    exec(
        compile(code.replace("jr.seeds(16)", "jr.seeds(2)").replace("epochs=3", "epochs=1"), "models.md", "exec"), space
    )
    result = space["result"]
    assert result["test_accuracy"].dims[0] == "seed"
    assert result["test_accuracy"].dims[-1] == "epoch"
    assert np.isfinite(result["test_loss"]).all()
    assert "learning_rate" in capsys.readouterr().out
