"""What does the sampling step do to a network?  A stable flow that its own samples lose (D5, C10).

The network ds/dt = -s + W tanh(s) rests at 0. Its canonical RNN leaves 0 at dT = 2 (1 - Re w) / (|w|^2 - 1), w the
eigenvalues of W, and oscillates: dynamics that belong to the sampling, not to the network.

Run: python demos/03_step_size.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import ContinuousRNN, analysis, discretize, run
from ode2rnn.plotting import add_legend, new_axes, save_figure

W = np.array([[0.5, -2.0], [2.0, 0.5]])


def main(out: Path, ticks: int = 4000, count: int = 40) -> float:
    """Amplitude of the late recursion against dT; returns the largest dT that still comes to rest."""
    w = np.linalg.eigvals(W)[0]
    critical = 2 * (1 - w.real) / (abs(w) ** 2 - 1)
    dts = np.linspace(0.02, 1.0, count)
    amplitude, radius = [], []
    for dt in dts:
        cell = discretize(ContinuousRNN(-np.eye(2), W, None, None, tau=dt), dt)
        amplitude.append(np.abs(run(cell, ticks, s0=[0.1, 0.0]).s[-ticks // 4 :]).max())
        radius.append(np.abs(analysis.multipliers(cell)).max())
    at_rest = dts[np.array(amplitude) < 1e-3].max()
    print(f"predicted: at rest up to dT = {critical:.4f}; seen: at rest up to dT = {at_rest:.4f}")

    figure, (top, bottom) = new_axes(7, 5, 2, 1, sharex=True)
    top.plot(dts, amplitude, "o-", ms=3)
    top.set_ylabel("late |s|")
    bottom.plot(dts, radius, "o-", ms=3)
    bottom.axhline(1.0, color="0.5", lw=1)
    bottom.set_ylabel("largest |multiplier|")
    bottom.set_xlabel("sampling step dT")
    for ax in (top, bottom):
        ax.axvline(critical, color="C1", lw=1, label=f"dT = {critical:.4f}")
    add_legend(top)
    print("wrote", save_figure(figure, out / "03_step_size.png"))
    return float(at_rest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)
