"""The layers against torch.nn.RNN: CPU time of a forward pass and of a training step, one thread.

    python tests/benchmarks/layers.py [--rounds 15]

All variants take turns in one process; a figure is the median over the rounds of the ratio of that round. Before it is
timed, a variant runs once untimed, so that none pays for the caches that another has filled. A training step is a
forward and a backward pass to all weights, with a given gradient of every output; the input needs none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch

from ode2rnn import kernels, nn

SIZES = [(100, 32, 32, 64), (100, 32, 64, 256), (1000, 1, 8, 32)]  # ticks, batch, inputs, states
NONE = float("nan")
MOST = {"StandardRNN": (0.7, 0.8, 0.1), "CanonicalRNN": (NONE, NONE, NONE)}  # of torch.nn.RNN, by size


class Row(NamedTuple):
    """One measured ratio to torch.nn.RNN."""

    layer: str
    dtype: str
    size: tuple[int, int, int, int]
    kind: str
    reference_ms: float
    ratio: float
    most: float


def variants(size: tuple[int, int, int, int], dtype: torch.dtype) -> dict[str, torch.nn.Module]:
    """torch.nn.RNN and the layers, with the same W_r, W_x and theta_s."""
    reference = torch.nn.RNN(size[2], size[3], dtype=dtype)
    canonical = nn.CanonicalRNN.from_torch(reference)
    with torch.no_grad():
        canonical.W_s.copy_(0.5 * torch.eye(size[3]))
    return {"RNN": reference, "StandardRNN": nn.StandardRNN.from_torch(reference), "CanonicalRNN": canonical}


def cost(call: Callable[[], object]) -> float:
    """CPU time of a call that follows one of its kind."""
    call()
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(size: tuple[int, int, int, int], dtype: torch.dtype, rounds: int) -> list[Row]:
    """The ratios at one size, forward and training."""
    ticks, batch, inputs, states = size
    layers = variants(size, dtype)
    x, bar = torch.randn(ticks, batch, inputs, dtype=dtype), torch.randn(ticks, batch, states, dtype=dtype)

    def forward(layer: torch.nn.Module) -> None:
        with torch.no_grad():
            layer(x)

    def train(layer: torch.nn.Module) -> None:
        layer.zero_grad()
        layer(x)[0].backward(bar)

    rows = []
    for kind, job in (("forward", forward), ("train", train)):
        costs: dict[str, list[float]] = {name: [] for name in layers}
        for _ in range(rounds):
            for name, layer in layers.items():
                costs[name].append(cost(lambda job=job, layer=layer: job(layer)))
        for name, bounds in MOST.items():
            ratio = median(a / b for a, b in zip(costs[name], costs["RNN"], strict=True))
            most = bounds[SIZES.index(size)] if size in SIZES else float("nan")
            kind_of = str(dtype).removeprefix("torch.")
            rows.append(Row(name, kind_of, size, kind, 1e3 * median(costs["RNN"]), ratio, most))
    return rows


@kernels.always()
def main(rounds: int = 15, sizes: list[tuple[int, int, int, int]] = SIZES) -> list[Row]:
    """Measure and print every ratio."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'layer':14}{'dtype':9}{'(T, batch, d_x, d_s)':24}{'':9}{'nn.RNN ms':>10}{'ratio':>8}{'at most':>9}")
    rows = []
    try:
        for dtype in (torch.float32, torch.float64):
            for size in sizes:
                for row in measure(size, dtype, rounds):
                    rows.append(row)
                    print(
                        f"{row.layer:14}{row.dtype:9}{row.size!s:24}{row.kind:9}{row.reference_ms:10.2f}{row.ratio:8.3f}"
                        f"{row.most:9g}{'' if not row.ratio > row.most else '  missed'}",
                        flush=True,
                    )
    finally:
        torch.set_num_threads(threads)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
