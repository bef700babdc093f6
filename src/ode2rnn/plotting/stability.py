"""Pictures of stability: characteristic roots and multipliers in their planes, charts over two parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode2rnn.analysis.spectra.spectrum import characteristic_roots, discrete_roots, resting
from ode2rnn.analysis.spectra.stability import StabilityChart, stability_chart
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.discrete.schemes import discretize
from ode2rnn.plotting.axes import COLOURS, MARKS, add_legend, new_axes, plot_plane

WIDEST = 3.0  # the colours end at this many times the spread of nine tenths of the values


def plot_roots(
    model: AdditiveModel, dt: float | None = None, scheme: str = "backward_euler", count: int = 12, at: Any = None
) -> Any:
    """The rightmost characteristic roots of a model; with a step, beside them the multipliers of its samples.

    The roots themselves are taken to the z-plane by e^(lambda dT): where the multipliers should be.

    Returns:
        The figure.
    """
    rest = resting(model, at)
    roots = characteristic_roots(model, rest, count)
    figure, axes = new_axes(11 if dt else 6, 5, 1, 2 if dt else 1, squeeze=False)
    ax = plot_plane(axes[0, 0], {"characteristic roots": roots}, "s")
    ax.set_title(f"equation: growth {roots[0].real:.4g} per unit of time")
    if dt:
        sampled = discrete_roots(discretize(model, dt, scheme), rest)
        points = {r"$e^{\lambda dT}$": np.exp(dt * roots), f"{scheme}": sampled}
        other = plot_plane(axes[0, 1], points, "z")
        other.set_title(f"samples, dT = {dt:g}: largest |z| = {abs(sampled[0]):.4g}")
        add_legend(other, loc="upper right")
    return figure


def plot_multipliers(ax: Axes, dts: np.ndarray, multipliers: Mapping[str, np.ndarray]) -> Axes:
    """Multipliers (K, L) of each scheme in the z-plane, larger marks for larger steps.

    Args:
        ax: the axes.
        dts: steps (K,).
        multipliers: by scheme; NaN for those that there are not.
    """
    plot_plane(ax, {}, "z")
    sizes = 12 + 60 * np.log(dts / dts.min() + 1e-12).clip(0) / max(np.log(dts.max() / dts.min()), 1e-12)
    for k, (label, rows) in enumerate(multipliers.items()):
        z = rows.ravel()
        size = np.repeat(sizes, rows.shape[1])
        seen = np.isfinite(z)
        ax.scatter(
            z.real[seen], z.imag[seen], size[seen], marker=MARKS[k % len(MARKS)], facecolors="none",
            edgecolors=COLOURS[k % len(COLOURS)], linewidths=1.2, label=label,
        )  # fmt: skip
    ax.set_title("Leading multipliers; larger marks, larger dT")
    return ax


def plot_stability_chart(ax: Axes, chart: StabilityChart | AdditiveModel, *args: Any, **kwargs: Any) -> Axes:
    """A chart as colours, blue where it is stable, and its boundary as a line.

    Args:
        ax: the axes.
        chart: a StabilityChart; or a model, with the other arguments of :func:`stability_chart`.
    """
    if not isinstance(chart, StabilityChart):
        chart = stability_chart(chart, *args, **kwargs)
    values = np.ma.masked_invalid(chart.values.T - chart.limit)
    spread = float(np.quantile(np.abs(values.compressed()), 0.9)) if values.count() else 1.0
    scale = WIDEST / 2 * max(spread, 1e-12)
    mesh = ax.pcolormesh(
        chart.first, chart.second, values, cmap="RdBu_r", vmin=-scale, vmax=scale, shading="nearest", rasterized=True
    )
    assert ax.figure is not None
    outside = "both" if values.count() and np.abs(values).max() > scale else "neither"
    what = "largest |z| - 1" if chart.scheme else "largest real part, per unit of time"
    ax.figure.colorbar(mesh, ax=ax, extend=outside, label=what)
    if min(chart.values.shape) > 1 and values.count() and values.min() < 0 < values.max():
        ax.contour(chart.first, chart.second, values, levels=[0.0], colors="black", linewidths=1.6)
    ax.set_xlabel(chart.names[0])
    ax.set_ylabel(chart.names[1])
    ax.grid(False)
    if chart.unknown:
        ax.set_facecolor("0.8")
        ax.text(0.02, 0.02, f"grey: no equilibrium ({chart.unknown} points)", transform=ax.transAxes, fontsize=9)
    kind = f"samples, {chart.scheme}" if chart.scheme else "equation"
    ax.set_title(f"{kind}: blue is stable, the line is the boundary")
    return ax
