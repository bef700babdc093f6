"""Cost of analysis.gradient_flow beside assembling the Jacobians of every step by automatic differentiation.

One thread, CPU time, interleaved rounds in one process, medians.  The other way takes d s[n] / d s[n-1] of each tick by
torch (vectorized over its rows), multiplies the products together and takes their norms; both give the same norms.

Run: python tests/benchmarks/gradient_flow.py [--ticks 1000] [--width 128] [--rounds 3]
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before the libraries are loaded

import numpy as np
import torch

from ode2rnn import CanonicalRNN, run
from ode2rnn.analysis.gradient_flow import gradient_flow


def network(width: int) -> CanonicalRNN:
    """A canonical RNN of ``width`` units and 8 inputs that neither dies out nor blows up."""
    rng = np.random.default_rng(0)
    W_r = 1.2 * rng.standard_normal((width, width)) / np.sqrt(width)
    return CanonicalRNN(0.3 * np.eye(width), W_r, rng.standard_normal((width, 8)), np.zeros(width))


def by_autograd(cell: CanonicalRNN, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """log ||d s[n] / d s[0]|| from one torch Jacobian a tick."""
    W_s, W_r, W_x = (torch.tensor(W) for W in (cell.W_s, cell.W_r, cell.W_x))
    inputs, states = torch.tensor(x), torch.tensor(s)
    product, norms = torch.eye(cell.width, dtype=torch.float64), []
    for n in range(1, len(x)):
        value = inputs[n] @ W_x.T

        def step(past: torch.Tensor, value: torch.Tensor = value) -> torch.Tensor:
            return past @ W_s.T + torch.tanh(past) @ W_r.T + value

        jacobian = torch.autograd.functional.jacobian(step, states[n - 1], vectorize=True)
        product = jacobian @ product
        norms.append(float(torch.linalg.norm(product).log()))
    return np.array(norms)


def cpu(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of one call, and what it returned."""
    start = time.process_time()
    value = function()
    return time.process_time() - start, value


def main(ticks: int, width: int, rounds: int) -> float:
    """Print medians and their ratio; returns the ratio."""
    torch.set_num_threads(1)
    cell = network(width)
    x = np.random.default_rng(1).standard_normal((ticks, 8))
    s = run(cell, x).s
    gradient_flow(cell, x[:100])  # loads what is loaded on first use
    own, other = [], []
    for _ in range(rounds):
        for _ in range(3):
            seconds, norms = cpu(lambda: gradient_flow(cell, x).log_norms)
            own.append(seconds)
        seconds, expected = cpu(lambda: by_autograd(cell, x, s))
        other.append(seconds)
        print(f"gradient_flow {1e3 * own[-1]:8.1f} ms   autograd {1e3 * other[-1]:8.1f} ms", flush=True)
    ratio = median(own) / median(other)
    print(f"largest difference of the logarithms of the norms: {np.abs(norms[1:] - expected).max():.1e}")
    print(f"T = {ticks}, d = {width}: {1e3 * median(own):.1f} / {1e3 * median(other):.1f} ms = {ratio:.4f}")
    return ratio


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.ticks, given.width, given.rounds)
