"""Figures as files: PDF and PNG whose bytes depend on the figure alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from jaxreg.checks import check_kind
from jaxreg.errors import ArgumentError

from .looks import style


def save(figure: Figure, path_stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as `<path_stem>.pdf` (text as text) and `<path_stem>.png` (300 dots per inch), without timestamps.

    The same figure with the same matplotlib gives the same bytes. Missing folders are made.

    Args:
        figure: what to write.
        path_stem: path without its ending, as `"output/learning_rate"`.

    Returns:
        The paths of the PDF and of the PNG.

    Raises:
        ArgumentError: no figure, or a path that cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in save(Figure(), f"{folder}/empty")]
    ['empty.pdf', 'empty.png']
    """
    check_kind("figure", figure, Figure, "Give matplotlib's Figure")
    # Ticks are made and fonts embedded while saving: outside of `draw`, within its style, but for a layout: `savefig`
    # would leave one behind for a figure that has none.
    no_layout = rc_context({"figure.constrained_layout.use": False})
    with name_files(path_stem, "pdf", "png") as (pdf, png), style(), no_layout:
        if isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
            figure.set_layout_engine(None)  # it was settled: with one that does nothing, each file is drawn twice
        figure.savefig(pdf, metadata={"CreationDate": None})
        figure.savefig(png, metadata={"Software": None})
    return pdf, png


@contextmanager
def name_files(path_stem: str | Path, *endings: str) -> Iterator[tuple[Path, ...]]:
    """The paths of one stem with each ending, their folder made; what cannot be written there is refused.

    Raises:
        ArgumentError: no path, a path without a name, or one that the system refuses.
    """
    check_kind("path_stem", path_stem, (str, Path), 'Give a path without its ending, as "output/learning_rate"')
    stem = Path(path_stem)
    if not stem.name or "\0" in str(stem):
        raise ArgumentError("path_stem", path_stem, "must end in a name", 'Give one as "output/learning_rate"')
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        yield tuple(stem.with_name(f"{stem.name}.{ending}") for ending in endings)
    except OSError as error:
        raise ArgumentError("path_stem", path_stem, f"must be writable ({error})", "Give another path") from error
