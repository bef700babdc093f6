"""Poles in the s-plane, and where sampling takes them in the z-plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.analysis.spectra.spectrum import characteristic_roots, discrete_roots, equilibrium, pole_image
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.discrete.schemes import discretize
from ode2rnn.plotting import add_legend, new_axes, plot_plane

SECTION = "The Roots of RNN"
EQUATIONS = ("C10", "D6")
CLAIM = "Backward Euler takes the poles of a stable A into the unit circle for every dT."
CAPTION = (
    "Circles: the eigenvalues of A in the s-plane and their images 1 / (1 - dT lambda) in the z-plane (D6), inside"
    " the unit circle for every dT (grey). Squares: the whole loop linearized at rest, left as the delay equation,"
    " right as its recursion at dT = 1. At so long a step the two need not agree: here the equation leaves rest"
    " (roots right of the axis), while its recursion is stable."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Eigenvalues of A and characteristic roots; where sampling takes them."""
    experiment = experiment or sunspots(quick)
    model = experiment.model
    rest = equilibrium(model, np.zeros(1))
    poles = np.linalg.eigvals(model.A)
    dts = np.geomspace(1e-2, 1e2, 200)
    return {
        "poles": poles,
        "roots": characteristic_roots(model, rest, count=13),
        "paths": np.array([pole_image(poles, float(dt)) for dt in dts]),
        "images": pole_image(poles, 1.0),
        "multipliers": discrete_roots(discretize(model, 1.0), rest),
    }


def draw(data: dict[str, Any]) -> Any:
    """The s-plane beside the z-plane."""
    figure, (left, right) = new_axes(10, 5.4, 1, 2)
    plot_plane(left, {"eigenvalues of A": data["poles"], "characteristic roots, tau = 1": data["roots"]}, "s")
    left.set_title("s-plane: the differential equation")
    add_legend(left, below=True)
    for k in range(data["paths"].shape[1]):
        path = data["paths"][:, k]
        right.plot(path.real, path.imag, color="0.6", lw=0.9, label="dT from 0.01 to 100" if k == 0 else None)
    named = {
        "1 / (1 - dT lambda), dT = 1": data["images"],
        "multipliers of the canonical RNN": data["multipliers"],
    }
    plot_plane(right, named, "z")
    right.set_title("z-plane: sampled with step dT")
    add_legend(right, below=True)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The largest |z| over all dT, and the largest real part of a pole."""
    largest, growth = float(np.abs(data["paths"]).max()), float(data["poles"].real.max())
    return Finding(
        "|z| < 1 for Re lambda < 0", f"|z| <= {largest:.4f}, Re lambda <= {growth:g}", largest < 1 and growth < 0
    )
