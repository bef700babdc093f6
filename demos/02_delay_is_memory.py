"""A delay is a memory: to know what comes next you must know the past of the loop, as long as the delay (C9, C10).

One neuron tells itself to stop, but hears it only tau later. What it does now is answered by what it was, so that the
state of the loop is not one number: it is the piece of the past between t - tau and t. With a short memory the neuron
settles. With a long one it is always answering old news, overshoots, and swings for ever.

Run: python demos/02_delay_is_memory.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import ContinuousRNN, analysis, integrate
from ode2rnn.plotting import new_axes, plot_states, save_figure


def loop(tau: float) -> ContinuousRNN:
    """One unit that inhibits itself, tau units of time later: ds/dt = -s(t) - 2 tanh(s(t - tau))."""
    return ContinuousRNN(A=-1.0, B=-2.0, C=None, phi=None, tau=tau)


def main(out: Path, end: float = 40.0) -> dict[float, float]:
    """Solve the loop for three delays; returns the amplitude at the end, by delay."""
    critical = np.arccos(-0.5) / np.sqrt(3)
    print(f"the loop begins to oscillate at tau = arccos(-1/2) / sqrt(3) = {critical:.4f}")
    figure, axes = new_axes(8, 5, 3, 1, sharex=True, sharey=True)
    amplitude = {}
    for ax, tau in zip(axes, (0.8, 1.15, 2.0), strict=True):
        root = analysis.characteristic_roots(loop(tau), count=2)[0]
        solution = integrate(loop(tau), t=(0.0, end), history=0.5)
        late = solution(np.linspace(0.75 * end, end, 400))
        amplitude[tau] = float(np.abs(late).max())
        print(f"tau = {tau}: rightmost root {root:.3f}, late amplitude {amplitude[tau]:.4f}, {solution.stats}")
        t = np.linspace(0.0, end, 1000)
        plot_states(ax, t, solution(t))
        ax.set_title(f"tau = {tau}: rightmost root {root:.2f}", fontsize=10)
        ax.set_ylabel("s")
    axes[-1].set_xlabel("time")
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return amplitude


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: the loop with tau = 2, but without the leak (A = 0). Does it swing faster or slower, wider or narrower?
# And does any delay make the loop swing if it inhibits itself by less than it leaks (B = -0.9)?
