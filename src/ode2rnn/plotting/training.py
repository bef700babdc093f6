"""Pictures of a training: the losses on the way, a forecast beside the truth, the scores beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ode2rnn.plotting.axes import COLOURS


def plot_learning(ax: Axes, runs: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray, int]]]) -> Axes:
    """Loss against epoch for each network: (training, validation, best epoch) of every seed.

    Training losses are dashed, validation losses full; a dot marks the epoch whose weights were kept.
    """
    for k, (name, curves) in enumerate(runs.items()):
        colour = COLOURS[k % len(COLOURS)]
        for n, (train, validation, best) in enumerate(curves):
            epochs = np.arange(1, len(train) + 1)
            ax.semilogy(
                epochs, train, color=colour, lw=0.9, ls="--", alpha=0.6, label=f"{name}: training" if n == 0 else None
            )
            ax.semilogy(epochs, validation, color=colour, lw=1.3, label=f"{name}: validation" if n == 0 else None)
            if best:
                ax.semilogy(best, validation[best - 1], "o", color=colour, ms=5, mec="white", zorder=3)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.margins(x=0.02)
    return ax


def plot_forecast(ax: Axes, t: np.ndarray, truth: np.ndarray, forecasts: Mapping[str, np.ndarray]) -> Axes:
    """A series (N,) and forecasts of it (seeds, N) by network: their mean as a line, their range as a band."""
    ax.plot(t, truth, color="0.15", lw=1.6, label="truth", zorder=3)
    for k, (name, values) in enumerate(forecasts.items()):
        colour = COLOURS[k % len(COLOURS)]
        ax.fill_between(t, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, lw=0)
        ax.plot(t, values.mean(axis=0), color=colour, lw=1.3, label=f"{name}, mean of {len(values)}")
    ax.margins(x=0.01)
    return ax


def plot_scores(ax: Axes, scores: Mapping[str, np.ndarray], baselines: Mapping[str, float]) -> Axes:
    """The scores of each network, a hollow mark for every seed and a bar at their mean; baselines as crosses."""
    names = [*scores, *baselines]
    for k, values in enumerate(scores.values()):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(values, np.full(len(values), k), "o", color=colour, mfc="none", mew=1.4, ms=7)
        ax.plot([np.mean(values)], [k], "|", color=colour, ms=18, mew=2.2)
    for k, value in enumerate(baselines.values(), start=len(scores)):
        ax.plot([value], [k], "x", color="0.3", ms=7, mew=1.6)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.08, y=0.15)
    return ax
