"""Augmentation: images moved, bent, flipped, covered and made noisy at random, without gathers."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Integer, Key

from jaxreg import randomness
from jaxreg.checks import MOST, POSITIVE, Domain, check_integer, check_key, is_number, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.penalties import Scalar
from jaxreg.randomness import STEP, random_normals, random_words
from jaxreg.values import register_value

# What strengths must stay below, or may just reach.
_LIMITS = {
    "shift": math.inf,
    "rotation": 45,
    "scale": 1,
    "shear": 45,
    "flip": 1,
    "noise": math.inf,
    "erasing": 1,
    "elastic": math.inf,
}
_REACHED = ("rotation", "shear", "flip", "erasing")  # may be as large as their limit
_MOVES = ("shift", "rotation", "scale", "shear", "flip", "elastic")
# Each has a word of its own for each image, whatever else is on.
_DRAWS = ("rotation", "shear", "height", "width", "down", "across", "flip", "erasing", "area", "aspect", "top", "left")
_AREA, _ASPECT = (0.02, 0.4), (0.3, 1 / 0.3)  # of the erased box: Zhong et al., sections 3.2 and 4
_MODES_KEPT = 0.999  # share of an elastic field's variance


@register_value("shape", "smoothness")
@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image, and how strongly; every image draws its own numbers at every step.

    A strength is a number, which may be traced, or None: that kind is off and not part of the program. Strength 0
    gives the very bytes that None gives. Each kind has random numbers of its own: adding one changes no other.
    The affine part has the parameters, and the map, of Keras' `ImageDataGenerator`.

    >>> Augmentation(shift=2.0, rotation=10.0, scale=0.1)
    Augmentation(shift=2.0, rotation=10.0, scale=0.1, shear=None, flip=None, noise=None, erasing=None, elastic=None, shape=None, smoothness=4.0)
    """  # noqa: E501

    shift: Scalar | None = None
    """Largest shift in pixels, down and across separately: uniform in [-shift, shift]."""
    rotation: Scalar | None = None
    """Largest turn in degrees, up to 45: uniform in [-rotation, rotation]."""
    scale: Scalar | None = None
    """Height and width are divided by separate numbers, uniform in [1 - scale, 1 + scale]; below 1."""
    shear: Scalar | None = None
    """Largest shear in degrees, up to 45: horizontal lines turn by up to so much, vertical ones stay."""
    flip: Scalar | None = None
    """Probability of a left-right flip. It turns most digits into what is none."""
    noise: Scalar | None = None
    """Standard deviation of normal noise on each pixel, in units of the pixels. They are not clipped."""
    erasing: Scalar | None = None
    """Probability that a box is set to 0: 2 to 40 % of the area, its sides in a ratio from 0.3 to 1 / 0.3."""
    elastic: Scalar | None = None
    """Standard deviation, in pixels, of a smooth random displacement down and across."""
    shape: tuple[int, int] | None = None
    """(height, width) of the images in pixels; None: they are square."""
    smoothness: float = 4.0
    """Width of the Gaussian that smooths the elastic displacement, in pixels: it varies over 2 to 3 times that."""

    def __post_init__(self) -> None:
        """Refuse strengths outside their domains; traced ones pass, and give NaN where they are outside."""
        for name, most in _LIMITS.items():
            _check_strength(name, getattr(self, name), most)
        if self.shape is not None:
            if not isinstance(self.shape, tuple) or len(self.shape) != 2:
                raise ArgumentError("shape", self.shape, "must be (height, width)", "Give (28, 28), or None if square")
            for side in self.shape:
                check_integer("shape", side, 1, MOST, "Give height and width in pixels")
        if isinstance(self.smoothness, jax.core.Tracer) or not is_number(self.smoothness):
            remedy = "Give a width in pixels, such as 4"
            raise ArgumentError("smoothness", self.smoothness, "must be a positive number", remedy)
        POSITIVE.check("smoothness", self.smoothness, "Give a width in pixels, such as 4")


