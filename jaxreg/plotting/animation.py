"""Animations: frames drawn once, played by a page that needs no network or by a notebook, exported as a looping GIF."""

import base64
import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from jaxreg.checks import check_integer, check_kind
from jaxreg.errors import ArgumentError

from .files import name_files
from .looks import style

CONTROLS_HEIGHT = 44
"""Height in pixels of the player's buttons, below the picture."""

_COLORS = 255  # of 256 in a GIF, where one more says what has not changed
_PLACES = np.array([65536, 256, 1], np.uint32)  # of red, green and blue in one number
_PARTS = 64  # that colours are looked up in, to save memory
_SAMPLES = 8  # frames that the palette is taken from
_TICK_MS = 10  # unit of time in a GIF


@dataclasses.dataclass(frozen=True)
class Animation:
    """A figure, and how its moving parts change from frame to frame.

    As the last line of a notebook's cell it shows its player, with buttons to play, pause and step.

    Args:
        figure: with everything that stays as it is.
        draw_frame: from the number of a frame, 0 … frames - 1, to the artists that move, the same ones every time, set
            to that frame. What a frame shows depends on its number alone.
        frames: how many.
        title: what the animation shows, in one line.
        interval_ms: time from one frame to the next, in milliseconds; a multiple of 10, as a GIF counts.

    Raises:
        ArgumentError: no frame, or an interval that a GIF cannot keep.

    >>> figure = Figure(figsize=(2, 1), dpi=50)
    >>> (ball,) = figure.add_subplot().plot([0], [0], "o")
    >>> def draw_frame(k):
    ...     ball.set_data([k / 10], [0])
    ...     return [ball]
    >>> animation = Animation(figure, draw_frame, frames=3, title="A ball")
    >>> [frame.size for frame in render(animation)]
    [(100, 50), (100, 50), (100, 50)]
    """

    figure: Figure
    draw_frame: Callable[[int], Iterable[Artist]]
    frames: int
    title: str
    interval_ms: int = 300

    def __post_init__(self) -> None:
        """Refuse what no player can show."""
        check_kind("figure", self.figure, Figure, "Give matplotlib's Figure")
        if not callable(self.draw_frame):
            raise ArgumentError("draw_frame", self.draw_frame, "must be a function of a number", "Return what moves")
        check_integer("frames", self.frames, 1, 100_000, "Draw at least one frame")
        check_kind("title", self.title, str, "Say in one line what is shown")
        _check_interval(self.interval_ms)
        if self.interval_ms % _TICK_MS:
            constraint = f"must be a multiple of {_TICK_MS}, the unit of time in a GIF"
            raise ArgumentError("interval_ms", self.interval_ms, constraint, "Round it")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the frames."""
        width, height = self.figure.bbox.size
        return int(width), int(height)

    def _repr_html_(self) -> str:
        """The player in a frame of its own, as a notebook shows it."""
        frames = render(self)
        page = escape(build_player(frames, self.title, self.interval_ms))
        width, height = self.pixels
        size = f'width="{width}" height="{height + CONTROLS_HEIGHT}"'
        return f'<iframe srcdoc="{page}" {size} style="border: 0" title="{escape(self.title)}"></iframe>'


def render(animation: Animation) -> list[Image.Image]:
    """Every frame as a picture, in one palette.

    What stays as it is, is drawn once, the layout included; matplotlib's own writers draw the whole figure for every
    frame, and again for every format.

    Args:
        animation: its figure's size and dots per inch give the size of the pictures.

    Returns:
        The frames, in order.

    Raises:
        ArgumentError: what is no animation.

    >>> figure = Figure(figsize=(2, 1), dpi=50)
    >>> line = figure.add_subplot().axvline(0)
    >>> def draw_frame(k):
    ...     line.set_xdata([k, k])
    ...     return [line]
    >>> len(render(Animation(figure, draw_frame, frames=2, title="A line")))
    2
    """
    check_kind("animation", animation, Animation, "Give plotting.Animation(...)")
    drawn = [pixels.astype(np.uint32) @ _PLACES for pixels in _draw(animation)]
    palette = _choose_palette(drawn)
    seen = np.zeros(256**3, bool)
    for frame in drawn:
        seen[frame] = True
    number = np.zeros(256**3, np.uint8)
    for colors in np.array_split(np.flatnonzero(seen), _PARTS):
        number[colors] = _find_nearest(colors, palette)
    return [_paint(number[frame], palette) for frame in drawn]


def _check_interval(interval_ms: Any) -> None:
    check_integer("interval_ms", interval_ms, _TICK_MS, 60_000, "Give milliseconds, such as 300")


def _choose_palette(drawn: Sequence[np.ndarray]) -> np.ndarray:
    """The most frequent colours: areas keep theirs exactly, and the edges of lines get the nearest."""
    chosen = sorted(set(np.linspace(0, len(drawn) - 1, _SAMPLES).round().astype(int).tolist()))
    colors, counts = np.unique(np.stack([drawn[k] for k in chosen]), return_counts=True)
    return colors[np.argsort(-counts, kind="stable")[:_COLORS]]


def _find_nearest(colors: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The palette's number of the colour nearest to each of `colors`.

    Pillow's own search is coarse: it takes white for any of its neighbours.
    """
    distance = _unpack(colors)[:, None] - _unpack(palette)
    return (distance**2).sum(-1).argmin(-1)


