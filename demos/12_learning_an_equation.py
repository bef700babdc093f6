"""Learning an equation: differentiate through the solver, and let a network find the feedback it has seen (C9, torch).

We watch a delay equation for a while, and we know everything about it but B, who hears whom after the delay. Guess B,
solve, compare, and ask how the difference changes with B: the solver is a function like any other, and torch
differentiates it. A few dozen guesses later B is found. No step of the solver had to be written with learning in mind.

Run: python demos/12_learning_an_equation.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from ode2rnn import ContinuousRNN, integrate, signals
from ode2rnn.plotting import add_legend, new_axes, save_figure


def main(out: Path, steps: int = 60) -> tuple[float, float]:
    """Learn B of a delay equation from its trajectory; returns the first and the last loss."""
    A = torch.tensor([[-0.7, -0.5], [0.5, -0.7]], dtype=torch.float64)
    C = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    true_B = torch.tensor([[0.8, -0.6], [0.4, 0.5]], dtype=torch.float64)
    x, t = signals.Sine(omega=1.3), np.linspace(0.0, 10.0, 41)

    def solve(B: torch.Tensor) -> torch.Tensor:
        return integrate(ContinuousRNN(A, B, C, None, tau=0.5), x, t=t, history=[0.2, 0.0]).s

    target = solve(true_B)
    B = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([B], lr=0.1)
    losses, guesses = [], []
    for step in range(steps):
        optimizer.zero_grad()
        loss = ((solve(B) - target) ** 2).mean()
        loss.backward()
        guesses.append(B.detach().numpy().ravel().copy())
        optimizer.step()
        losses.append(loss.item())
        if step % 10 == 0 or step == steps - 1:
            print(f"step {step:3d}  loss {losses[-1]:.2e}  largest error of B {(B - true_B).abs().max().item():.3f}")

    figure, (left, right) = new_axes(9, 3.8, 1, 2)
    left.semilogy(losses)
    left.set(xlabel="step", ylabel="mean squared error", title="How far the solutions are apart")
    for k, line in enumerate(np.array(guesses).T):
        right.plot(line, color=f"C{k}", label=f"$B_{{{k // 2 + 1}{k % 2 + 1}}}$")
        right.axhline(true_B.flatten()[k].item(), color=f"C{k}", ls=":", lw=1)
    right.set(xlabel="step", title="The guess of B, and dotted the truth")
    add_legend(right, ncols=4)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return losses[0], losses[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: give the learner the wrong delay (tau = 0.6 inside solve, but 0.5 for the target). Will the loss still
# fall? To zero? And what will B have learned: who hears whom, or how to make up for a delay that is wrong?