def augment(
    key: Key[Array, ""],
    images: Float[Array | np.ndarray, "batch *pixels"],
    augmentation: Augmentation,
    step: int | Integer[Array, ""] = 0,
) -> Float[Array, "batch *pixels"]:
    r"""Augmented copies of images: flipped, moved and bent, then with noise, then with a box erased.

    A pixel at p = (row, column), from the centre of the image, takes the value at $R(\theta)(S(\phi) Z p + t) + d(p)$,
    with the turn $R$, the shear $S = ((1, -\sin\phi), (0, \cos\phi))$, the scale $Z = \mathrm{diag}(z_1, z_2)$, the
    shift $t$ and the elastic displacement $d$, two Gaussian fields of covariance
    $\text{elastic}^2 \exp(-|p - p'|^2 / 4\,\text{smoothness}^2)$. Outside of the image, all is 0.

    The map is made in two passes, one across and one down (Catmull and Smith), each a linear interpolation between two
    neighbours. Without a turn that is bilinear interpolation; with one it differs from it by 0.003 at 10 degrees and
    0.01 at 30 (root mean square, MNIST from 0 to 1). As with that, details of one or two pixels fade, most where a move
    is by half a pixel; moves by whole pixels are exact. The displacement across is taken at the row that a pixel comes
    from, not at that which it goes to.

    Args:
        key: a typed PRNG key.
        images: one row of pixels each, or of shape (height, width), or (height, width, channels): all channels of an
            image move and are covered alike, and each has noise of its own.
        augmentation: what may happen to them.
        step: number of the batch in the sequence that belongs to the key; may be traced.

    Returns:
        As many images. All is NaN if a strength lies outside of its domain, which only a traced one can.

    Raises:
        ArgumentError: no `Augmentation`, or images that do not have its shape.

    >>> images = jnp.eye(3).reshape(1, 9)
    >>> moved = augment(jax.random.key(0), images, Augmentation(shift=1.0, rotation=20.0))
    >>> moved.shape, bool((moved == images).all())
    ((1, 9), False)

    Source: Catmull and Smith, 3-D transformations of images in scanline order (1980); Simard, Steinkraus and Platt,
    Best practices for convolutional neural networks (2003), whose elastic distortion of α = 34, σ = 4 is elastic=1.4,
    smoothness=4; Zhong et al., Random erasing data augmentation (2020), of which this is the variant that fills with 0.
    """
    check_key("key", key)
    STEP.check("step", step, "Give the number of the batch")
    images = read_floats("images", images)
    if not 2 <= images.ndim <= 4 or 0 in images.shape:
        constraint = "must be rows of pixels, or of shape (batch, height, width[, channels])"
        raise ArgumentError("images", images.shape, constraint, "Reshape them")
    if images.ndim > 2:
        return _augment_planes(key, images, augmentation, step)
    height, width = _read_shape(augmentation, images.shape[1])
    return _augment_rows(key, images, augmentation, step, (height, width), 1)


def _augment_planes(
    key: Key[Array, ""],
    images: Float[Array, "batch height width *channels"],
    augmentation: Augmentation,
    step: int | Integer[Array, ""],
) -> Float[Array, "batch height width *channels"]:
    """Images with their shape: the channels of an image become images of their own, after one another."""
    shape = (images.shape[1], images.shape[2])
    _read_shape(augmentation, math.prod(shape), shape)
    planes = jnp.moveaxis(images.reshape(*images.shape[:3], -1), -1, 0)
    rows = planes.reshape(-1, math.prod(shape))
    changed = _augment_rows(key, rows, augmentation, step, shape, planes.shape[0])
    return jnp.moveaxis(changed.reshape(planes.shape), 0, -1).reshape(images.shape)


def _augment_rows(
    key: Key[Array, ""],
    images: Float[Array, "rows pixels"],
    augmentation: Augmentation,
    step: int | Integer[Array, ""],
    shape: tuple[int, int],
    channels: int,
) -> Float[Array, "rows pixels"]:
    """Rows of pixels: all images in their first channel, then all in their second, and so on."""
    height, width = shape
    strengths = {name: getattr(augmentation, name) for name in _LIMITS}
    if not any(strength is not None for strength in strengths.values()):
        return images
    batch, dtype = images.shape[0] // channels, np.promote_types(images.dtype, np.float32)
    strength = {name: None if s is None else jnp.asarray(s, dtype) for name, s in strengths.items()}
    keys = randomness.split(key, "image", "elastic", "noise")
    unit = _alike(_draw(keys["image"], batch, step, dtype), channels)

    x = images.astype(dtype)
    if any(strength[name] is not None for name in _MOVES):
        amplitudes = None
        if strength["elastic"] is not None:
            count = _modes(max(height, width), augmentation.smoothness).shape[1]
            modes = 2, count, count, batch
            normals = random_normals(keys["elastic"], 1, math.prod(modes), step).reshape(modes)
            amplitudes = strength["elastic"] * _alike(normals, channels).astype(dtype)
        coefficients = _affine(strength, unit, height, width)
        x = _move(x, (height, width), coefficients, amplitudes, augmentation.smoothness)
    if strength["noise"] is not None:
        normals = random_normals(keys["noise"], 1, x.size, step).reshape(x.shape)
        x = x + strength["noise"] * normals.astype(dtype)
    if strength["erasing"] is not None:
        erased = (unit["erasing"] < strength["erasing"])[:, None, None] & _box(unit, height, width)
        x = jnp.where(erased.reshape(x.shape), 0, x)
    return jnp.where(_allowed(strength), x, jnp.nan).astype(images.dtype)


