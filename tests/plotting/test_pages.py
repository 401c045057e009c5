"""Pages have their letters, marks stand behind the data, numbers are written out; words keep to their room."""

import matplotlib.pyplot as plt
import pytest

from jaxreg import plotting
from jaxreg.errors import ArgumentError


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_pages_have_letters_whatever_the_titles():
    with plotting.page("ab;cc", 3.0, width=4.0, height_ratios=(1, 2)) as (figure, panels):
        panels["c"].set_title("Loss")
        assert plt.rcParams["pdf.fonttype"] == 42
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a)", "(b)", "(c) Loss"]
    assert figure.get_size_inches().tolist() == [4, 3]
    plt.close(figure)


def test_panels_of_other_names_have_no_letter():
    with plotting.page([["a", "a1"], ["B", "B"]], 2.0) as (figure, panels):
        panels["a1"].set_title("beside")
    assert [panels[name].get_title(loc="left") for name in ("a", "a1", "B")] == ["(a)", "beside", ""]
    plt.close(figure)


def test_rows_of_other_lengths_are_laid_out_apart():
    with plotting.page("ab;AB;cde", 4.0, height_ratios=(2, 1, 1)) as (figure, panels):
        panels["a"].set_ylabel("a label\nof two lines")
    figure.draw_without_rendering()
    boxes = {name: axes.get_window_extent() for name, axes in panels.items()}
    assert boxes["a"].x0 == boxes["A"].x0 > boxes["c"].x0
    assert boxes["a"].height > 1.5 * boxes["A"].height
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a)", "(b)", "", "", "(c)", "(d)", "(e)"]
    plt.close(figure)


@pytest.mark.parametrize("mosaic", ["", "ab;a", "ab;;c", "a b", [], [["a"], []]])
def test_a_page_is_rows_of_letters(mosaic):
    with pytest.raises(ArgumentError, match="mosaic"):
        plotting.page(mosaic, 3.0)


def test_values_are_marked_behind_the_data(axes):
    plotting.mark(axes, x=(0.1, 0.2), y=0, text="T5", height=0.8)
    assert [line.get_linestyle() for line in axes.lines] == [":", ":", "-"]
    assert axes.lines[0].get_ydata()[1] == 0.8
    assert [text.xy[0] for text in axes.texts] == [0.1, 0.2]
    assert max(line.get_zorder() for line in axes.lines) < 1


def test_numbers_are_written_out(axes):
    axes.plot([1, 2], [0.01, 30])
    plotting.write_out(axes, "y")
    axes.figure.canvas.draw()
    texts = {tick.get_text() for tick in axes.get_yticklabels()}
    assert {"0.01", "0.3", "10"} <= texts
    assert axes.get_yscale() == "log"


_COUNT = "n = 998–1,000 seeds (up to 2 diverged, left out)"


@pytest.fixture
def crowded():
    """Six small panels, each with a title, a label and a vertical label too long for it."""
    with plotting.page("abc;def", 4.0) as (figure, panels):
        for axes in panels.values():
            axes.set(
                title=_COUNT, xlabel=f"learning rate\n{_COUNT}", ylabel="accuracy on training images minus on test"
            )
        panels["f"].set_title("$\\alpha = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8$ and others", loc="left")
    yield figure
    plt.close(figure)


def test_words_break_where_they_have_no_room(crowded):
    plotting.arrange(crowded)
    first, *_, last = crowded.axes
    assert first.get_title(loc="left") == "(a) n = 998–1,000 seeds\n(up to 2 diverged, left out)"
    assert first.get_xlabel() == "learning rate\nn = 998–1,000 seeds\n(up to 2 diverged, left out)"
    assert first.get_ylabel().count("\n") == 1
    assert "$\\alpha = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8$" in last.get_title(loc="left").split("\n")
    renderer = crowded.canvas.get_renderer()
    for axes in crowded.axes[:-1]:
        box = axes.get_tightbbox(renderer)
        assert (box.x0 >= -1, box.x1 <= crowded.bbox.x1 + 1) == (True, True)


def test_words_with_room_stay_as_they_are(axes):
    axes.set(title="loss", xlabel="n = 8 seeds (1 diverged, left out)", ylabel="")
    plotting.arrange(axes.figure)
    assert (axes.get_title(loc="left") or axes.get_title(), axes.get_xlabel()) == (
        "loss",
        "n = 8 seeds (1 diverged, left out)",
    )
