"""Folders of PNG images with a CSV file of labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxreg.datasets import load_folder
from jaxreg.errors import ArgumentError, DataError


def make(folder: Path, n: int = 20, mode: str = "L", size: tuple[int, int] = (28, 28)) -> tuple[Path, np.ndarray]:
    """A folder `images/` with n images and `train.csv`, labels 0 to 3; and the pixels."""
    (folder / "images").mkdir()
    pixels = np.random.default_rng(2).integers(0, 256, (n, size[1], size[0])).astype(np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).convert(mode).save(folder / "images" / f"{i}.png")
    path = folder / "train.csv"
    path.write_text("filename,label\n" + "".join(f"{i}.png,{i % 4}\n" for i in range(n)))
    return path, pixels


def replace_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_every_image_arrives_with_its_label(tmp_path: Path, mode: str) -> None:
    path, pixels = make(tmp_path, mode=mode)
    data = load_folder(path, tmp_path / "images", scale=False)
    assert data.x_train.shape == (14, 784)
    assert data.x_test.shape == (6, 784)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int32
    expected = {image.tobytes(): i % 4 for i, image in enumerate(pixels)}
    images = np.concatenate([data.x_train, data.x_test]).astype(np.uint8)
    labels = np.concatenate([data.y_train, data.y_test])
    assert {image.tobytes(): label for image, label in zip(images, labels, strict=True)} == expected
    assert data.about.classes == ("0", "1", "2", "3")
    assert data.about.image_shape == (28, 28)


def test_the_order_of_the_file_on_request(tmp_path: Path) -> None:
    path, pixels = make(tmp_path, size=(5, 7))
    data = load_folder(path, tmp_path / "images", seed=None, flatten=False, one_hot=True)
    np.testing.assert_array_equal(data.x_train, pixels[:14] / np.float32(255))
    np.testing.assert_array_equal(data.x_test, pixels[14:] / np.float32(255))
    np.testing.assert_array_equal(data.y_test, np.eye(4)[[2, 3, 0, 1, 2, 3]])


def test_the_split_depends_on_seed_and_names_alone(tmp_path: Path) -> None:
    path, _ = make(tmp_path, n=40)
    first = load_folder(path, tmp_path / "images")
    assert {image.tobytes() for image in first.x_train}.isdisjoint(image.tobytes() for image in first.x_test)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]))
    again = load_folder(path, tmp_path / "images")
    for a, b in zip(first[:4], again[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    other = load_folder(path, tmp_path / "images", seed=1)
    assert not np.array_equal(first.x_test, other.x_test)
    # What SHA-256 gives today it gives on every machine for ever.
    assert first.y_test.tolist() == [2, 1, 3, 0, 2, 2, 0, 1, 0, 1, 3, 3]


@pytest.mark.parametrize(("share", "n"), [(0.05, 1), (0.3, 6), (0.5, 10), (0.95, 19)])
def test_share_of_the_validation_part(tmp_path: Path, share: float, n: int) -> None:
    path, _ = make(tmp_path)
    data = load_folder(path, tmp_path / "images", validation=share)
    assert (len(data.x_train), len(data.x_test)) == (20 - n, n)


def test_images_beside_the_csv_file_columns_in_any_order_and_excels_byte_mark(tmp_path: Path) -> None:
    _, pixels = make(tmp_path, n=4)
    moved = tmp_path / "images" / "list.csv"
    lines = "".join(f" {i} ,x,{i}.png\r\n" for i in range(4))
    moved.write_bytes(b"\xef\xbb\xbf" + f"label,note,filename\r\n{lines}".encode())
    data = load_folder(moved, seed=None, validation=0.5)
    assert data.y_train.tolist() == [0, 1]
    np.testing.assert_array_equal(data.x_test[1], pixels[3].ravel() / np.float32(255))
    assert data.about.name == "list"


@pytest.mark.parametrize("share", [0.0, 1.0, -0.3, 30.0, float("nan")])
def test_the_share_is_a_fraction(tmp_path: Path, share: float) -> None:
    path, _ = make(tmp_path)
    with pytest.raises(ArgumentError, match=r"validation = .*must lie in \(0, 1\)"):
        load_folder(path, tmp_path / "images", validation=share)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"filename,label\n", "lists no images"),
        (b"name,label\n1.png,3\n", "has no column filename among name, label"),
        (b"filename;label\n1.png;3\n", "has no column filename and no column label among filename;label"),
        (b"\xff\xfef\0i\0l\0e\0", "is no UTF-8 text"),
        (b"filename,label\n0.png,1\n", "lists 1 images, too few for two parts"),
    ],
)
def test_csv_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    path, _ = make(tmp_path)
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_folder(path, tmp_path / "images")
    assert caught.value.value == str(path)


def test_no_csv_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.csv': cannot be read \(No such file"):
        load_folder(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3.png,seven", "label in line 5 of .*train.csv = 'seven': must be an integer"),
        ("3.png,7.0", "label in line 5 of .*train.csv = '7.0': must be an integer"),
        ("3.png,-1", "label in line 5 of .*train.csv = '-1': must be an integer from 0"),
        ("3.png,", "label in line 5 of .*train.csv = '': must be an integer"),
        ("3.png", "label in line 5 of .*train.csv = None: must be an integer"),
        ("3.png,٣", "label in line 5 of .*train.csv = '٣': must be an integer"),
        ("3.png,70000", "label in line 5 of .*train.csv = '70000': must be an integer from 0 to 65535"),
        (",3", "filename in line 5 of .*train.csv = '': is missing"),
        ("1.png,3", "filename in line 5 of .*train.csv = '1.png': is listed before"),
        ("99.png,3", "image in line 5 of .*train.csv = '.*99.png': does not exist"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    path, _ = make(tmp_path)
    replace_line(path, 5, line)
    with pytest.raises(DataError, match=message):
        load_folder(path, tmp_path / "images")


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    path, _ = make(tmp_path)
    image = tmp_path / "images" / "11.png"
    whole = image.read_bytes()
    damaged = bytearray(whole)
    damaged[60] ^= 255
    Image.new("L", (28, 28)).save(tmp_path / "photo.jpg")
    jpeg = (tmp_path / "photo.jpg").read_bytes()
    for content in (b"", b"<html>", whole[:20], whole[:40], whole[: len(whole) // 2], bytes(damaged), jpeg):
        image.write_bytes(content)
        with pytest.raises(DataError, match=r"image in line 13 of .* = .*11.png': is no readable PNG"):
            load_folder(path, tmp_path / "images")
    image.write_bytes(whole)
    load_folder(path, tmp_path / "images")


def test_images_of_another_size_or_depth_are_named(tmp_path: Path) -> None:
    path, _ = make(tmp_path)
    image = tmp_path / "images" / "4.png"
    Image.new("L", (28, 14)).save(image)
    with pytest.raises(DataError, match=r"4.png': has \(14, 28\) pixels, but 0.png has \(28, 28\)"):
        load_folder(path, tmp_path / "images", seed=None)
    Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(image)
    with pytest.raises(DataError, match=r"4.png': has pixels of type I;16, not 8-bit ones"):
        load_folder(path, tmp_path / "images")


def test_a_folder_in_place_of_an_image(tmp_path: Path) -> None:
    path, _ = make(tmp_path)
    replace_line(path, 2, "../images,1")
    with pytest.raises(DataError, match="is no readable PNG"):
        load_folder(path, tmp_path / "images")


def _write(folder, lines, header="filename,label"):
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def _squares(folder, n=4):
    for i in range(n):
        Image.new("L", (2, 2), 10 * i).save(folder / f"{i}.png")


@pytest.mark.parametrize("header", ["filename,label", "Filename,Label", " FILENAME , label ", "note, label,filename"])
@pytest.mark.parametrize("form", ["{file},{label}", "{file}, {label}", "{file} ,{label} ", ' "{file}" , "0{label}"'])
def test_spaces_around_commas_and_capitals_do_not_matter(tmp_path, header, form):
    _squares(tmp_path)
    lines = [form.format(file=f"{i}.png", label=i % 2) for i in range(4)]
    if header.startswith("note"):
        lines = [f"x, {i % 2} , {i}.png" for i in range(4)]
    data = load_folder(_write(tmp_path, lines, header), validation=0.5, seed=None, scale=False)
    np.testing.assert_array_equal([*data.y_train, *data.y_test], [0, 1, 0, 1])
    np.testing.assert_array_equal([*data.x_train[:, 0], *data.x_test[:, 0]], [0, 10, 20, 30])


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="has several columns label"):
        load_folder(_write(tmp_path, ["0.png,1,2"], "filename,label,Label"))


@pytest.mark.parametrize("spelling", ["./0.png", "a/../0.png", "link.png", "hard.png", "a//../0.png"])
def test_one_file_under_two_names_is_refused(tmp_path, spelling):
    _squares(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "link.png").symlink_to("0.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "0.png")
    path = _write(tmp_path, ["0.png,0", "1.png,1", f"{spelling},0", "2.png,0"])
    with pytest.raises(DataError, match=r"line 4 .* is the same file as 0\.png"):
        load_folder(path, seed=None)


def _strokes(mode, i):
    """Opaque black strokes on transparent black: only the alpha channel tells one image from the other."""
    alpha = np.zeros((4, 4), np.uint8)
    alpha[1:3, i : i + 2] = 255
    if mode in ("LA", "RGBA"):
        return Image.fromarray(np.dstack([np.zeros((4, 4, len(mode) - 1), np.uint8), alpha]), mode), {}
    pixels = Image.fromarray((alpha == 0).astype(np.uint8), "P" if mode == "P" else "L")
    if mode == "P":
        pixels.putpalette([0, 0, 0, 0, 0, 0])
        return pixels, {"transparency": 1}
    # Grey and colour with one transparent value: 1 stands for nothing.
    return (pixels, {"transparency": 1}) if mode == "L" else (pixels.convert("RGB"), {"transparency": (1, 1, 1)})


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "RGB"])
def test_transparent_pixels_are_laid_on_the_background(tmp_path, mode):
    for i in range(4):
        image, options = _strokes(mode, i % 2)
        image.save(tmp_path / f"{i}.png", **options)
    path = _write(tmp_path, [f"{i}.png,{i % 2}" for i in range(4)])
    for background in (255, 100):
        given = {} if background == 255 else {"background": background}
        data = load_folder(path, validation=0.5, seed=None, scale=False, flatten=False, **given)
        for i in range(2):
            expected = np.full((4, 4), float(background))
            expected[1:3, i : i + 2] = 0
            np.testing.assert_array_equal(data.x_train[i], expected)


def test_half_transparent_pixels_are_mixed(tmp_path):
    for i in range(2):
        Image.new("LA", (1, 1), (0, 51)).save(tmp_path / f"{i}.png")  # a fifth black, the rest white
    data = load_folder(_write(tmp_path, ["0.png,0", "1.png,1"]), validation=0.5, scale=False)
    assert data.x_train.item() == 204


def test_one_bit_images_are_black_and_white_and_16_bit_ones_refused(tmp_path):
    for i in range(2):
        Image.new("1", (1, 1), 1).save(tmp_path / f"{i}.png")
    data = load_folder(_write(tmp_path, ["0.png,0", "1.png,1"]), validation=0.5, scale=False)
    assert data.x_train.item() == 255
    Image.new("I;16", (1, 1), 70).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="not 8-bit"):
        load_folder(tmp_path / "labels.csv", validation=0.5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"background": 256}, "background"), ({"background": "white"}, "background"), ({"seed": 0.5}, "seed"),
        ({"validation": "half"}, "validation"), ({"validation": np.nan}, "validation"),
    ],
)  # fmt: skip
def test_options_outside_their_domain_are_refused(tmp_path, options, named):
    _squares(tmp_path)
    path = _write(tmp_path, [f"{i}.png,{i % 2}" for i in range(4)])
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(load_folder, "__wrapped__", load_folder)(path, **options)


@pytest.mark.parametrize("path", ["~nobody-such/labels.csv", "x" * 5000, "a\0b"])
def test_paths_that_no_file_can_have_are_refused(path):
    with pytest.raises(DataError, match=r"csv_path .*no usable path"):
        load_folder(path)


@pytest.mark.parametrize("label", ["9" * 5000, "99999", "1.0", "-1", "one", "²"])
def test_labels_that_are_no_class_numbers_are_refused(tmp_path, label):
    _squares(tmp_path)
    with pytest.raises(DataError, match="label in line 2 "):
        load_folder(_write(tmp_path, [f"0.png,{label}", "1.png,1"]))
