"""Why squared error blurs: two humps, two answers, and images of digits predicted from their labels."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxreg import plotting, stats

CAPTION = (
    "What a loss makes of several right answers. (a) One sample with two humps and the densities that maximum "
    "likelihood fits to it. (b) Against the distance of the humps: the density at the centre of the fitted Gaussian "
    "relative to that at a hump, mean over n samples with its 95 % Student t interval, and the share of samples in "
    "which a mixture density, from two random values, finds both humps, with its 95 % Wilson interval. (c) Where n "
    "networks per loss predict, for a question with two answers (dashed): filled, both answers equally often right; "
    "outlined, the upper one in the share of cases given. (d) Images predicted from their label, with one real image "
    "of each class: exact class mean and median, the first decoder of each loss, the adversarial one drawn twice. (e) "
    "Gradient energy, relative to that of real images, and error of all n decoders per loss (small circles), of the "
    "exact mean and median (crosses); all on the training images."
)

_LOSSES = {
    "squared": ("squared error", plotting.COLORS.blue),
    "absolute": ("absolute error", plotting.COLORS.green),
    "mixture": ("mixture density", plotting.COLORS.orange),
    "adversarial": ("adversarial", plotting.COLORS.vermillion),
}
_STATISTICS = {"mean": plotting.COLORS.blue, "median": plotting.COLORS.green}
_SHOWN_SEPARATION = 6.0
_RANGE = 1.75  # of positions that are shown; what lies beyond is put into the last bin
_BINS = np.linspace(-_RANGE, _RANGE, 57)


def draw(dataset: xr.Dataset) -> Figure:
    """Draw samples, networks, images and decoders."""
    with plotting.page("abc;dddee", 5.6, height_ratios=(1, 1.15)) as (figure, panels):
        _draw_sample(panels["a"], dataset)
        _draw_separations(panels["b"], dataset.rename(diverged_samples="diverged"))
        _draw_answers(panels["c"], dataset.rename(diverged_networks="diverged"))
        _draw_pictures(panels["d"], dataset)
        _draw_scatter(panels["e"], dataset.rename(diverged_decoders="diverged"))
    return figure


def _draw_sample(axes: Axes, dataset: xr.Dataset) -> None:
    """The first sample at one separation, and its fits."""
    one = dataset.sel(separation=_SHOWN_SEPARATION, method="nearest").isel(sample=0)
    values = one["value"].values
    reach = float(one["separation"]) / 2 + 3.2
    x = np.linspace(-reach, reach, 401)

    def density(centre: Any, width: Any) -> Any:
        return np.exp(-(((x - float(centre)) / float(width)) ** 2) / 2) / float(width) / np.sqrt(2 * np.pi)

    parts = [float(one["mixture_weight"][k]) * density(one["mixture_mean"][k], one["mixture_width"][k]) for k in (0, 1)]
    bins = np.linspace(-reach, reach, 29).tolist()
    axes.hist(values, bins, density=True, color="0.85", label=f"sample, {values.size} values")
    axes.plot(x, density(one["gaussian_centre"], one["gaussian_width"]), color=_LOSSES["squared"][1], label="Gaussian")
    axes.plot(x, sum(parts), color=_LOSSES["mixture"][1], label="mixture of two")
    for law, loss, kind in (("gaussian", "squared", "mean (Gaussian)"), ("laplace", "absolute", "median (Laplace)")):
        look: dict[str, Any] = {"color": _LOSSES[loss][1], "clip_on": False, "label": kind, "zorder": 5}
        axes.plot(float(one[f"{law}_centre"]), 0, "v", markersize=6, **look)
    top = max(np.histogram(values, bins, density=True)[0].max(), sum(parts).max())
    axes.set(xlabel="value, in widths of a hump", ylabel="density", ylim=(0, 1.05 * top), xlim=(-reach, reach))
    axes.set_title(f"Humps {float(one['separation']):g} widths apart")
    axes.legend(loc="upper left", handlelength=1.1, borderaxespad=0.1, fontsize=6, labelspacing=0.2)


def _draw_separations(axes: Axes, dataset: xr.Dataset) -> None:
    """Density where the Gaussian lies, and how often a mixture finds both humps."""
    summary = stats.mean(dataset, "relative_density", "sample")
    label = "density at the Gaussian's centre\nover that at a hump"
    plotting.band(axes, "separation", summary, color=_LOSSES["squared"][1], marker="o", markersize=3, label=label)
    found = stats.proportion(dataset, "both_found", "sample")
    label = "mixture finds both humps\n(share of samples)"
    plotting.band(axes, "separation", found, color=_LOSSES["mixture"][1], marker="s", markersize=3, label=label)
    axes.set(xlabel=f"distance of humps, in widths\n{plotting.count_runs(summary, 'samples')}", ylim=(0, 1.2))
    axes.set(title="Between the humps", yticks=[0, 0.5, 1], xticks=[0, 2, 4, 6, 8])
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="upper left", borderaxespad=0.1, fontsize=6)


def _draw_answers(axes: Axes, dataset: xr.Dataset) -> None:
    """Histograms of predictions, one row for each loss."""
    shares = dataset["upper_share"].values
    for row, (loss, (_, color)) in enumerate(reversed(_LOSSES.items())):
        for share in shares[:2]:
            runs = dataset.sel(upper_share=share, loss=loss)
            runs = runs.isel(network=np.flatnonzero(~runs["diverged"].values))
            heights = np.histogram(np.clip(runs["position"], -_RANGE, _RANGE), _BINS)[0]
            heights = row + 0.72 * heights / max(heights.max(), 1)
            if share == shares[0]:
                axes.stairs(heights, _BINS, baseline=row, fill=True, color=color, alpha=0.55)
            else:
                axes.stairs(heights, _BINS, baseline=None, color="black", linewidth=0.8)
    for place in (-1, 1):
        axes.axvline(place, color="0.4", linewidth=0.7, linestyle="--", zorder=0)
    n = plotting.count_runs(stats.mean(dataset, "near", "network"), "networks")
    shown = "" if len(shares) < 2 else f"\noutlined: upper one {100 * shares[1]:.0f} %"
    axes.set(xlim=(-_RANGE, _RANGE), ylim=(0, 3.9), xticks=[-1, 0, 1])
    names = [name.replace(" ", "\n") for name, _ in reversed(_LOSSES.values())]
    axes.set_yticks(np.arange(len(names)) + 0.35, names)
    axes.tick_params(axis="y", length=0)
    axes.set_xticklabels(["lower\nanswer", "middle", "upper\nanswer"])
    axes.set_xlabel(f"{n}{shown}", fontsize=7)
    axes.set_title("Two answers")
    axes.spines["left"].set_visible(False)


def _draw_pictures(axes: Axes, dataset: xr.Dataset) -> None:
    """Rows of images, one column for each class."""
    decoded = dataset["image"].isel(decoder=0)
    rows = {
        "real": dataset["example"],
        "class mean": dataset["best"].sel(statistic="mean"),
        "squared error": decoded.sel(decoder_loss="squared").isel(image_draw=0),
        "class median": dataset["best"].sel(statistic="median"),
        "absolute error": decoded.sel(decoder_loss="absolute").isel(image_draw=0),
    }
    adversarial = decoded.sel(decoder_loss="adversarial")
    for place in range(min(2, dataset.sizes["image_draw"])):
        rows[f"adversarial {place + 1}"] = adversarial.isel(image_draw=place)
    height, width = dataset.sizes["row"], dataset.sizes["column"]
    gap = max(1, height // 8)
    images = [image.transpose("class", "row", "column").values for image in rows.values()]
    tiles = [np.pad(image, ((0, 0), (0, gap), (0, gap))) for image in images]
    sheet = np.concatenate([np.concatenate(list(tile), axis=1) for tile in tiles])
    axes.imshow(sheet[:-gap, :-gap], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks([k * (height + gap) + height / 2 - 0.5 for k in range(len(rows))], list(rows))
    classes = dataset["class"].values
    axes.set_xticks([k * (width + gap) + width / 2 - 0.5 for k in range(len(classes))], [str(c) for c in classes])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{dataset.attrs['title']}: the label's image, n = {int(dataset['count'].sum()):,}")


def _draw_scatter(axes: Axes, dataset: xr.Dataset) -> None:
    """Energy against PSNR."""
    real = float(dataset["data_energy"])
    for loss, (name, color) in _LOSSES.items():
        if loss not in dataset["decoder_loss"].values:
            continue
        runs = dataset.sel(decoder_loss=loss)
        runs = runs.isel(decoder=np.flatnonzero(~runs["diverged"].values))
        look: dict[str, Any] = {"color": color, "markersize": 6, "markerfacecolor": "none", "label": name}
        axes.plot(runs["psnr"], runs["energy"] / real, "o", **look)
    for statistic, color in _STATISTICS.items():
        best = dataset.sel(statistic=statistic)
        place = (float(best["best_psnr"]), float(best["best_energy"]) / real)
        axes.plot(*place, "x", color="black", markersize=4, markeredgewidth=1, zorder=5)
        look = {"textcoords": "offset points", "fontsize": 7, "ha": "right"}
        axes.annotate(f"class {statistic}", place, (-7, 4), color=color, **look)
    axes.axhline(1, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.annotate("real images", (0.99, 1), (0, 2), xycoords=("axes fraction", "data"), **look)
    axes.set_ylim(0, 1.1 * max(1.0, float((dataset["energy"] / real).max())))
    axes.margins(x=0.15)
    n = plotting.count_runs(stats.mean(dataset, "psnr", "decoder"), "decoders")
    axes.set(xlabel=f"PSNR, dB\n{n}", ylabel="gradient energy", title="Sharpness and error")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="upper right", borderaxespad=0.1)
