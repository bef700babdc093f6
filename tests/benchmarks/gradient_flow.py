"""Cost of analysis.gradient_flow beside assembling the Jacobians of every step by automatic differentiation.

One thread, CPU time, interleaved rounds in one process, medians.  The other ways take d s[n] / d s[n-1] of each tick by
torch.autograd.functional.jacobian, row by row (its default) or vectorized over the rows, multiply them together and
take the norms, which are the same.  The product of two matrices a tick, which every way needs, is timed on its own.

Run: python tests/benchmarks/gradient_flow.py [--ticks 1000] [--width 128] [--rounds 3]
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

if __name__ == "__main__":  # before the libraries are loaded
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"

import numpy as np
import torch

from ode2rnn import CanonicalRNN, run
from ode2rnn.analysis.memory.gradient_flow import gradient_flow


def network(width: int) -> CanonicalRNN:
    """A canonical RNN of ``width`` units and 8 inputs that neither dies out nor blows up."""
    rng = np.random.default_rng(0)
    W_r = 0.9 * rng.standard_normal((width, width)) / np.sqrt(width)
    return CanonicalRNN(0.3 * np.eye(width), W_r, 0.2 * rng.standard_normal((width, 8)), np.zeros(width))


def by_autograd(cell: CanonicalRNN, x: np.ndarray, s: np.ndarray, vectorize: bool) -> np.ndarray:
    """log ||d s[n] / d s[0]|| from one torch Jacobian a tick."""
    W_s, W_r, W_x = (torch.tensor(W) for W in (cell.W_s, cell.W_r, cell.W_x))
    inputs, states = torch.tensor(x), torch.tensor(s)
    product, norms = torch.eye(cell.width, dtype=torch.float64), []
    for n in range(1, len(x)):
        value = inputs[n] @ W_x.T

        def step(past: torch.Tensor, value: torch.Tensor = value) -> torch.Tensor:
            return past @ W_s.T + torch.tanh(past) @ W_r.T + value

        jacobian = torch.autograd.functional.jacobian(step, states[n - 1], vectorize=vectorize)
        product = jacobian @ product
        norms.append(float(torch.linalg.norm(product).log()))
    return np.array(norms)


def products(cell: CanonicalRNN, ticks: int) -> np.ndarray:
    """The matrix products alone."""
    product = np.eye(cell.width)
    for _ in range(1, ticks):
        product = cell.W_r @ product
    return product


def cpu(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of one call, and what it returned."""
    start = time.process_time()
    value = function()
    return time.process_time() - start, value


def main(ticks: int, width: int, rounds: int) -> float:
    """Print medians and their ratios; returns the ratio to autograd row by row."""
    torch.set_num_threads(1)
    cell = network(width)
    x = np.random.default_rng(1).standard_normal((ticks, 8))
    s = run(cell, x).s
    gradient_flow(cell, x[:100])  # loads what is loaded on first use
    ways: dict[str, Callable[[], np.ndarray]] = {
        "gradient_flow": lambda: gradient_flow(cell, x).log_norms[1:],
        "autograd, row by row": lambda: by_autograd(cell, x, s, vectorize=False),
        "autograd, vectorized": lambda: by_autograd(cell, x, s, vectorize=True),
        "matrix products alone": lambda: products(cell, ticks),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _ in range(rounds):
        for name, way in ways.items():
            taken, found[name] = cpu(way)
            seconds[name].append(taken)
    own = median(seconds["gradient_flow"])
    print(f"T = {ticks}, d = {width}, float64, one thread, median CPU time of {rounds} rounds")
    for name, taken in seconds.items():
        print(f"{name:22s} {1e3 * median(taken):9.1f} ms   gradient_flow / this {own / median(taken):7.4f}")
    for name in list(ways)[1:3]:
        difference = np.abs(found[name] - found["gradient_flow"]).max()
        print(f"largest difference of the logarithms of the norms, {name}: {difference:.1e}")
    return own / median(seconds["autograd, row by row"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.ticks, given.width, given.rounds)
