"""Sampling: look at the delay equation once every dT, and the canonical RNN comes out (D1 to D5).

Let the delay be the sampling step, tau = dT, and take one step of backward Euler a sample. Then the memory of the
loop, a whole piece of the past, shrinks to one vector, r[n-1]; and what remains of the equation is the recursion that
everybody calls an RNN. Not like it, not in the limit: the same numbers to the last digit. What the samples miss of
the true solution is another matter, and the picture shows it.

Run: python demos/03_sampling.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import ContinuousRNN, Sampled, discretize, integrate, run, signals
from ode2rnn.plotting import add_legend, new_axes, plot_samples, save_figure


def main(out: Path, ticks: int = 60) -> float:
    """Compare three views of one network; returns the difference between the equation's samples and the RNN."""
    dt = 0.5
    model = ContinuousRNN(
        A=[[-0.6, -0.8], [0.8, -0.6]], B=[[0.9, 0.4], [-0.3, 0.5]], C=[[1.0], [0.0]], phi=[0.1, 0.0], tau=dt
    )
    cell = discretize(model, dt)
    print("W_s =\n", cell.W_s, "\nW_r =\n", cell.W_r, "\nW_x =\n", cell.W_x, "\ntheta_s =", cell.theta_s)

    t = dt * np.arange(ticks)
    x = np.sin(0.7 * t)[:, None]
    recursion = run(cell, x)
    one_step = run(Sampled(model, dt), x)
    gap = float(np.abs(recursion.s - one_step.s).max())
    print(f"one backward-Euler step of the delay equation a sample, against the RNN: {gap:.1e}")

    # run() has s[-1] at t = -dt, and holds x[n] on (t[n-1], t[n]]
    held = signals.Held(t, x)
    exact = integrate(model, held, t=(-dt, t[-1]), history=[0.0, 0.0])
    fine = np.linspace(-dt, t[-1], 2000)
    figure, ax = new_axes(8, 3.5)
    plot_samples(ax, fine, exact(fine)[:, 0], {"canonical RNN": (t, recursion.s[:, 0])})
    ax.set_xlabel("time")
    ax.set_ylabel("$s_1$")
    add_legend(ax)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return gap


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: what happens at dT = 1, the delay with it? Do the marks leave the line by twice as much? Does the line
# itself stay where it is? (It does not: tau = dT is part of the model, so another dT is another equation.)
