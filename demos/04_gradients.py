"""Differentiate through the solver: fit the delayed feedback of a network to a solution it has seen (C9, torch).

Run: python demos/04_gradients.py
"""

import argparse

import numpy as np
import torch

from ode2rnn import ContinuousRNN, integrate, signals


def main(steps: int = 60) -> tuple[float, float]:
    """Learn B of a delay equation from its trajectory; returns the first and the last loss."""
    torch.manual_seed(0)
    A = torch.tensor([[-0.7, -0.5], [0.5, -0.7]], dtype=torch.float64)
    C = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    true_B = torch.tensor([[0.8, -0.6], [0.4, 0.5]], dtype=torch.float64)
    x, t = signals.Sine(omega=1.3), np.linspace(0.0, 10.0, 41)

    def solve(B: torch.Tensor) -> torch.Tensor:
        return integrate(ContinuousRNN(A, B, C, None, tau=0.5), x, t=t, history=[0.2, 0.0]).s

    target = solve(true_B)
    B = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([B], lr=0.1)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = ((solve(B) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 10 == 0 or step == steps - 1:
            print(f"step {step:3d}  loss {losses[-1]:.2e}  largest error of B {(B - true_B).abs().max().item():.3f}")
    return losses[0], losses[-1]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
