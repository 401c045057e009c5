"""A folder of PNG images whose labels stand in a CSV file with the columns `filename,label`."""

import csv
import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxreg.datasets.dataset import About, Dataset, Raw, prepare
from jaxreg.errors import ArgumentError, DataError

LARGEST_LABEL = 65_535  # a number beyond is no class number, and one-hot rows of that length would fill the memory
GREY_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # what converts to 8-bit grey without clipping


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
) -> Dataset:
    r"""PNG images listed by a CSV file, in a training part and a validation part (`x_test`, `y_test`).

    Images are sorted by the SHA-256 of `"seed:filename"`, and the last `validation` of them are the validation part. So
    the split depends on the seed and the file names alone: not on the order of the CSV file, the platform or a library.

    Args:
        csv_path: a text file (UTF-8) with a header line that has the columns `filename` and `label`, besides others.
        image_directory: the folder of the images; None: that of the CSV file.
        validation: share of the images in the validation part, between 0 and 1.
        seed: chooses the split; None keeps the order of the CSV file, so that its last lines are the validation part.
        scale: divide pixels by 255, so that they lie in 0 … 1; False leaves 0 … 255.
        one_hot: labels as rows of zeros with a one, instead of as class numbers.
        flatten: images as rows of pixels, instead of as height × width.

    Returns:
        `Dataset`, as `load` returns it. Coloured images become grey; classes are 0 to the largest label.

    Raises:
        ArgumentError: `validation` is not between 0 and 1.
        DataError: naming file and line: the CSV file is missing, empty or without these columns, or lists no image, one
            twice or too few for two parts; a label is not an integer from 0; an image is missing, unreadable, not 8-bit
            or of another shape than the first.

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
    if not 0 < validation < 1:
        raise ArgumentError("validation", validation, "must be between 0 and 1", "0.3 is common")
    csv_path = Path(csv_path)
    folder = csv_path.parent if image_directory is None else Path(image_directory)
    rows = _read_rows(csv_path)
    if seed is not None:
        rows = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row.filename}".encode()).digest())
    first = len(rows) - round(validation * len(rows))
    if not 0 < first < len(rows):
        raise DataError(
            "CSV file", str(csv_path), f"lists {len(rows)} images, too few for two parts", "Change `validation`"
        )
    images = _read_images(folder, rows)
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
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            missing = columns - set(header)
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
    if not lines:
        raise DataError("CSV file", str(path), "lists no images", "Add one line per image: filename,label")
    rows, seen = [], set()
    for number, filename, label in lines:
        place = f"line {number} of {path}"
        text = (label or "").strip()
        if not filename:
            raise DataError(f"filename in {place}", filename, "is missing", "Each line is filename,label")
        if filename in seen:  # or it could be in both parts
            raise DataError(f"filename in {place}", filename, "is listed before", "List each image once")
        if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_LABEL):
            raise DataError(
                f"label in {place}", label, f"must be an integer from 0 to {LARGEST_LABEL}", "Number the classes from 0"
            )
        seen.add(filename)
        rows.append(_Row(place, filename, int(text)))
    return rows


def _read_images(folder: Path, rows: list[_Row]) -> np.ndarray:
    """The images as grey values, shape (n, height, width), uint8."""
    from PIL import Image

    unreadable = (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError)
    images: list[np.ndarray] = []
    for row in rows:
        path = folder / row.filename
        place = f"image in {row.place}"
        try:
            with Image.open(path, formats=["PNG"]) as image:
                mode = image.mode
                pixels = np.asarray(image.convert("L") if mode in GREY_MODES else image)
        except FileNotFoundError:
            raise DataError(place, str(path), "does not exist", "Check `image_directory` and the name") from None
        except unreadable as error:
            raise DataError(place, str(path), f"is no readable PNG image ({error})", "Save it anew as PNG") from None
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
