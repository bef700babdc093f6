"""Every kernel compiled ahead: a short job for each family of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn import kernels
from ode2rnn.analysis.step_size.step_sweep import sweep_steps
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.run import run
from ode2rnn.core.signals import Sine
from ode2rnn.discrete.schemes import discretize
from ode2rnn.solvers.integrate import integrate

SAMPLES, STEPS = np.linspace(0.0, 2.0, 5), np.linspace(0.1, 0.5, 8)
MANY = 64  # trajectories, which fill a block


def compile_all() -> int:
    """Compile all kernels, or load those that are; how many files they are in.

    Raises:
        ValueError: no numba, or its compiler is off, or no folder to keep them in.
    """
    if not kernels.compiled():
        raise ValueError(
            "numba: expected it installed and NUMBA_DISABLE_JIT not set: without it all runs in plain NumPy"
        )
    from tqdm import tqdm

    jobs = _jobs()
    with kernels.always(), tqdm(jobs.items(), desc="compile", unit="family", file=sys.stderr) as bar:
        for name, job in bar:
            bar.set_postfix_str(name)
            job()
    place = kernels.folder()
    if place is None:
        raise ValueError("NUMBA_CACHE_DIR: expected a folder to keep compiled kernels in, got none that can be written")
    return len(list(place.glob("*.bin")))


def _jobs() -> dict[str, Callable[[], object]]:
    network: dict[str, Any] = {"A": -np.eye(2), "B": 0.5 * np.eye(2), "C": np.ones((2, 1)), "phi": np.zeros(2)}
    ordinary, late = ContinuousRNN(**network, tau=0.0), ContinuousRNN(**network, tau=0.5)
    other = ContinuousRNN(**network, tau=0.0, activation="relu")
    many = np.full((MANY, 2), 0.1)

    def solve(model: ContinuousRNN, history: np.ndarray = many[0], t: Any = (0.0, 2.0), **given: Any) -> None:
        integrate(model, Sine(), t=t, history=history, **given)(SAMPLES)

    return {
        "delay equations": lambda: solve(late),
        "Taylor steps": lambda: solve(ordinary),
        "Runge-Kutta steps": lambda: solve(other),
        "many at once": lambda: solve(ordinary, many, SAMPLES),
        "many at once, rk4": lambda: solve(ordinary, many, SAMPLES, method="rk4", dt=0.5),
        "ticks": lambda: run(discretize(late, 0.5), np.zeros((100, 1))),
        "many step sizes": lambda: sweep_steps(ordinary, Sine(), dts=STEPS, t=8, sampling="forward_euler"),
        "layers": _layers,
    }


def _layers() -> None:
    import torch

    from ode2rnn.nn import CanonicalRNN, StandardRNN, VanillaLSTM

    for kind in (StandardRNN, CanonicalRNN, VanillaLSTM):
        for dtype in (torch.float32, torch.float64):
            kind(1, 2, dtype=dtype)(torch.zeros(3, 1, 1, dtype=dtype))[0].sum().backward()
