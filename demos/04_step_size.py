"""The step size: accuracy, stability, and oscillations that nobody ordered (D5, C10).

The network ds/dt = -s + W tanh(s) rests at 0: let it go anywhere, and it comes home. Now look at it through samples, as
its canonical RNN does. A small step draws the true spiral. A larger one draws it badly: that is accuracy. And beyond
dT = 2 (1 - Re w) / (|w|^2 - 1), w the eigenvalues of W, the samples never come home at all: that is stability. They
circle for ever, a rhythm that belongs to the sampling and not to the network. Nothing in a plot of it says so.

Run: python demos/04_step_size.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter

from ode2rnn import ContinuousRNN, analysis, discretize, run
from ode2rnn.plotting import COLOURS, add_legend, new_axes, save_figure

W = np.array([[0.5, -2.0], [2.0, 0.5]])


def sampled(dt: float, ticks: int) -> tuple[np.ndarray, float]:
    """The path of the canonical RNN from (1, 0), and its largest multiplier at rest."""
    cell = discretize(ContinuousRNN(-np.eye(2), W, None, None, tau=dt), dt)
    s = np.vstack([[1.0, 0.0], run(cell, ticks, s0=[1.0, 0.0]).s])
    return s, np.abs(analysis.discrete_roots(cell)).max()


def main(out: Path, ticks: int = 4000, count: int = 40, frames: int = 25) -> float:
    """Amplitude of the late recursion against dT; returns the largest dT that still comes to rest."""
    w = np.linalg.eigvals(W)[0]
    critical = 2 * (1 - w.real) / (abs(w) ** 2 - 1)
    dts = np.linspace(0.02, 1.0, count)
    runs = [sampled(dt, ticks) for dt in dts]
    amplitude = np.array([np.abs(s[-ticks // 4 :]).max() for s, _ in runs])
    at_rest = dts[amplitude < 1e-3].max()
    print(f"predicted: at rest up to dT = {critical:.4f}; seen: at rest up to dT = {at_rest:.4f}")

    figure, (top, bottom) = new_axes(7, 5, 2, 1, sharex=True)
    top.plot(dts, amplitude, "o-", ms=3)
    top.set_ylabel("late |s|")
    bottom.plot(dts, [multiplier for _, multiplier in runs], "o-", ms=3)
    bottom.axhline(1.0, color="0.5", lw=1)
    bottom.set(ylabel="largest |multiplier|", xlabel="sampling step dT")
    for ax in (top, bottom):
        ax.axvline(critical, color="C1", lw=1, label=f"dT = {critical:.4f}")
    add_legend(top)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))

    # the same in motion: the phase portrait as dT grows
    figure, ax = new_axes(4.6, 4.6)
    writer, film = PillowWriter(fps=4), out / f"{Path(__file__).stem}.gif"
    with writer.saving(figure, film, dpi=80):
        for dt in np.linspace(0.02, 1.0, frames):
            s, _ = sampled(dt, max(120, int(20 / dt)))
            ax.clear()
            ax.plot(*sampled(0.001, 12000)[0].T, color="0.8", lw=3, label="the network")
            ax.plot(*s.T, "o-", ms=2.5, lw=0.7, color=COLOURS[int(dt > critical)], label="its samples")
            ax.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xlabel="$s_1$", ylabel="$s_2$")
            ax.set_title(f"dT = {dt:.2f}: " + ("never at rest" if dt > critical else "comes to rest"))
            add_legend(ax, loc="upper right")
            writer.grab_frame()
    print("wrote", film)
    return float(at_rest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: turn W back by a right angle, [[2, 0.5], [-0.5, 2]]. Does the flow still rest at 0? What does the
# formula say, and what do the samples do at dT = 1? Then take w = -3, one neuron: what rhythm does it play beyond dT
# = 1?