def _alike(drawn: Any, channels: int) -> Any:
    """What is drawn for each image, along the last axis, for each of its channels."""
    return drawn if channels == 1 else jax.tree.map(lambda part: jnp.concatenate([part] * channels, axis=-1), drawn)


def resample(
    lines: Float[Array, "size other batch"], positions: Float[Array, "size other batch"]
) -> Float[Array, "size other batch"]:
    r"""Linear interpolation along the first axis, $(1-f)\,v_i + f\,v_{i+1}$ with $i + f$ = `positions`, $0 \le f < 1$.

    What lies outside is 0. Instead of a gather, the even and the odd one of the two neighbours are each chosen by the
    bits of their number, in a tournament in which pairs meet first: 32 selections for 28 lines, where weighing each
    line takes 28 products and as many weights. The batch comes last, so that all are of whole vectors.

    Args:
        lines: $v$, from first to last.
        positions: for each entry of the result, the place that it comes from, counted from 0.

    >>> resample(jnp.array([[[1.0]], [[2.0]], [[4.0]]]), jnp.array([[[1.0]], [[1.5]], [[2.5]]])).ravel()
    Array([2., 3., 2.], dtype=float32)
    """
    size = lines.shape[0]
    place = jnp.clip(positions, -1, size) + 1
    whole = jnp.floor(place)
    index, fraction = whole.astype(jnp.int32), place - whole
    blank = jnp.zeros_like(lines[0])
    values = [blank, *lines, blank, blank]
    even, odd = _choose(values[0::2], (index + 1) >> 1), _choose(values[1::2], index >> 1)
    is_odd = (index & 1) != 0
    first, second = jnp.where(is_odd, odd, even), jnp.where(is_odd, even, odd)
    return jnp.where(fraction == 0, first, first * (1 - fraction) + second * fraction)


def _choose(values: list[Array], index: Array) -> Array:
    """For each entry, the value with that index."""
    while len(values) > 1:
        is_second = (index & 1) != 0
        pairs = [jnp.where(is_second, b, a) for a, b in zip(values[0::2], values[1::2], strict=False)]
        values, index = pairs + values[2 * len(pairs) :], index >> 1
    return values[0]


def _move(
    images: Float[Array, "batch pixels"],
    shape: tuple[int, int],
    coefficients: Float[Array, "2 3 batch"],
    amplitudes: Float[Array, "2 modes modes batch"] | None,
    smoothness: float,
) -> Float[Array, "batch pixels"]:
    """Resample across, from places $a x + b y + c$, and then down, from $a y + b x + c$; elastic ones are added."""
    batch, (height, width), side = images.shape[0], shape, max(shape)
    place = jnp.arange(side).astype(images.dtype)[:, None]

    def move(lines: Array, towards: tuple[Array, Array | None]) -> tuple[Array, None]:
        (a, b, c), bend = towards
        positions = (a[None] * place)[:, None] + (b[None] * place)[None] + c[None, None]
        if bend is not None:
            positions = positions + _smooth_field(bend, side, smoothness)
        return resample(jnp.swapaxes(lines, 0, 1), positions), None

    lines = images.T.reshape(height, width, batch)
    squares = jnp.pad(lines, ((0, side - height), (0, side - width), (0, 0)))
    # A loop, because what it carries is computed once: XLA would merge both passes, and the transposes, into one.
    moved, _ = lax.scan(move, squares, (coefficients, amplitudes))
    return moved[:height, :width].reshape(-1, batch).T


def _affine(strength: dict[str, Any], unit: dict[str, Array], height: int, width: int) -> Float[Array, "2 3 batch"]:
    """Coefficients of the two passes, for places counted from the top left."""

    def spread(kind: str, draw: str) -> Array:
        """Uniform in [-strength, strength]."""
        return jnp.zeros_like(unit[draw]) if strength[kind] is None else strength[kind] * (2 * unit[draw] - 1)

    turn, shear = (spread(kind, kind) * (math.pi / 180) for kind in ("rotation", "shear"))
    z1, z2 = 1 + spread("scale", "height"), 1 + spread("scale", "width")
    t1, t2 = spread("shift", "down"), spread("shift", "across")
    sine, cosine = jnp.sin(turn), jnp.cos(turn)
    down, across = cosine * t1 - sine * t2, sine * t1 + cosine * t2
    slope = sine / cosine
    y, x = (height - 1) / 2, (width - 1) / 2  # the centre
    across_pass = _from_corner(z2 * jnp.cos(shear) / cosine, slope, across - slope * down, x, y)
    down_pass = _from_corner(z1 * cosine, -z2 * jnp.sin(turn + shear), down, y, x)
    if strength["flip"] is not None:
        flipped = unit["flip"] < strength["flip"]
        mirrored = -across_pass + jnp.array([0, 0, width - 1], across_pass.dtype)[:, None]
        across_pass = jnp.where(flipped, mirrored, across_pass)
    return jnp.stack([across_pass, down_pass])


