"""`info` and `data`: what is said of this process and of the data that lie here; nothing is downloaded."""

import gzip

import jax
import pytest

import jaxreg
from jaxreg.__main__ import main
from jaxreg.datasets.catalogue import FILES


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXREG_CACHE", str(tmp_path))
    monkeypatch.delenv("JAXREG_DATA", raising=False)
    return tmp_path


def test_info(empty, capsys):
    assert main(["info"]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line)
    assert (shown["jaxreg"], shown["jax"]) == (jaxreg.__version__, jax.__version__)
    assert (shown["cache"], shown["mnist"], shown["digits"]) == (str(empty), "not here", "part of the package")
    assert "cpu" in shown["devices"]


def test_data(empty, capsys):
    assert main(["data", "verify"]) == 0  # nothing is here, nothing is wrong
    assert main(["data", "verify", "mnist"]) == 1
    assert "data fetch mnist" in capsys.readouterr().err
    (empty / "mnist").mkdir()
    for file, rank in FILES.items():  # a picture and a label of no original
        content = bytes([0, 0, 8, rank]) + (1).to_bytes(4, "big") * rank + bytes(1)
        (empty / "mnist" / f"{file}.gz").write_bytes(gzip.compress(content))
    assert main(["data", "list"]) == 0
    assert str(empty / "mnist") in capsys.readouterr().out
    assert main(["data", "verify"]) == 1
    assert "mnist: " in (said := capsys.readouterr().err)
    assert "original" in said
    with pytest.raises(SystemExit):
        main(["data", "fetch", "nonesuch"])
    assert "NAME = nonesuch: must be one of mnist, fashion_mnist" in capsys.readouterr().err
