"""A folder of PNG images whose labels stand in a CSV file with the columns `filename,label`."""

import csv
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxreg.checks import LEVEL, check_flag, check_integer
from jaxreg.datasets.dataset import About, Dataset
from jaxreg.datasets.idx import read_path
from jaxreg.datasets.prepare import Raw, prepare
from jaxreg.errors import DataError

LARGEST_LABEL = 65_535  # a number beyond is no class number, and one-hot rows of that length would fill the memory
LONGEST_LABEL = len(str(LARGEST_LABEL))
GREY_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # what converts to 8-bit grey without clipping
WHITE = 255


class _Row(NamedTuple):
    """One image as the CSV file lists it."""

    place: str
    filename: str
    label: int


def load_folder(
    csv_path: str | os.PathLike[str],
    image_directory: str | os.PathLike[str] | None = None,
    *,
    validation: float = 0.3,
    seed: int | None = 0,
    scale: bool = True,
    one_hot: bool = False,
    flatten: bool = True,
    background: int = WHITE,
) -> Dataset:
    r"""PNG images listed by a CSV file, in a training part and a validation part (`x_test`, `y_test`).

    Images are sorted by the SHA-256 of `"seed:filename"`, and the last `validation` of them are the validation part. So
    the split depends on the seed and the file names alone: not on the order of the CSV file, the platform or a library.

    Args:
        csv_path: a text file (UTF-8) with a header line that has the columns `filename` and `label`, besides others;
            spaces around commas, and capitals in the header, do not matter.
        image_directory: the folder of the images; None: that of the CSV file.
        validation: share of the images in the validation part, between 0 and 1.
        seed: chooses the split; None keeps the order of the CSV file, so that its last lines are the validation part.
        scale: divide pixels by 255, so that they lie in 0 … 1; False leaves 0 … 255.
        one_hot: labels as rows of zeros with a one, instead of as class numbers.
        flatten: images as rows of pixels, instead of as height × width.
        background: grey value from 0 (black) to 255 (white) of the ground that transparent pixels are laid on.

    Returns:
        `Dataset`, as `load` returns it. Coloured images become grey; classes are 0 to the largest label.

    Raises:
        ArgumentError: `validation` is not between 0 and 1, `background` not from 0 to 255, `seed` neither an integer
            nor None, or a path no text.
        DataError: naming file and line: the CSV file is missing, empty or without these columns, or lists no image, one
            file twice, under whatever names, or too few for two parts; a label is not an integer from 0; an image is
            missing, unreadable, not 8-bit or of another shape than the first.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(10):
    ...         Image.new("L", (28, 28), 255 * (i % 2)).save(Path(folder) / f"{i}.png")
    ...     lines = [f"{i}.png,{i % 2}" for i in range(10)]
    ...     size = (Path(folder) / "train.csv").write_text("\n".join(["filename,label", *lines]))
    ...     data = load_folder(Path(folder) / "train.csv")
    >>> data.x_train.shape, data.x_test.shape
    ((7, 784), (3, 784))
    >>> bool((data.x_train[:, 0] == data.y_train).all())
    True
    """
    for flag, value in (("scale", scale), ("one_hot", one_hot), ("flatten", flatten)):
        check_flag(flag, value)
    LEVEL.check("validation", validation, "0.3 is common")
    check_integer("background", background, 0, 255, "Give 255 for white paper, 0 for black")
    if seed is not None:
        check_integer("seed", seed, -(2**63), math.inf, "Give an integer, or None for the order of the file")
    csv_path = read_path("csv_path", csv_path)
    folder = csv_path.parent if image_directory is None else read_path("image_directory", image_directory)
    rows = _read_rows(csv_path)
    if seed is not None:
        rows = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row.filename}".encode()).digest())
    first = len(rows) - round(validation * len(rows))
    if not 0 < first < len(rows):
        raise DataError(
            "CSV file", str(csv_path), f"lists {len(rows)} images, too few for two parts", "Change `validation`"
        )
    images = _read_images(folder, rows, background)
    labels = np.array([row.label for row in rows], np.int32)
    about = About(
        name=csv_path.stem,
        source=f"PNG images listed in {csv_path.name}",
        licence="unknown",
        classes=tuple(str(k) for k in range(labels.max() + 1)),
        image_shape=(images.shape[1], images.shape[2]),
        brightest=255,
    )
    raw = Raw(images[:first], labels[:first], images[first:], labels[first:])
    return prepare(about, raw, train=None, test=None, scale=scale, one_hot=one_hot, flatten=flatten)


