"""The missed pulse: three solvers, one neuron, one knock at the door, and two of them do not hear it (C9).

ds/dt = -s + x(t), at rest until x = 1 on [50, 50.5). An adaptive solver looks at a few points of each step. While
nothing happens every step is judged perfect, so the steps grow; in the end one jumps over the pulse, and nobody sees
a thing. No warning, no failed step, status "success": the answer is 0.

The cure is not a smaller tolerance, for which there is no reason to ask. It is to tell the solver where the input has
its corners. Here an input of samples knows its own knots, and no step goes across one. (torchdiffeq can be told, by
jump_t, and scipy be stopped and started again there; but somebody must think of it.)

Run: python demos/11_missed_pulse.py [--out FOLDER]
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torchdiffeq import odeint

from ode2rnn import ContinuousRNN, integrate, signals
from ode2rnn.plotting import add_legend, new_axes, save_figure

START, STOP, END = 50.0, 50.5, 52.0


def main(out: Path, rtol: float = 1e-6) -> dict[str, float]:
    """Solve it three ways, from Python's best known solvers and here; returns s(52) by solver."""
    t = np.linspace(0.0, END, 2081)
    exact = np.exp(STOP - END) - np.exp(START - END)  # = (sqrt(e) - 1) / e^2
    answers = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # if one of them warned, this would stop here
        answers["scipy, solve_ivp"] = solve_ivp(
            lambda t, s: -s + float(START <= t < STOP), (0.0, END), [0.0], t_eval=t, rtol=rtol, atol=1e-9
        ).y[0]
        answers["torchdiffeq, odeint"] = odeint(
            lambda t, s: -s + ((t >= START) & (t < STOP)),
            torch.zeros(1, dtype=torch.float64),
            torch.as_tensor(t),
            rtol=rtol,
            atol=1e-9,
        ).numpy()[:, 0]
    # x[n] is held on (t[n-1], t[n]]: 0 to 50, 1 to 50.5, 0 to the end
    pulse = signals.Held([0.0, START, STOP, END], [[0.0], [0.0], [1.0], [0.0]])
    neuron = ContinuousRNN(A=-1.0, B=0.0, C=1.0, phi=None)
    answers["ode2rnn, integrate"] = integrate(neuron, pulse, t=t, history=0.0, rtol=rtol).s[:, 0]

    figure, ax = new_axes(8, 4)
    ax.fill_between([START, STOP], 0, 0.5, color="0.9", label="the pulse")
    for (name, s), style in zip(answers.items(), ("-", "--", "-"), strict=True):
        print(f"{name}: s({END:g}) = {s[-1]:.10f}, exactly {exact:.10f}")
        ax.plot(t, s, style, lw=2.0, label=f"{name}: s({END:g}) = {s[-1]:.4f}")
    ax.plot(END, exact, "k*", ms=11, label=f"exactly {exact:.4f}")
    ax.set(xlim=(48.5, END + 0.1), ylim=(-0.02, 0.5), xlabel="time", ylabel="s")
    add_legend(ax, loc="upper left")
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return {name: float(s[-1]) for name, s in answers.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: does rtol = 1e-12 help the first two? Does t_eval, which asks scipy for its answer every 0.025? And
# if the pulse comes at 0.5 in place of 50? Then write it for integrate as a plain function of t, without knots, and
# look again.
