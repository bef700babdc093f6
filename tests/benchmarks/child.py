"""What needs a process of its own: memory, and what the first call costs. Prints one line of JSON.

Run by scaling.py and startup.py: python -m tests.benchmarks.child KIND D COUNT LENGTH REPEAT
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from tests.benchmarks import __main__ as settings
from tests.benchmarks.networks import network

KINDS = ("ode", "dde", "batch", "rk4", "ticks")
SAMPLES = 11  # kept, whatever the length


def work(kind: str, d: int, count: int, length: float) -> Callable[[], Any]:
    """A run of ours by the public call; ``length`` in units of time, or in ticks."""
    from ode2rnn import discretize, integrate, run, signals

    net = network(d, tau=1.0 if kind in ("dde", "ticks") else 0.0, count=0 if kind in ("ode", "dde") else count)
    model, x = net.model, signals.Sine()
    if kind == "ticks":
        cell, values = discretize(model, 1.0), np.sin(np.arange(1, round(length) + 1.0))[:, None]
        return lambda: run(cell, values, net.s0[0])
    times = np.linspace(0.0, length, SAMPLES)
    options: dict[str, Any] = {"method": "rk4", "dt": 0.05} if kind == "rk4" else {"rtol": 1e-7, "atol": 1e-7}
    return lambda: integrate(model, x, t=times, history=net.s0, **options)


def memory(job: Callable[[], Any]) -> float:
    """The most memory that Python and NumPy hold for a run at any time, its result included, in MB."""
    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def main(kind: str, d: str, count: str, length: str, repeat: str) -> None:
    """First a small run of the same kind, which loads the kernels; then the run that is asked for."""
    assert settings.ONE_THREAD
    job = work(kind, int(d), int(count), float(length))
    small = work(kind, int(d), max(1, min(int(count), 64)), min(float(length), 60.0))
    began = time.process_time()
    small()
    first = time.process_time() - began
    began = time.process_time()
    small()
    again = time.process_time() - began
    times = []
    result = None
    for _ in range(int(repeat)):
        result = None  # its memory serves the next run: what the system charges for new memory is not counted
        began = time.process_time()
        result = job()
        times.append(time.process_time() - began)
    steps = getattr(result.stats, "steps", 0)
    answer = {"first_s": first - again, "seconds": float(np.median(times)), "steps": steps, "MB": memory(job)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
