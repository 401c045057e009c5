"""Animations: every frame shows its data, the GIF keeps time, and the player plays in a browser without a network."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from jaxreg.errors import ArgumentError
from jaxreg.plotting import style
from jaxreg.plotting.animation import Animation, build_player, render, save_animation

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def _make(frames=7, **settings):
    """A square whose colour and place say which frame it is, over a line that stays."""
    with style():
        figure = Figure(figsize=(1.6, 1.2), dpi=100)
        axes = figure.add_subplot()
        axes.plot([0, 10], [0, 10], color="0.5")
        axes.set(xlim=(-1, 10), ylim=(-1, 10))
        (square,) = axes.plot([], [], "s", markersize=12)

    def draw_frame(k):
        square.set_data([k], [5])
        square.set_color(_COLORS[k % len(_COLORS)])
        return [square]

    return Animation(figure, draw_frame, frames, "Squares <&> lines", **settings), square


def _center(animation, square, k):
    """Pixel of the square's centre in frame k, from the top left."""
    x, y = square.axes.transData.transform([k, 5])
    return int(x), int(animation.pixels[1] - y)


def _rgb(k):
    return tuple(round(255 * part) for part in to_rgb(_COLORS[k]))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    animation, square = _make()
    page, gif = save_animation(animation, tmp_path_factory.mktemp("deep") / "folder" / "squares")
    return animation, square, page, gif


def test_every_frame_shows_its_own_data_in_exact_colours():
    animation, square = _make()
    frames = render(animation)
    assert len(frames) == 7
    for k, frame in enumerate(frames):
        assert frame.size == animation.pixels == (160, 120)
        assert frame.convert("RGB").getpixel(_center(animation, square, k)) == _rgb(k)
        assert frame.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_frames_are_what_matplotlib_draws_in_full():
    animation, _ = _make()
    fast = np.stack([np.asarray(frame.convert("RGB"), int) for frame in render(animation)])
    canvas = FigureCanvasAgg(animation.figure)
    for k in (0, 3, 6):
        animation.draw_frame(k)
        with style():
            canvas.draw()
        whole = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
        assert abs(fast[k] - whole).max() <= 8  # shades on the edges of lines have no colour of their own
        assert (fast[k] == whole).all(-1).mean() > 0.98


def test_the_figure_is_left_as_it_was():
    animation, square = _make()
    canvas = animation.figure.canvas
    render(animation)
    assert animation.figure.canvas is canvas
    assert not square.get_animated()
    wrong = Animation(animation.figure, lambda k: [square][k:] or 1 / 0, 3, "fails at its second frame")
    with pytest.raises(ZeroDivisionError):
        render(wrong)
    assert animation.figure.canvas is canvas
    assert not square.get_animated()


def test_gif_loops_for_ever_with_every_frame_for_its_time(saved):
    animation, square, _, gif = saved
    with Image.open(gif) as film:
        assert film.n_frames == 7
        assert film.info["loop"] == 0
        for k in range(7):
            film.seek(k)
            assert film.info["duration"] == 300
            assert film.convert("RGB").getpixel(_center(animation, square, k)) == _rgb(k)


