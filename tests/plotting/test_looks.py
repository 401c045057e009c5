"""The style, its colours, and the files: what a printed page and a colour-blind reader need."""

import itertools
import os
import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jaxreg import plotting

# Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15 (2009) 1291: full dichromacy, on linear RGB.
_DICHROMACY = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
_RGB_TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def _lab(color, matrix):
    """CIELAB of a colour as seen through `matrix`."""
    rgb = np.asarray(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(matrix) @ linear, 0.0, 1.0)
    xyz = np.asarray(_RGB_TO_XYZ) @ seen / np.asarray(_RGB_TO_XYZ).sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", _DICHROMACY)
def test_colours_differ_for_every_reader(eyes):
    seen = {color: _lab(color, _DICHROMACY[eyes]) for color in plotting.COLORS}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2))
    assert nearest > 10  # about 2 is just noticeable


def test_style_is_used_inside_and_undone_outside():
    before = dict(matplotlib.rcParams)
    with plotting.style():
        figure, axes = plt.subplots()
        lines = [axes.plot([0, 1], [i, i])[0] for i in range(len(plotting.COLORS))]
        assert not axes.spines["top"].get_visible()
        assert not axes.spines["right"].get_visible()
        assert figure.get_constrained_layout()
        assert figure.get_figwidth() == plotting.COLUMN_WIDTH
    assert [line.get_color() for line in lines] == list(plotting.COLORS)
    assert dict(matplotlib.rcParams) == before
    plt.close(figure)


def test_style_is_undone_after_an_error():
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), plotting.style():
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def test_style_ignores_personal_settings():
    with matplotlib.rc_context({"lines.linewidth": 17, "xtick.direction": "in", "font.family": "serif"}):
        with plotting.style():
            assert matplotlib.rcParams["lines.linewidth"] < 2
            assert matplotlib.rcParams["xtick.direction"] == "out"
            assert matplotlib.rcParams["font.family"] == ["sans-serif"]
        assert matplotlib.rcParams["lines.linewidth"] == 17


def test_text_is_legible_at_column_width():
    with plotting.style():
        figure, axes = plt.subplots()
        axes.plot([1, 10], [1, 10], label="line")
        axes.set(xlabel="x", ylabel="y", title="title", xscale="log")
        axes.legend()
        figure.canvas.draw()
        sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert len(sizes) > 6
    assert 7 <= min(sizes) <= max(sizes) <= 9  # points on paper: the figure is drawn at its printed width
    plt.close(figure)


def _draw():
    with plotting.style():
        figure, axes = plt.subplots()
        axes.plot([1, 2], [3, 4], label=r"$\eta$ = 0.1")
        axes.set(xlabel="learning rate", title="accuracy – μ")
        axes.legend()
    return figure


def test_saved_bytes_depend_on_the_figure_alone(tmp_path, monkeypatch):
    figure = _draw()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")  # what matplotlib takes as now
    first = [path.read_bytes() for path in plotting.save(figure, tmp_path / "deep" / "first")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")
    with matplotlib.rc_context({"font.size": 20, "pdf.fonttype": 3, "savefig.dpi": 20}):
        second = [path.read_bytes() for path in plotting.save(_draw(), tmp_path / "second")]
    assert first == second
    assert b"CreationDate" not in first[0]
    plt.close("all")


def test_an_arranged_figure_is_drawn_once_for_each_file(tmp_path, monkeypatch):
    figure, drawn = _draw(), []
    plotting.arrange(figure)
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (drawn.append(1), draw(self, renderer))[1])
    plotting.save(figure, tmp_path / "figure")
    assert len(drawn) == 2
    plt.close("all")


def test_a_figure_without_a_layout_gets_none_by_being_saved(tmp_path):
    figure = Figure()
    plotting.save(figure, tmp_path / "figure")
    assert figure.get_layout_engine() is None


def test_saved_bytes_are_those_of_another_process(tmp_path):
    here = plotting.save(_draw(), tmp_path / "here")
    program = f"import runpy; own = runpy.run_path({__file__!r}); own['plotting'].save(own['_draw'](), 'there')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    for path in here:
        assert path.read_bytes() == path.with_stem("there").read_bytes()
    plt.close("all")


def test_pdf_embeds_text_as_truetype(tmp_path):
    pdf, png = plotting.save(_draw(), tmp_path / "figure")
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    width = int.from_bytes(png.read_bytes()[16:20], "big")
    assert width == round(300 * plotting.COLUMN_WIDTH)
    plt.close("all")
