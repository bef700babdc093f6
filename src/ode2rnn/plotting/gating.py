"""Pictures of gates: where gradients go with and without them, scores against the length, gates over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ode2rnn.analysis.memory.gradient_flow import GradientFlow
from ode2rnn.plotting.axes import COLOURS, MARKS, add_legend, new_axes

DECADES = 30  # curves are drawn down to so many below the highest


def plot_flows(ax: Axes, flows: Mapping[str, GradientFlow]) -> Axes:
    """The norm of d s[n] / d s[l] against the lag, over its value at lag 0, for each network; carousels are dashed.

    Shares of the whole state: networks of different width begin at the same 1.
    """
    per = 1 / np.log(10)
    for k, (name, flow) in enumerate(flows.items()):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(flow.lags, per * (flow.log_norms - flow.log_norms[0]), color=colour, lw=1.7, label=name)
        if flow.log_carousel is not None:
            carousel = per * (flow.log_carousel - flow.log_carousel[0])
            ax.plot(flow.lags, carousel, color=colour, lw=1.1, ls="--", label=f"{name}: carousel alone")
    top = ax.dataLim.ymax
    if ax.dataLim.ymin < top - DECADES:
        ax.set_ylim(top - DECADES, top + 1)
    ax.margins(x=0.01)
    ax.set_xlabel("lag n - l")
    ax.set_ylabel(r"$\log_{10}$ ||d s[n] / d s[l]||, from 0 at lag 0")
    return ax


def plot_errors_back(ax: Axes, flows: Mapping[str, GradientFlow]) -> Axes:
    """|psi[n]| along the sequence for each network, over its largest value."""
    for k, (name, flow) in enumerate(flows.items()):
        psi = flow.psi_norms / flow.psi_norms.max(initial=np.finfo(float).tiny)
        seen = psi > 10.0**-DECADES
        ax.semilogy(np.arange(len(psi))[seen], psi[seen], color=COLOURS[k % len(COLOURS)], lw=1.4, label=name)
    ax.margins(x=0.01)
    ax.set_xlabel("sample n")
    ax.set_ylabel("|psi[n]|, over the largest")
    return ax


def draw_gradient_flows(studies: Mapping[str, Mapping[str, GradientFlow]] | Mapping[str, GradientFlow]) -> Figure:
    """Networks side by side: norms against the lag on the left, the error on its way back on the right.

    Args:
        studies: by name, what ``analysis.gradient_flow`` returned for each network; or rows of such, by title.

    Example:
        >>> from ode2rnn import CanonicalRNN, analysis
        >>> cells = [CanonicalRNN(0.0, W_r, 1.0, 0.0) for W_r in (0.5, 0.9)]
        >>> flows = [analysis.gradient_flow(cell, np.ones(40)) for cell in cells]
        >>> figure = draw_gradient_flows({"0.5": flows[0], "0.9": flows[1]})
        >>> [len(ax.lines) for ax in figure.axes]
        [2, 2]
    """
    rows: dict[str, Mapping[str, GradientFlow]] = {}
    for name, value in studies.items():
        if isinstance(value, GradientFlow):
            rows.setdefault("", {})
            rows[""] = {**rows[""], name: value}
        else:
            rows[name] = value
    figure, axes = new_axes(12, 4.4 * len(rows), len(rows), 2, squeeze=False)
    for (left, right), (title, flows) in zip(axes, rows.items(), strict=True):
        plot_flows(left, flows)
        plot_errors_back(right, flows)
        for ax, what in ((left, "products of Jacobians"), (right, "the error on its way back")):
            ax.set_title(f"{title}: {what}" if title else what.capitalize(), fontsize=10)
        add_legend(left)
    return figure


def plot_lengths(
    ax: Axes,
    lengths: Sequence[int],
    scores: Mapping[str, Sequence[np.ndarray]],
    baselines: Mapping[str, Sequence[float]],
    logarithmic: bool = False,
) -> Axes:
    """Scores against the length: for each network a line through the means, a mark for every seed, a band over all.

    Args:
        ax: where to draw.
        lengths: (L,).
        scores: of each network, the scores of its seeds at each length.
        baselines: by name, one score for each length, drawn in grey.
        logarithmic: whether scores are on a logarithmic axis.
    """
    for k, (name, values) in enumerate(scores.items()):
        colour = COLOURS[k % len(COLOURS)]
        means = [float(np.mean(v)) for v in values]
        ax.fill_between(lengths, [v.min() for v in values], [v.max() for v in values], color=colour, alpha=0.15, lw=0)
        ax.plot(lengths, means, MARKS[k % len(MARKS)] + "-", color=colour, lw=1.6, ms=6, label=name)
        for length, v in zip(lengths, values, strict=True):
            ax.plot([length] * len(v), v, MARKS[k % len(MARKS)], color=colour, mfc="none", ms=4, alpha=0.7)
    for name, level in baselines.items():
        ax.plot(lengths, level, color="0.4", lw=1.2, ls="--", label=name)
    ax.set_xscale("log")
    ax.set_xticks(lengths, [str(length) for length in lengths])
    ax.minorticks_off()
    if logarithmic:
        ax.set_yscale("log")
    ax.set_xlabel("length of the sequence")
    return ax


def plot_gates(axes: Sequence[Axes], t: np.ndarray, parts: Mapping[str, np.ndarray]) -> Sequence[Axes]:
    """The gates, states and readouts (N, d) of a cell over time, one axis each, by name; a colour for every unit."""
    for ax, (name, values) in zip(axes, parts.items(), strict=True):
        for i in range(values.shape[1]):
            ax.plot(t, values[:, i], color=COLOURS[i % len(COLOURS)], lw=1.3, label=f"unit {i + 1}")
        if name.startswith("g_"):
            ax.set_ylim(-0.04, 1.04)
        ax.set_ylabel(name)
        ax.margins(x=0.01)
    return axes
