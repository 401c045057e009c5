"""Figures as files: PDF and PNG whose bytes depend on the figure alone."""

from pathlib import Path

from matplotlib.figure import Figure

from .looks import style


def save(figure: Figure, path_stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as `<path_stem>.pdf` (text as text) and `<path_stem>.png` (300 dots per inch), without timestamps.

    The same figure with the same matplotlib gives the same bytes. Missing folders are made.

    Args:
        figure: what to write.
        path_stem: path without its ending, as `"output/learning_rate"`.

    Returns:
        The paths of the PDF and of the PNG.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in save(Figure(), f"{folder}/empty")]
    ['empty.pdf', 'empty.png']
    """
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    pdf, png = (stem.with_name(f"{stem.name}.{ending}") for ending in ("pdf", "png"))
    with style():  # Ticks are made and fonts embedded while saving: outside of `draw`, within its style.
        figure.savefig(pdf, metadata={"CreationDate": None})
        figure.savefig(png, metadata={"Software": None})
    return pdf, png