def _from_corner(a: Array, b: Array, c: Array, own: float, other: float) -> Array:
    """Coefficients of $a p + b q + c$ with p and q counted from the corner instead of from the centre."""
    return jnp.stack([a, b, c + (own - a * own - b * other)])


def _draw(
    key: Key[Array, ""], batch: int, step: int | Integer[Array, ""], dtype: Any
) -> dict[str, Float[Array, " batch"]]:
    """For each image, a number in [0, 1) of each name, a multiple of 2⁻²⁴."""
    step = step.astype(jnp.uint32) if isinstance(step, jax.Array) else jnp.uint32(step)

    def draw(_: None, row: Array) -> tuple[None, Array]:
        words = random_words(key, 1, batch, step * np.uint32(len(_DRAWS)) + row)
        return None, (words[:, 0] >> jnp.uint32(8)).astype(dtype) * 2.0**-24

    # A loop, because XLA would draw the numbers of an image again for each of its pixels.
    _, unit = lax.scan(draw, None, jnp.arange(len(_DRAWS), dtype=jnp.uint32))
    return dict(zip(_DRAWS, unit, strict=True))


def _smooth_field(
    amplitudes: Float[Array, "modes modes batch"], side: int, smoothness: float
) -> Float[Array, "side side batch"]:
    """A Gaussian field for each image, of variance 1, made of the few modes that smoothness leaves."""
    modes = jnp.asarray(_modes(side, smoothness), amplitudes.dtype)
    count, _, batch = amplitudes.shape
    down = jnp.matmul(modes, amplitudes.reshape(count, -1), precision="highest").reshape(side, count, batch)
    both = jnp.matmul(modes, jnp.swapaxes(down, 0, 1).reshape(count, -1), precision="highest")
    return both.reshape(side, side, batch)


def _modes(side: int, smoothness: float) -> np.ndarray:
    """Columns whose outer products sum to the correlation of white noise after a Gaussian filter, along one side."""
    distance = np.subtract.outer(np.arange(side), np.arange(side)) / (2 * smoothness)
    variances, modes = np.linalg.eigh(np.exp(-(distance**2)))
    share = np.cumsum(variances[::-1]) / side
    columns = (modes * np.sqrt(np.maximum(variances, 0)))[:, ::-1][:, : int(np.sum(share < _MODES_KEPT)) + 1]
    return columns / np.linalg.norm(columns, axis=1, keepdims=True)


def _box(unit: dict[str, Array], height: int, width: int) -> Bool[Array, "batch height width"]:
    """Pixels of a random box in each image."""
    area = (_AREA[0] + (_AREA[1] - _AREA[0]) * unit["area"]) * (height * width)
    aspect = _ASPECT[0] + (_ASPECT[1] - _ASPECT[0]) * unit["aspect"]
    inside = []
    for length, side, draw in ((area * aspect, height, "top"), (area / aspect, width, "left")):
        extent = jnp.clip(jnp.round(jnp.sqrt(length)), 1, side)
        first = jnp.floor(unit[draw] * (side - extent + 1))
        pixel = jnp.arange(side).astype(first.dtype)[None]
        inside.append((pixel >= first[:, None]) & (pixel < (first + extent)[:, None]))
    return inside[0][:, :, None] & inside[1][:, None]


def _allowed(strength: dict[str, Any]) -> Bool[Array, ""]:
    """Whether every strength lies in its domain."""
    inside = jnp.asarray(True)
    for name, value in strength.items():
        if value is not None:
            most = _LIMITS[name]
            inside &= (value >= 0) & ((value <= most) if name in _REACHED else (value < most))
    return inside


def _read_shape(augmentation: Any, pixels: int, known: tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width of images of so many pixels, where they are not known; refuse an `Augmentation` of others."""
    if not isinstance(augmentation, Augmentation):
        remedy = f"Give Augmentation(...) with any of {', '.join(_LIMITS)}"
        raise ArgumentError("augmentation", augmentation, "must be an Augmentation", remedy)
    height, width = augmentation.shape or known or (math.isqrt(pixels),) * 2
    if height * width != pixels or known not in (None, (height, width)):
        constraint = f"must be {height} x {width}" if augmentation.shape else "must be a square number"
        raise ArgumentError("pixels", pixels, constraint, "Give the images' (height, width) as `shape`")
    return height, width


def _check_strength(name: str, value: Any, most: int | float) -> None:
    """Refuse what is neither None nor one number in the domain."""
    if value is None:
        return
    if not is_number(value):
        raise ArgumentError(name, value, "must be one number, or None", "Sweep it to have several")
    domain = Domain(0, most, "[]" if name in _REACHED else "[)")
    domain.check(name, value, f"See Augmentation.{name}, or give None for no {name}", jnp.float32)
