"""Gradients that vanish and explode, and the error on its way back along a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.analysis.memory.gradient_flow import gradient_flow
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.derivation.gradients import PRINTED, chaotic_flow, rotating
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B4", "B5")
CLAIM = "Products of Jacobians vanish or explode; 0.9^100 is 2.656e-05, where the slides print 0.000017."
TOLERANCE = 2e-2  # the exponent of a chaotic cell depends on the order of rounding
LAGS = 120
CAPTION = (
    "Where gradients go (B4, B5). Left: norms of d s[n] / d s[l] in cells built to vanish and to explode, with the"
    " slides' 0.9^100 at its value, 2.656e-05, and where they print it. Middle: singular values in the canonical"
    " RNN on the series, beside the largest Lyapunov exponent. Right: |psi[n]| along the series."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Products of Jacobians against the lag in cells built to vanish and to explode, and psi along the series."""
    experiment = experiment or sunspots(quick)
    scalar = gradient_flow(CanonicalRNN(0.0, 0.9, None, 0.0, activation="identity"), LAGS + 1)
    chaos = chaotic_flow()
    series = gradient_flow(canonical(experiment.model, DT), experiment.x, exponents=1)
    seen = np.isfinite(series.log_singular).all(axis=1)  # the others are rounding
    return {
        "lags": scalar.lags,
        "vanishing": gradient_flow(rotating(0.8, "identity"), np.zeros((LAGS + 1, 1))).log_norms,
        "exploding": gradient_flow(rotating(1.25, "identity"), np.zeros((LAGS + 1, 1))).log_norms,
        "scalar": scalar.log_norms,
        "chaotic": chaos.log_norms[: LAGS + 1],
        "exponent": float(chaos.exponents[0]),
        "singular_lags": series.singular_lags[seen],
        "singular": series.log_singular[seen],
        "series_exponent": float(series.exponents[0]),
        "psi": series.psi_norms,
        "name": experiment.series.name,
    }


def draw(data: dict[str, Any]) -> Any:
    """Norms against the lag; singular values against the lag; |psi[n]| along the series."""
    figure, (left, middle, right) = new_axes(14, 5.2, 1, 3, width_ratios=[1.25, 1, 1])
    per = 1 / np.log(10)
    rows = (
        ("exploding", COLOURS[1], "singular values of $W_r$ 1.25"),
        ("chaotic", COLOURS[3], "chaotic cell, 20 units"),
        ("scalar", COLOURS[2], "the slides' $0.9^k$"),
        ("vanishing", COLOURS[0], "singular values of $W_r$ 0.8"),
    )
    for name, colour, label in rows:
        left.plot(data["lags"], per * data[name], color=colour, lw=1.7, label=label)
    growth = per * (data["exponent"] * data["lags"] + data["chaotic"][0])
    left.plot(data["lags"], growth, "--", color="0.3", lw=1, label=f"Lyapunov exponent {data['exponent']:.3f} a sample")
    zoom = left.inset_axes((0.12, 0.09, 0.4, 0.2))
    zoom.plot(data["lags"], per * data["scalar"], color=COLOURS[2], lw=1.4)
    zoom.plot([100], [np.log10(0.9**100)], "o", color=COLOURS[2], ms=6)
    zoom.plot([100], [np.log10(PRINTED)], "x", color="k", ms=7, mew=1.6)
    zoom.set(xlim=(50, 140), ylim=(-5.05, -4.1))
    zoom.tick_params(labelsize=7)
    zoom.annotate(f"{0.9**100:.3e}", (100, np.log10(0.9**100)), (5, 3), textcoords="offset points", fontsize=7.5)
    at = (100, np.log10(PRINTED))
    zoom.annotate(f"{PRINTED:f}, printed", at, (-6, -3), textcoords="offset points", fontsize=7.5, ha="right")
    left.set_xlabel("lag n - l")
    left.set_ylabel(r"$\log_{10}$ ||d s[n] / d s[l]||")
    left.set_title("Built to vanish, and to explode", fontsize=10)
    left.set_ylim(bottom=-13)
    add_legend(left, below=True, ncols=2)
    for i in range(data["singular"].shape[1]):
        values = per * data["singular"][:, i]
        middle.plot(
            data["singular_lags"], values, "o-", ms=4, lw=1.2, color=COLOURS[i], mfc="none", label=f"$\\sigma_{i + 1}$"
        )
    slope = per * data["series_exponent"] * data["singular_lags"]
    middle.plot(data["singular_lags"], slope, "--", color="0.3", lw=1, label="largest Lyapunov exponent")
    middle.set_xlabel("lag n - l")
    middle.set_ylabel(r"$\log_{10}$ singular value of d s[n] / d s[l]")
    middle.set_title(f"The canonical RNN on the series {data['name']}", fontsize=10, parse_math=False)
    add_legend(middle)
    psi = data["psi"]
    right.semilogy(np.arange(len(psi))[psi > 0], psi[psi > 0], color=COLOURS[0], lw=1.4)
    right.set_xlabel("sample n")
    right.set_ylabel("|psi[n]|, error at the last sample alone")
    right.set_title("The error on its way back", fontsize=10)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The scalar product over 100 samples, and the singular values 0.8 and 1.25 over as many."""
    value = float(np.exp(data["scalar"][100]))
    rates = [float(np.exp(np.diff(data[name]).mean())) for name in ("vanishing", "exploding")]
    holds = abs(value - 0.9**100) < 1e-12 and np.allclose(rates, [0.8, 1.25])
    measured = f"{value:.4g} (the slides print {PRINTED:f}), factors {rates[0]:.3f} and {rates[1]:.3f} a sample"
    return Finding(f"{0.9**100:.4g}; 0.8 and 1.25", measured, bool(holds))
