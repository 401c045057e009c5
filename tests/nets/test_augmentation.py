"""Augmentation against SciPy and NumPy, its laws by their statistics, and what strength 0 must not change."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxreg import randomness
from jaxreg.errors import ArgumentError
from jaxreg.nets import augmentation
from jaxreg.nets.augmentation import Augmentation, augment, resample

_SIDE = 28
_ALL = {
    "shift": 2.0,
    "rotation": 20.0,
    "scale": 0.2,
    "shear": 15.0,
    "flip": 0.5,
    "noise": 0.1,
    "erasing": 0.5,
    "elastic": 1.0,
}
_run = jax.jit(augment)  # compiled, as training runs it
_GATHER = r"\b(dynamic_)?(gather|scatter)\"?\("
_LIMITS = {"rotation": 45, "shear": 45, "flip": 1, "erasing": 1}


def _images(count=16, shape=(_SIDE, _SIDE), smooth=0.0, seed=0):
    images = np.random.default_rng(seed).random((count, *shape))
    if smooth:
        images = ndimage.gaussian_filter(images, (0, smooth, smooth))
        images /= images.std()
    return images.reshape(count, -1).astype(np.float32)


def _bytes(array):
    return np.asarray(array).tobytes()


def _draws(seed, count, step=0):
    key = randomness.split(jax.random.key(seed), "image")["image"]
    return {name: np.asarray(u, float) for name, u in augmentation._draw(key, count, step, jnp.float32).items()}


def _maps(seed, count, step=0, **strengths):
    """Matrix and shift, from the centre of the result to that of the source, of each image: the definition."""
    unit = _draws(seed, count, step)
    names = {"rotation": "rotation", "shear": "shear", "height": "scale", "width": "scale"}
    names |= {"down": "shift", "across": "shift"}
    value = {draw: strengths.get(kind, 0.0) * (2 * unit[draw] - 1) for draw, kind in names.items()}
    for i in range(count):
        turn, shear = np.deg2rad([value["rotation"][i], value["shear"][i]])
        rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        slant = np.array([[1, -np.sin(shear)], [0, np.cos(shear)]])
        matrix = rotate @ slant @ np.diag([1 + value["height"][i], 1 + value["width"][i]])
        yield matrix, rotate @ np.array([value["down"][i], value["across"][i]])


def _scipy(images, shape, maps):
    centre = (np.array(shape) - 1) / 2
    moved = [
        ndimage.affine_transform(x.reshape(shape), m, centre + t - m @ centre, order=1, mode="grid-constant")
        for x, (m, t) in zip(images, maps, strict=True)
    ]
    return np.stack(moved).reshape(images.shape)


# --- Strength 0, and what is off -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [*((kind,) for kind in _ALL), tuple(_ALL)])
def test_strength_zero_gives_the_very_bytes(kinds):
    images = _images(shape=(9, 9)) - 0.5
    run = jax.jit(lambda zero: augment(jax.random.key(0), images, Augmentation(**dict.fromkeys(kinds, zero))))
    assert _bytes(run(jnp.float32(0))) == _bytes(images)


@pytest.mark.parametrize("kind", _ALL)
def test_every_kind_changes_images(kind):
    images = _images(shape=(9, 9))
    assert not (_run(jax.random.key(0), images, Augmentation(**{kind: _ALL[kind]})) == images).all()


def test_all_off_is_no_program():
    program = jax.make_jaxpr(lambda key, x: augment(key, x, Augmentation()))(jax.random.key(0), jnp.ones((2, 9)))
    assert not program.eqns


def test_a_kind_of_strength_zero_changes_nothing_for_the_others():
    images = _images(shape=(9, 9))
    for off in ("rotation", "flip", "erasing"):
        without = _run(jax.random.key(0), images, Augmentation(**{k: s for k, s in _ALL.items() if k != off}))
        with_zero = _run(jax.random.key(0), images, Augmentation(**(_ALL | {off: 0.0})))
        assert _bytes(without) == _bytes(with_zero), off


# --- The map ---------------------------------------------------------------------------------------------------------


def test_resample_is_linear_interpolation_with_zeros_outside():
    rng = np.random.default_rng(1)
    for size in (1, 2, 5, 8):
        lines = rng.normal(size=(size, 3, 4)).astype(np.float32)
        positions = rng.uniform(-size - 2, 2 * size + 2, lines.shape).astype(np.float32)
        got = jax.jit(resample)(jnp.asarray(lines), jnp.asarray(positions))
        grid = np.arange(-1, size + 1)
        for other, image in np.ndindex(3, 4):
            padded = np.pad(lines[:, other, image], 1)
            expected = np.interp(positions[:, other, image], grid, padded)
            np.testing.assert_allclose(got[:, other, image], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(28, 28), (7, 12), (12, 7)])
@pytest.mark.parametrize("kinds", [("shift",), ("shift", "scale", "shear")])
def test_without_a_turn_it_is_scipys_bilinear_interpolation(shape, kinds):
    images, strengths = _images(shape=shape), {kind: _ALL[kind] for kind in kinds}
    got = _run(jax.random.key(3), jnp.asarray(images), Augmentation(**strengths, shape=shape), 5)
    expected = _scipy(images, shape, _maps(3, len(images), 5, **strengths))
    np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize(("rotation", "atol"), [(3.0, 0.01), (10.0, 0.04), (30.0, 0.8)])
def test_turned_smooth_images_are_close_to_scipys(rotation, atol):
    images = _images(smooth=2.0)  # standard deviation 1
    strengths = {"shift": 2.0, "rotation": rotation, "scale": 0.1, "shear": rotation}
    got = _run(jax.random.key(4), jnp.asarray(images), Augmentation(**strengths))
    expected = _scipy(images, (_SIDE, _SIDE), _maps(4, len(images), **strengths))
    inside = np.s_[:, 4:-4, 4:-4]
    got, expected = (np.asarray(a).reshape(-1, _SIDE, _SIDE)[inside] for a in (got, expected))
    assert abs(got - expected).max() < atol
    unmoved = images.reshape(-1, _SIDE, _SIDE)[inside]
    assert abs(unmoved - expected).max() > 3 * atol  # so that the tolerance can fail


def test_ramps_show_the_map_itself():
    # Linear interpolation keeps a ramp: each pixel of the result tells where it comes from.
    count, strengths = 24, {k: _ALL[k] for k in ("shift", "rotation", "scale", "shear")}
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    centre = (_SIDE - 1) / 2
    came = [_run(jax.random.key(5), jnp.tile(ramp.ravel(), (count, 1)), Augmentation(**strengths)) for ramp in (y, x)]
    places = np.stack([(y - centre).ravel(), (x - centre).ravel()])
    middle = (abs(places) < 6).all(0)
    for i, (matrix, shift) in enumerate(_maps(5, count, **strengths)):
        expected = matrix @ places + (shift + centre)[:, None]
        got = np.stack([np.asarray(part[i]) for part in came])
        np.testing.assert_allclose(got[:, middle], expected[:, middle], atol=1e-4)


def test_moves_by_whole_pixels_are_exact():
    images = jnp.asarray(_images(count=4))
    down, across = np.array([0, 3, -5, 40]), np.array([0, -2, 7, 1])
    one, none = np.ones(4), np.zeros(4)
    coefficients = jnp.asarray([[one, none, across], [one, none, down]], jnp.float32)
    got = np.asarray(augmentation._move(images, (_SIDE, _SIDE), coefficients, None, 4.0)).reshape(-1, _SIDE, _SIDE)
    for i, image in enumerate(np.asarray(images).reshape(-1, _SIDE, _SIDE)):
        padded = np.pad(image, 50)
        top, left = 50 + down[i], 50 + across[i]
        assert (got[i] == padded[top : top + _SIDE, left : left + _SIDE]).all()


def test_a_bar_turns_by_the_drawn_angle_and_keeps_its_mass():
    y, x = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    bar = np.exp(-((x / 7) ** 4) - (y / 2) ** 2).astype(np.float32)
    count = 20
    moved = _run(jax.random.key(6), jnp.tile(bar.ravel(), (count, 1)), Augmentation(rotation=40.0))
    angle = 40 * (2 * _draws(6, count)["rotation"] - 1)
    assert abs(angle).max() > 30
    for image, expected in zip(np.asarray(moved, float).reshape(-1, _SIDE, _SIDE), angle, strict=True):
        assert abs(image.sum() / bar.sum() - 1) < 0.01
        moments = [(image * product).sum() for product in (x * x, y * y, x * y)]
        measured = np.rad2deg(0.5 * math.atan2(2 * moments[2], moments[0] - moments[1]))
        assert abs(measured - expected) < 0.6  # from across to down, as in the formula


def test_a_spot_moves_against_the_shift_and_no_further_than_it():
    y, x = np.mgrid[:_SIDE, :_SIDE]
    spot = np.exp(-((x - 13.5) ** 2 + (y - 13.5) ** 2) / 4).astype(np.float32)
    count = 2000
    moved = _run(jax.random.key(7), jnp.tile(spot.ravel(), (count, 1)), Augmentation(shift=4.0))
    moved = np.asarray(moved, float).reshape(-1, _SIDE, _SIDE)
    for axis in (y, x):
        centroid = (moved * axis).sum((1, 2)) / moved.sum((1, 2)) - 13.5
        assert abs(centroid).max() < 4.01
        assert stats.kstest(centroid, stats.uniform(-4, 8).cdf).pvalue > 1e-3


def test_flip_mirrors_its_share_of_images_exactly():
    images = _images(count=1000, shape=(4, 6))
    mirrored = images.reshape(-1, 4, 6)[:, :, ::-1].reshape(images.shape)
    settings = {"shape": (4, 6)}
    assert (_run(jax.random.key(0), images, Augmentation(flip=1.0, **settings)) == mirrored).all()
    got = np.asarray(_run(jax.random.key(0), images, Augmentation(flip=0.3, **settings)))
    is_mirrored = (got == mirrored).all(1)
    assert (is_mirrored | (got == images).all(1)).all()
    assert abs(is_mirrored.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 1000)


# --- Elastic displacement, noise, erasing ----------------------------------------------------------------------------


@pytest.mark.parametrize("smoothness", [2.0, 4.0])
def test_elastic_displacements_have_the_stated_covariance(smoothness):
    count, elastic = 1500, 0.7
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    kind, middle = Augmentation(elastic=elastic, smoothness=smoothness), np.s_[:, 7:21, 7:21]
    fields = []
    for ramp in (y, x):
        moved = np.asarray(_run(jax.random.key(8), jnp.tile(ramp.ravel(), (count, 1)), kind), float)
        fields.append((moved.reshape(-1, _SIDE, _SIDE) - ramp)[middle])
    down, across = fields
    for field in fields:
        assert abs(field.mean()) < 0.05
        for lag in (0, 3, 7):
            expected = math.exp(-(lag**2) / (4 * smoothness**2))
            for one, other in (
                (field[:, lag:], field[:, : 14 - lag]),
                (field[:, :, lag:], field[:, :, : 14 - lag]),
            ):
                assert abs((one * other).mean() / elastic**2 - expected) < 0.06
    assert abs((down * across).mean()) < 0.03
    assert stats.kurtosis(down[:, 7, 7]) < 0.6


def test_noise_is_normal_and_new_for_every_pixel_and_step():
    images = jnp.full((64, 49), 0.25)
    first, second = (
        np.asarray(_run(jax.random.key(9), images, Augmentation(noise=0.5), step), float) - 0.25 for step in (0, 1)
    )
    z = np.concatenate([first, second]).ravel() / 0.5
    assert stats.kstest(z, stats.norm.cdf).pvalue > 1e-3
    for lag in (1, 49, 64 * 49):
        assert abs((z[lag:] * z[:-lag]).sum()) / np.sqrt(z.size - lag) < 4


def test_erased_boxes_have_the_sides_of_the_paper():
    height, width, count = 20, 30, 4000
    images = jnp.ones((count, height * width))
    got = np.asarray(_run(jax.random.key(10), images, Augmentation(erasing=0.6, shape=(height, width))))
    erased = got.reshape(-1, height, width) == 0
    hit = erased.any((1, 2))
    assert abs(hit.mean() - 0.6) < 4 * np.sqrt(0.24 / count)
    down, across = erased.any(2)[hit], erased.any(1)[hit]
    assert (erased[hit] == down[:, :, None] & across[:, None]).all()
    assert (abs(np.diff(down, axis=1)).sum(1) <= 2).all()
    rng = np.random.default_rng(0)
    area, aspect = rng.uniform(0.02, 0.4, 100_000) * height * width, rng.uniform(0.3, 1 / 0.3, 100_000)
    sides = np.minimum(np.sqrt(area * aspect).round(), height), np.minimum(np.sqrt(area / aspect).round(), width)
    for got_sides, expected in ((down.sum(1), sides[0]), (across.sum(1), sides[1])):
        error = expected.std() / np.sqrt(hit.sum())
        assert abs(got_sides.mean() - expected.mean()) < 4 * error
        assert abs(got_sides.std() / expected.std() - 1) < 0.08
    # A box of height h starts in each of the height - h + 1 rows with the same probability.
    start, free = down.argmax(1), height - down.sum(1)
    share = ((start + 0.5) / (free + 1))[free > 5]
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(share))
    assert (start[free > 5] == 0).any()
    assert (start == free)[free > 5].any()


# --- Keys, steps, populations, programs ------------------------------------------------------------------------------


def test_steps_differ_and_a_traced_step_is_the_same():
    images, kinds = _images(shape=(9, 9)), Augmentation(**_ALL)
    steps = [_run(jax.random.key(0), images, kinds, step) for step in range(3)]
    _, scanned = jax.lax.scan(lambda _, step: (None, _run(jax.random.key(0), images, kinds, step)), None, jnp.arange(3))
    np.testing.assert_allclose(scanned, jnp.stack(steps), atol=1e-5)
    assert not (steps[0] == steps[1]).all()
    assert not (steps[0] == _run(jax.random.key(1), images, kinds)).all()


def test_draws_are_uniform_and_independent_between_images_kinds_and_steps():
    draws = np.stack([np.stack(list(_draws(2, 200, step).values())) for step in range(20)])
    assert stats.kstest(draws.ravel(), stats.uniform.cdf).pvalue > 1e-3
    centred = (draws - 0.5) * np.sqrt(12)
    for axis in range(3):
        one, other = np.split(np.moveaxis(centred, axis, 0)[: draws.shape[axis] // 2 * 2], 2)
        assert abs((one * other).sum()) / np.sqrt(one.size) < 4


def test_a_member_alone_is_the_member_in_the_population():
    images, keys = jnp.asarray(_images(count=8, shape=(9, 9))), jax.random.split(jax.random.key(0), 3)
    strengths = {kind: jnp.asarray([0.0, most / 2, most], jnp.float32) for kind, most in _ALL.items()}

    @jax.jit
    def run(key, strengths):
        return augment(key, images, Augmentation(**strengths))

    together = jax.vmap(run)(keys, strengths)
    for i, key in enumerate(keys):
        alone = run(key, {kind: value[i] for kind, value in strengths.items()})
        np.testing.assert_allclose(together[i], alone, atol=1e-5)
    assert _bytes(together[0]) == _bytes(images)


def test_it_lowers_everywhere_and_gathers_nothing():
    run = jax.jit(lambda key, x, kinds, step: augment(key, x, kinds, step))
    kinds = Augmentation(**{kind: jnp.float32(value) for kind, value in _ALL.items()})
    arguments = (jax.random.key(0), jnp.ones((32, 784)), kinds, jnp.int32(0))
    strengths = jax.tree.leaves(kinds)

    def plain(words, x, *strengths):
        return augment(jax.random.wrap_key_data(words), x, Augmentation(*strengths))

    exported = jax.export.export(jax.jit(plain), platforms=("cpu", "cuda", "tpu"))(
        jax.random.key_data(arguments[0]), arguments[1], *strengths
    )
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    lowered = run.lower(*arguments)
    for text in (lowered.as_text(), lowered.compile().as_text(), exported.mlir_module()):
        assert not re.search(_GATHER, text)
    taken = jax.jit(lambda x, i: x[i]).lower(jnp.ones(9), jnp.arange(3))
    for text in (taken.as_text(), taken.compile().as_text()):
        assert re.search(_GATHER, text)  # so that the search can find something


def test_precision_of_the_images_is_kept():
    images = _images(shape=(9, 9))
    for dtype in (jnp.float16, jnp.bfloat16):
        got = _run(jax.random.key(0), jnp.asarray(images, dtype), Augmentation(**_ALL))
        assert got.dtype == dtype
        full = _run(jax.random.key(0), jnp.asarray(images, dtype).astype(jnp.float32), Augmentation(**_ALL))
        assert (got == full.astype(dtype)).all()
    with jax.enable_x64(True):
        got = _run(jax.random.key(0), jnp.asarray(images, jnp.float64), Augmentation(**_ALL))
        assert got.dtype == jnp.float64
        np.testing.assert_allclose(got, _run(jax.random.key(0), images, Augmentation(**_ALL)), atol=1e-3)


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", _ALL)
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 46.0, 1.1, 1.0])
def test_strengths_outside_their_domain_are_refused(kind, value):
    fine = {46.0: ("shift", "noise", "elastic"), 1.1: ("shift", "noise", "elastic", "rotation", "shear")}
    fine[1.0] = tuple(set(_ALL) - {"scale"})
    if isinstance(value, float) and kind in fine.get(value, ()):
        assert getattr(Augmentation(**{kind: value}), kind) == value
    else:
        with pytest.raises(ArgumentError, match=f"^{kind} = "):
            Augmentation(**{kind: value})


@pytest.mark.parametrize("step", [2**31, 2**32 - 1])
def test_steps_have_32_bits(step):
    images = np.linspace(0, 1, 18, dtype=np.float32).reshape(2, 9)
    numbers = (step, jnp.uint32(step))
    one, other = (augment(jax.random.key(0), images, Augmentation(shift=1.0), step=number) for number in numbers)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("value", ["much", True, np.ones(2)])
def test_strengths_that_are_not_one_number_are_refused(value):
    # Called by itself, because the tests' own checks of types come before it.
    with pytest.raises(ArgumentError, match=r"^shift = .*: must be one number, or None"):
        augmentation._check_strength("shift", value, math.inf)


@pytest.mark.parametrize("kind", _ALL)
def test_traced_strengths_outside_their_domain_give_nan(kind):
    run = jax.jit(lambda value: augment(jax.random.key(0), jnp.ones((2, 9)), Augmentation(**{kind: value})))
    assert jnp.isnan(run(jnp.float32(-0.1))).all()
    assert jnp.isnan(run(jnp.float32(jnp.nan))).all()
    if kind in _LIMITS:
        assert jnp.isfinite(run(jnp.float32(_LIMITS[kind]))).all()
        assert jnp.isnan(run(jnp.float32(_LIMITS[kind] + 1))).all()


def test_images_of_another_shape_are_refused():
    with pytest.raises(
        ArgumentError, match=r"pixels = 12: must be a square number\. Give the images' \(height, width\)"
    ):
        augment(jax.random.key(0), jnp.ones((2, 12)), Augmentation(shift=1.0))
    with pytest.raises(ArgumentError, match="pixels = 12: must be 3 x 5"):
        augment(jax.random.key(0), jnp.ones((2, 12)), Augmentation(shift=1.0, shape=(3, 5)))
    for shape in ((0, 4), (4, -1)):
        with pytest.raises(ArgumentError, match=r"^shape = "):
            Augmentation(shape=shape)
    for smoothness in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ArgumentError, match=r"^smoothness = "):
            Augmentation(elastic=1.0, smoothness=smoothness)


def test_what_is_no_augmentation_is_refused_with_the_kinds_there_are():
    with pytest.raises(ArgumentError, match=r"must be an Augmentation\. Give .* shift, rotation, scale, shear, flip"):
        augmentation._read_shape({"rotation": 10.0}, 9)
