"""The spectral method of steps in torch: its CPU time over that of its matrix products alone, one thread.

    python tests/benchmarks/torch_delays.py [--width 100] [--batch 64] [--rounds 7]

The products of one run, forward and backward, are noted with their shapes and done again by themselves.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # read when NumPy and SciPy are imported

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ode2rnn import ContinuousRNN, integrate, kernels, signals

PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.bmm.default)


class Noted(TorchDispatchMode):
    """The shapes of the matrix products done inside."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[Any, list[torch.Size]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.shapes.append((func, [a.shape for a in args]))
        return func(*args, **(kwargs or {}))


def cost(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returned."""
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


def again(noted: Noted) -> Callable[[], None]:
    """The products noted, on other numbers."""
    jobs = [(product, [torch.randn(shape, dtype=torch.float64) for shape in set_]) for product, set_ in noted.shapes]

    def run() -> None:
        for product, operands in jobs:
            product(*operands)

    return run


@kernels.always()
def main(width: int = 100, batch: int = 64, rounds: int = 7) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    A = -torch.diag(torch.linspace(0.8, 1.2, width, dtype=torch.float64)) + 0.2 * normal(width, width) / width**0.5
    parts = [A, 0.8 * normal(width, width) / width**0.5, normal(width, 1), 0.1 * normal(width)]
    model = ContinuousRNN(*(part.requires_grad_() for part in parts), tau=1.0)
    history, times = normal(batch, width), np.linspace(0.0, 20.0, 41)

    def forward() -> torch.Tensor:
        return integrate(model, signals.Sine(), t=times, history=history).s.square().sum()

    noted = [Noted(), Noted()]
    with noted[0]:
        total = forward()
    with noted[1]:
        total.backward()
    products = [again(one) for one in noted]
    found: list[list[float]] = [[], [], [], []]
    for _ in range(rounds):
        seconds, total = cost(forward)
        found[0].append(seconds)
        found[1].append(cost(total.backward)[0])
        for n, job in enumerate(products):
            found[2 + n].append(cost(job)[0])
    ahead, back, ahead_alone, back_alone = (1e3 * median(values) for values in found)
    print(f"d = {width}, batch {batch}, T = 20, tau = 1, float64, medians of {rounds} rounds, CPU ms")
    print(f"forward  {ahead:8.1f}, its products alone {ahead_alone:8.1f}: {ahead / ahead_alone:.2f}")
    print(f"backward {back:8.1f}, its products alone {back_alone:8.1f}: {back / back_alone:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    main(**vars(parser.parse_args()))
