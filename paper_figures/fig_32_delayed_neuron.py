"""The neuron ds/dt = -s + w tanh(s(t - tau)) before and after sampling: a Hopf bifurcation becomes a sign flip."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn import discretize, integrate, run
from ode2rnn.analysis import characteristic_roots, discrete_roots
from ode2rnn.analysis.spectra.radius import spectral_radius
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "The Roots of RNN"
EQUATIONS = ("C10", "D2", "D6")
CLAIM = (
    "The neuron begins to oscillate by a Hopf bifurcation; sampled with tau = dT it flips its sign every tick, later."
)
W = -2.0
COUNTS = (1, 2, 5, 10)
END = 60.0
SPREAD = 1.25  # the runs are at this many times the delay of the boundary


def data(quick: bool = False) -> dict[str, Any]:
    """The boundaries of stability, the roots on the way through them, and runs beyond them."""
    strengths = np.linspace(-4.0, -1.3, 7 if quick else 28)
    delays = np.linspace(0.3, 2.0, 9 if quick else 35) * float(hopf_delay(W))
    steps = np.linspace(0.3, 2.0, 9 if quick else 35) * largest_delay(W, 1)
    beyond = SPREAD * float(hopf_delay(W))
    t = np.linspace(0, END, 301 if quick else 1801)
    solved = integrate(delayed_neuron(W, beyond), t=t, history=0.1)
    dt = SPREAD * largest_delay(W, 1)
    ticks = run(discretize(delayed_neuron(W, dt), dt), int(END / dt), 0.1)
    at_hopf = characteristic_roots(delayed_neuron(W, float(hopf_delay(W))), [0.0], count=1)
    return {
        "w": strengths,
        "hopf": hopf_delay(strengths),
        "sampled": {f"m = {m}": np.array([largest_delay(float(w), m) for w in strengths]) for m in COUNTS},
        "delays": delays,
        "roots": np.array([characteristic_roots(delayed_neuron(W, float(tau)), [0.0], count=4) for tau in delays]),
        "crossing": at_hopf,
        "steps": steps,
        "z": _multipliers(steps, delays),
        "t": t,
        "s": solved.s[:, 0],
        "tick": np.concatenate([[0.0], ticks.t + dt]),
        "ticks": np.concatenate([[0.1], ticks.s[:, 0]]),
    }


def _multipliers(steps: np.ndarray, delays: np.ndarray) -> dict[str, np.ndarray]:
    """The two largest multipliers with m = 1 over the steps, and with m = 10 over the delays."""
    found = {}
    for m, values in ((1, steps), (10, delays)):
        cells = [discretize(delayed_neuron(W, float(tau)), float(tau) / m) for tau in values]
        found[f"m = {m}"] = np.array([discrete_roots(cell)[: min(m, 2)] for cell in cells])
    return found


def draw(data: dict[str, Any]) -> Any:
    """Boundaries; roots in the s-plane; multipliers in the z-plane; what both do beyond."""
    figure, axes = new_axes(13, 8.6, 2, 2)
    (chart, left), (course, right) = axes
    chart.plot(-data["w"], data["hopf"], color="0.1", lw=2.2, label="delay equation: Hopf (C10)")
    for k, (label, delay) in enumerate(data["sampled"].items()):
        name = label + (": canonical RNN, sign flip" if label == "m = 1" else "")
        chart.plot(-data["w"], delay, "o-", ms=7 - 1.5 * k, mfc="none", lw=1.2, color=COLOURS[k], label=name)
    chart.set(xlabel="-w", ylabel=r"largest stable delay $\tau$ = m dT", ylim=(0, 7), title="Stable below the line")
    add_legend(chart)
    roots = data["roots"]
    for k in range(roots.shape[1]):
        left.scatter(roots[:, k].real, roots[:, k].imag, c=data["delays"], cmap="viridis", s=14)
    left.plot(data["crossing"].real, data["crossing"].imag, "x", color=COLOURS[1], ms=10, mew=2)
    left.plot(data["crossing"].real, -data["crossing"].imag, "x", color=COLOURS[1], ms=10, mew=2, label="Hopf")
    left.axvline(0, color="0.4", lw=1)
    left.set(xlabel=r"Re $\lambda$", ylabel=r"Im $\lambda$", xlim=(-2.6, 0.6), ylim=(-8, 8))
    left.set_title(r"w = -2: characteristic roots, $\tau$ growing (dark to light)")
    add_legend(left, loc="lower left")
    circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    right.plot(circle.real, circle.imag, color="0.4", lw=1)
    for k, (label, z) in enumerate(data["z"].items()):
        for j in range(z.shape[1]):
            name = f"{label}: through " + ("-1" if label == "m = 1" else "a complex pair") if j == 0 else None
            right.plot(z[:, j].real, z[:, j].imag, "o-", ms=3.5, lw=0.8, color=COLOURS[k], label=name)
    right.set(xlabel="Re z", ylabel="Im z", aspect="equal", xlim=(-1.75, 1.3), ylim=(-1.25, 1.25))
    right.set_title("w = -2: multipliers, dT growing")
    add_legend(right, loc="lower left")
    course.plot(data["t"], data["s"], color="0.15", lw=1.8, label=f"delay equation, {SPREAD:g} of its Hopf delay")
    course.plot(
        data["tick"],
        data["ticks"],
        "o-",
        ms=4,
        lw=0.8,
        color=COLOURS[0],
        label=f"canonical RNN, {SPREAD:g} of its flip",
    )
    course.set(xlabel="time", ylabel="s", title="w = -2, just beyond the boundary of each", ylim=(-1.3, 1.9))
    add_legend(course, loc="upper left")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The flip is at dT = 2 / (|w| - 1) for every w, the Hopf pair crosses at sqrt(w^2 - 1), the order of m is kept."""
    flip = float(np.abs(data["sampled"]["m = 1"] - 2 / (-data["w"] - 1)).max())
    pair = float(abs(data["crossing"][0] - 1j * np.sqrt(W**2 - 1)))
    m = list(data["sampled"].values())
    later = bool((m[0] > data["hopf"]).all() and (m[-1] >= data["hopf"]).all() and (m[-1] <= m[2]).all())
    holds = flip < 1e-9 and pair < 1e-9 and later
    return Finding("flip at 2 / (|w| - 1), Hopf at i sqrt(w^2 - 1)", f"off by {flip:.0e} and {pair:.0e}", holds)


def delayed_neuron(w: float, tau: float) -> ContinuousRNN:
    """ds/dt = -s + w tanh(s(t - tau))."""
    return ContinuousRNN(A=-1.0, B=w, C=None, phi=None, tau=tau)


def hopf_delay(w: float | np.ndarray) -> np.ndarray:
    """The delay arccos(1/w) / sqrt(w^2 - 1) at which the neuron with w < -1 begins to oscillate (C10)."""
    w = np.asarray(w, dtype=float)
    return np.arccos(1 / w) / np.sqrt(w**2 - 1)


def largest_delay(w: float, m: int, most: float = 100.0) -> float:
    """The delay tau = m dT up to which the canonical RNN that samples the neuron is stable at rest (D6)."""
    from scipy.optimize import brentq

    def excess(tau: float) -> float:
        return spectral_radius(discretize(delayed_neuron(w, tau), tau / m)) - 1

    return float(brentq(excess, 1e-3, most, xtol=1e-12))