def _unpack(colors: np.ndarray) -> np.ndarray:
    """Red, green and blue of packed colours, along a new last axis."""
    return (colors[..., None] // _PLACES % 256).astype(np.int32)


def _paint(numbers: np.ndarray, palette: np.ndarray) -> Image.Image:
    picture = Image.fromarray(numbers)
    picture.putpalette(_unpack(palette).astype(np.uint8).tobytes())
    return picture


def _draw(animation: Animation) -> Iterator[np.ndarray]:
    """The pixels (height, width, 3) of every frame."""
    figure, shown = animation.figure, animation.figure.canvas
    canvas = FigureCanvasAgg(figure)  # which takes the place of the one that the figure may be shown on
    with style():
        moving = list(animation.draw_frame(0))
        for artist in moving:
            artist.set_animated(True)
        try:
            canvas.draw()
            background = canvas.copy_from_bbox(figure.bbox)
            for number in range(animation.frames):
                canvas.restore_region(background)
                for artist in sorted(animation.draw_frame(number), key=lambda artist: artist.get_zorder()):
                    figure.draw_artist(artist)
                yield np.asarray(canvas.buffer_rgba())[..., :3].copy()
        finally:
            for artist in moving:
                artist.set_animated(False)
            figure.set_canvas(shown)


def save_animation(animation: Animation, path_stem: str | Path) -> tuple[Path, Path]:
    """Write an animation as `<path_stem>.html`, a page that plays it, and `<path_stem>.gif`, which loops for ever.

    The page holds its frames and needs neither network nor other files. In the GIF, equal neighbours are one frame that
    lasts as long as they. The same animation with the same versions of
    matplotlib and Pillow gives the same bytes. Missing folders are made.

    Args:
        animation: what to write.
        path_stem: path without its ending, as `"output/descent"`.

    Returns:
        The paths of the page and of the GIF.

    Raises:
        ArgumentError: what is no animation, or a path that cannot be written.

    >>> import tempfile
    >>> animation = Animation(Figure(figsize=(1, 1), dpi=50), lambda k: [], frames=2, title="Nothing")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in save_animation(animation, f"{folder}/nothing")]
    ['nothing.html', 'nothing.gif']
    """
    check_kind("animation", animation, Animation, "Give plotting.Animation(...)")
    with name_files(path_stem, "html", "gif") as (page, gif):
        frames = render(animation)
        page.write_text(build_player(frames, animation.title, animation.interval_ms), encoding="utf-8")
        frames[0].save(gif, save_all=True, append_images=frames[1:], duration=animation.interval_ms, loop=0)
    return page, gif


def build_player(frames: Sequence[Image.Image], title: str, interval_ms: int) -> str:
    """A page with buttons to play, pause and step through pictures, which it holds.

    It stands still until it is told to play. matplotlib's player would fetch the signs on its buttons from elsewhere,
    and turn 300 ms into 299.

    Args:
        frames: pictures of one size.
        title: what they show.
        interval_ms: time from one to the next, in milliseconds.

    Raises:
        ArgumentError: no picture, pictures of several sizes, a title that is no text, or an interval that is no number.

    >>> page = build_player([Image.new("RGB", (40, 30))], "Night", 300)
    >>> "https" in page, "<title>Night</title>" in page
    (False, True)
    """
    if not isinstance(frames, list | tuple) or not all(isinstance(frame, Image.Image) for frame in frames):
        raise ArgumentError("frames", frames, "must be a list of pictures", "Give what plotting.render returns")
    if len({frame.size for frame in frames}) != 1:
        raise ArgumentError("frames", frames, "must be one or more pictures of one size", "Render them from one figure")
    check_kind("title", title, str, "Say in one line what is shown")
    _check_interval(interval_ms)
    template = Template(Path(__file__).with_name("player.html").read_text(encoding="utf-8"))
    width, height = frames[0].size
    return template.substitute(
        title=escape(title),
        width=width,
        height=height,
        last=len(frames) - 1,
        interval=interval_ms,
        frames=",\n".join(f'"{_encode(frame)}"' for frame in frames),
    )


def _encode(frame: Image.Image) -> str:
    file = io.BytesIO()
    frame.save(file, "png")
    return base64.b64encode(file.getvalue()).decode("ascii")