def test_page_holds_every_frame_and_needs_nothing_else(saved):
    animation, _, page, _ = saved
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=|@import|url\(|<link", text)
    assert "<title>Squares &lt;&amp;&gt; lines</title>" in text
    held = re.findall(r'^"([A-Za-z0-9+/=]+)",?$', text, re.MULTILINE)
    assert len(held) == 7
    for data, frame in zip(held, render(animation), strict=True):
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        np.testing.assert_array_equal(picture.convert("RGB"), frame.convert("RGB"))
    assert "interval = 300" in text


def test_same_animation_gives_the_same_bytes(saved, tmp_path):
    with rc_context({"font.size": 20, "savefig.dpi": 30}):
        again = save_animation(_make()[0], tmp_path / "squares")
    for path, other in zip(saved[2:], again, strict=True):
        assert path.read_bytes() == other.read_bytes()


def test_interval_is_kept_in_both(tmp_path):
    page, gif = save_animation(_make(frames=2, interval_ms=70)[0], tmp_path / "fast")
    assert "interval = 70" in page.read_text(encoding="utf-8")
    with Image.open(gif) as film:
        assert film.info["duration"] == 70


def test_a_notebook_shows_the_player(saved):
    animation, _, page, _ = saved
    shown = animation._repr_html_()
    (inside,) = re.findall(r'^<iframe srcdoc="([^"]*)" width="160" height="164"', shown)
    assert html.unescape(inside) == page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"frames": 0}, "frames"),
        ({"interval_ms": 0}, "interval_ms"),
        ({"interval_ms": 33}, "interval_ms"),
    ],
)
def test_what_no_player_can_show_is_refused_by_name(settings, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        _make(**settings)


_SCRIPT = """
<script>
const log = [], wait = time => new Promise(done => setTimeout(done, time));
const press = name => document.getElementById(name).click();
async function look(what) {
  const image = document.getElementById("frame");
  await wait(1);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = CENTERS.map(([x, y]) => Array.from(context.getImageData(x, y, 1, 1).data.slice(0, 3)));
  log.push([what, document.getElementById("number").textContent, document.getElementById("slider").value, pixels,
    document.getElementById("play").getAttribute("aria-label")]);
}
(async () => {
  await look("opened"); await wait(700); await look("untouched");
  press("play"); await wait(750); await look("played");
  press("play"); await look("paused"); await wait(900); await look("still");
  press("step"); await look("step"); press("back"); press("back"); await look("back");
  press("last"); await look("last"); press("step"); await look("beyond");
  press("first"); await look("first");
  press("last"); press("play"); await wait(150); await look("again"); await wait(450); await look("on");
  press("play"); press("loop"); press("last"); press("back"); press("play"); await wait(1500); await look("once");
  const slider = document.getElementById("slider");
  slider.value = 3; slider.dispatchEvent(new Event("input")); await look("slid");
  dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" })); await look("arrow");
  const report = document.createElement("pre");
  report.id = "report"; report.textContent = JSON.stringify(log);
  document.body.append(report);
})();
</script>
"""


def test_player_plays_pauses_and_steps_in_chromium(saved, tmp_path):
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    animation, square, page, _ = saved
    centers = [_center(animation, square, k) for k in range(7)]
    script = _SCRIPT.replace("CENTERS", json.dumps(centers))
    trial = tmp_path / "trial.html"
    trial.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'home'}"]
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    command = [browser, *options, *offline, "--virtual-time-budget=20000", "--dump-dom", trial.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="report">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    expected = {
        "opened": (0, "Play"), "untouched": (0, "Play"), "played": (2, "Pause"), "paused": (2, "Play"),
        "still": (2, "Play"), "step": (3, "Play"), "back": (1, "Play"), "last": (6, "Play"), "beyond": (6, "Play"),
        "first": (0, "Play"), "again": (0, "Pause"), "on": (2, "Pause"), "once": (6, "Play"), "slid": (3, "Play"),
        "arrow": (4, "Play"),
    }  # fmt: skip
    log = json.loads(html.unescape(found.group(1)))
    assert [what for what, *_ in log] == list(expected)
    for what, number, slider, pixels, label in log:
        frame, button = expected[what]
        assert (number, slider, label) == (f"{frame + 1} / 7", str(frame), button), what
        assert tuple(pixels[frame]) == _rgb(frame), what  # the picture itself, not only what is said about it


@pytest.mark.parametrize("interval", ["1;alert(2)", 0, 10**400, 300.0, True])
def test_a_player_takes_no_interval_that_is_no_number(interval):
    build = getattr(build_player, "__wrapped__", build_player)
    with pytest.raises(ArgumentError, match="interval_ms"):
        build([Image.new("RGB", (4, 4))], "Night", interval)