def _read_rows(path: Path) -> list[_Row]:
    """The lines of the CSV file, checked."""
    columns = {"filename", "label"}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = list(reader.fieldnames or ())
            names = [name.strip().lower() for name in header]
            twice = {name for name in columns if names.count(name) > 1}
            missing = columns - set(names)
            reader.fieldnames = names
            lines = [(reader.line_num, row["filename"], row["label"]) for row in reader] if not missing else []
    except OSError as error:
        raise DataError("CSV file", str(path), f"cannot be read ({error.strerror})", "Check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("CSV file", str(path), f"is no UTF-8 text with commas ({error})", "Export it anew") from None
    if not header:
        raise DataError("CSV file", str(path), "is empty", "Its first line must be filename,label")
    if missing:
        raise DataError(
            "CSV file",
            str(path),
            f"has no column {' and no column '.join(sorted(missing))} among {', '.join(header)}",
            "Its first line must be filename,label",
        )
    if twice:
        name = min(twice)
        raise DataError("CSV file", str(path), f"has several columns {name}", "Leave one of that name")
    if not lines:
        raise DataError("CSV file", str(path), "lists no images", "Add one line per image: filename,label")
    rows, seen = [], set()
    for number, listed, label in lines:
        place = f"line {number} of {path}"
        filename, text = (listed or "").strip(), (label or "").strip()
        if not filename:
            raise DataError(f"filename in {place}", filename, "is missing", "Each line is filename,label")
        if filename in seen:  # or it could be in both parts
            raise DataError(f"filename in {place}", filename, "is listed before", "List each image once")
        digits = text.lstrip("0") or text[-1:]
        is_number = text.isascii() and text.isdigit() and len(digits) <= LONGEST_LABEL
        if not (is_number and int(digits) <= LARGEST_LABEL):
            raise DataError(
                f"label in {place}", label, f"must be an integer from 0 to {LARGEST_LABEL}", "Number the classes from 0"
            )
        seen.add(filename)
        rows.append(_Row(place, filename, int(digits)))
    return rows


def _read_images(folder: Path, rows: list[_Row], background: int) -> np.ndarray:
    """The images as grey values, shape (n, height, width), uint8."""
    from PIL import Image

    unreadable = (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError)
    images: list[np.ndarray] = []
    seen: dict[tuple[int, int], str] = {}
    for row in rows:
        path = folder / row.filename
        place = f"image in {row.place}"
        try:
            status = path.stat()
            with Image.open(path, formats=["PNG"]) as image:
                mode = image.mode
                pixels = _to_grey(image, background) if mode in GREY_MODES else np.asarray(image)
        except FileNotFoundError:
            raise DataError(place, str(path), "does not exist", "Check `image_directory` and the name") from None
        except unreadable as error:
            raise DataError(place, str(path), f"is no readable PNG image ({error})", "Save it anew as PNG") from None
        first = seen.setdefault((status.st_dev, status.st_ino), row.filename)
        if first is not row.filename:  # by another path, a link or other capitals; it could be in both parts
            raise DataError(place, row.filename, f"is the same file as {first}", "List each image once")
        if mode not in GREY_MODES:
            raise DataError(place, str(path), f"has pixels of type {mode}, not 8-bit ones", "Save it with 8 bits")
        if images and pixels.shape != images[0].shape:
            raise DataError(
                place,
                str(path),
                f"has {pixels.shape} pixels, but {rows[0].filename} has {images[0].shape}",
                "Bring all images to one size",
            )
        images.append(pixels)
    return np.stack(images)


def _to_grey(image: Any, background: int) -> np.ndarray:
    """Grey values of an 8-bit image; what lies under transparent pixels, mostly black, is not seen."""
    from PIL import Image

    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (background, background, background, 255))
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return np.asarray(image.convert("L"))
