"""Cost of the leading Lyapunov exponents beside the full spectrum, of a canonical RNN and of torch's LSTM.

One thread, CPU time, interleaved rounds in one process, medians.  1000 ticks, 128 units, the leading 8 of 128 (of 256
for the LSTM, whose state is h and c); vectors are made orthogonal every 10 ticks in both.

Run: python tests/benchmarks/exponents.py [--ticks 1000] [--width 128] [--count 8] [--rounds 5]
"""

import argparse
import os
import time
from statistics import median

if __name__ == "__main__":  # before the libraries are loaded
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"

from typing import Any

import numpy as np
import torch

from ode2rnn import CanonicalRNN
from ode2rnn.analysis import Lyapunov, lyapunov

EVERY = 10


def systems(width: int) -> dict[str, Any]:
    """A canonical RNN and an LSTM of ``width`` units and 8 inputs that neither die out nor blow up."""
    rng = np.random.default_rng(0)
    W_r = 1.3 * rng.standard_normal((width, width)) / np.sqrt(width)
    torch.manual_seed(0)
    return {
        "canonical RNN": CanonicalRNN(0.3 * np.eye(width), W_r, 0.2 * rng.standard_normal((width, 8)), np.zeros(width)),
        "torch.nn.LSTM": torch.nn.LSTM(8, width).double(),
    }


def main(ticks: int, width: int, count: int, rounds: int) -> dict[str, float]:
    """Print medians and their ratios; returns the ratio of leading to full for each system."""
    torch.set_num_threads(1)
    x = np.random.default_rng(1).standard_normal((ticks, 8))
    ratios = {}
    for name, system in systems(width).items():
        seconds: dict[str, list[float]] = {"full": [], "leading": []}
        found: dict[str, Lyapunov] = {}
        lyapunov(system, x[:50], count=2, every=EVERY)  # loads what is loaded on first use
        for _ in range(rounds):
            for way, wanted in (("full", None), ("leading", count)):
                start = time.process_time()
                found[way] = lyapunov(system, x, count=wanted, every=EVERY)
                seconds[way].append(time.process_time() - start)
        full, leading = (median(seconds[way]) for way in ("full", "leading"))
        ratios[name] = leading / full
        off = np.abs(found["leading"].exponents[:2] - found["full"].exponents[:2]).max()
        print(
            f"{name:<15} full {1e3 * full:8.1f} ms   leading {count} {1e3 * leading:7.1f} ms   ratio"
            f" {leading / full:.3f}   (the two largest differ by {off:.1e} a tick)"
        )
    return ratios


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("ticks", 1000), ("width", 128), ("count", 8), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    main(**vars(parser.parse_args()))
