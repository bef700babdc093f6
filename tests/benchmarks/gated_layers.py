"""The LSTM layers against torch.nn.LSTM and against a plain loop: CPU time of a training step, one thread.

    python tests/benchmarks/gated_layers.py [--rounds 7]

A training step is a forward and a backward pass to all weights, with a given gradient of every output; the input needs
none. Variants take turns in one process and each runs once untimed before it is timed; the figure is the median over
the rounds of the ratio of that round. Where the gates of a sequence exceed 32 MiB, which the allocator returns to the
system at every step, each variant runs alone in a process of its own, and the processes take turns.

torch.nn.LSTM has no peepholes. The augmented layer is compared with two loops under torch's automatic differentiation:
the layer's cell stepped by run(), which is the plain one, and, with nothing asked, a loop that has all gates in one
matrix and the products of the inputs taken out ("stacked"). Over products: the time divided by what torch's own matrix
product takes for as many multiplications of large matrices. Memory: the most that a step adds to the process, with the
gradient of the outputs and what stays for the next step, in units of one number for each tick, sequence and state.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from ode2rnn import kernels, nn, run
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.nn.layer.packed import seen
from ode2rnn.nn.passes.plain import gated as gated_plain

Size = tuple[int, int, int, int]  # ticks, batch, inputs, states
SIZES: list[Size] = [(100, 32, 32, 64), (100, 32, 64, 256), (784, 64, 1, 128), (1000, 1, 8, 32)]
NONE = float("nan")
MOST = {  # of torch.nn.LSTM, by size: float32, float64
    "full": [(1.5, 0.8), (1.5, 1.15), (1.1, 1.1), (0.7, 0.06)],
    "diagonal": [(NONE, NONE)] * 4,
    "none": [(1.05, 0.7), (1.05, 0.85), (1.05, 0.75), (0.6, 0.05)],
}
MOST_OF_LOOP = [(0.2, 0.2), (0.45, 0.45), (0.45, 0.45), (0.03, 0.03)]  # of the plain loop
LOOPS = ("cell", "stacked")
MOST_MEMORY = 12.5
LARGE = 32 * 2**20  # bytes
DTYPES = {"float32": torch.float32, "float64": torch.float64}
CONTEXT = 4


class Row(NamedTuple):
    """One measured ratio."""

    layer: str
    reference: str
    dtype: str
    size: Size
    ms: float
    reference_ms: float
    ratio: float
    most: float
    over_products: float


def layer(name: str, size: Size, dtype: torch.dtype) -> torch.nn.Module:
    """The module behind a name; the loops have that of the augmented layer."""
    torch.manual_seed(0)
    m, d = size[2:]
    if name == "lstm":
        return torch.nn.LSTM(m, d, dtype=dtype)
    if name in ("augmented", *LOOPS):
        return nn.AugmentedLSTM(m, d, context=CONTEXT, external_gate=True, proj_size=max(1, d // 2), dtype=dtype)
    return nn.VanillaLSTM(m, d, peephole=None if name == "none" else name, dtype=dtype)


def loop(name: str, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The outputs of the augmented layer by a loop that torch records."""
    if name == "cell":
        return run(module.cell(), x).r
    s, v = x.new_zeros(x.shape[1], module.hidden_size), x.new_zeros(x.shape[1], module.proj_size)
    return gated_plain.forward(seen(x, module.window), s, v, {letter: getattr(module, letter) for letter in LETTERS})[0]


def step(name: str, size: Size, dtype: torch.dtype) -> Callable[[], None]:
    """One training step."""
    ticks, batch, m, d = size
    module, x = layer(name, size, dtype), torch.randn(ticks, batch, m, dtype=dtype)
    bar = torch.randn(ticks, batch, max(1, d // 2) if name in ("augmented", *LOOPS) else d, dtype=dtype)

    def train() -> None:
        module.zero_grad()
        output = loop(name, module, x) if name in LOOPS else module(x)[0]
        output.backward(bar)

    return train


def cost(call: Callable[[], object]) -> float:
    """CPU time of a call that follows one of its kind."""
    call()
    start = time.process_time()
    call()
    return time.process_time() - start


def costs(names: list[str], size: Size, dtype: str, rounds: int) -> dict[str, list[float]]:
    """The CPU times of each, in turns; of large ones each in a process of its own."""
    found: dict[str, list[float]] = {name: [] for name in names}
    ticks, batch, _, d = size
    if 4 * ticks * batch * d * DTYPES[dtype].itemsize > LARGE:
        for turn in range(3):
            for name in names:
                if turn == 0 or name not in LOOPS:  # which take long, and are not close
                    found[name].append(float(child("time", name, size, dtype, str(max(1, rounds // 7)))))
        return {name: [median(times)] for name, times in found.items()}
    steps = {name: step(name, size, DTYPES[dtype]) for name in names}
    for _ in range(rounds):
        for name, call in steps.items():
            found[name].append(cost(call))
    return found


def child(*arguments: object) -> str:
    """What this file prints as a process of its own."""
    command = [sys.executable, __file__, "--alone", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.split()[-1]


@kernels.always()
def alone(kind: str, name: str, size: str, dtype: str, rounds: str = "1") -> float:
    """The time of a step, or the memory that it takes, in this process."""
    shape: Size = tuple(int(n) for n in size.strip("()").split(","))  # type: ignore[assignment]
    if kind == "time":
        call = step(name, shape, DTYPES[dtype])
        return median(cost(call) for _ in range(int(rounds)))
    step(name, (3, 2, *shape[2:]), DTYPES[dtype])()  # loads and compiles
    module, x = layer(name, shape, DTYPES[dtype]), torch.randn(*shape[:3], dtype=DTYPES[dtype])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts from here
    before = resident("VmRSS")
    output = module(x)[0]
    output.backward(torch.randn_like(output))
    grown = resident("VmHWM") - before
    return grown / (shape[0] * shape[1] * shape[3] * DTYPES[dtype].itemsize)


def resident(entry: str) -> int:
    """Bytes of this process in memory, now (VmRSS) or at most (VmHWM), as Linux tells them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(entry)).split()[1])


def products(name: str, size: Size) -> int:
    """Multiplications of a training step; those of backward data are those of forward but for the input's."""
    ticks, batch, m, d = size
    augmented = name in ("augmented", *LOOPS)
    gates, d_v = (5, max(1, d // 2)) if augmented else (4, d)
    full = name in ("full", "augmented", *LOOPS)
    inner = gates * d * d_v + full * (gates - 1) * d * d + augmented * d * d_v
    return ticks * batch * (3 * inner + 2 * gates * d * m * (CONTEXT if augmented else 1))


def rate(dtype: str) -> float:
    """Multiplications a second of torch's product of two matrices of order 1024."""
    A = torch.randn(1024, 1024, dtype=DTYPES[dtype])
    return 1024**3 / min(cost(lambda: A @ A) for _ in range(7))


def measure(size: Size, dtype: str, rounds: int) -> list[Row]:
    """The ratios at one size."""
    speed, rows = rate(dtype), []
    which = list(DTYPES).index(dtype)
    asks = {name: bounds[SIZES.index(size)][which] if size in SIZES else NONE for name, bounds in MOST.items()}
    loop = MOST_OF_LOOP[SIZES.index(size)][which] if size in SIZES else NONE
    pairs = [("lstm", name, ask) for name, ask in asks.items()]
    pairs += [("cell", "augmented", loop), ("stacked", "augmented", NONE)]
    found = costs(["lstm", *MOST], size, dtype, rounds) | costs([*LOOPS, "augmented"], size, dtype, rounds)
    for reference, name, most in pairs:
        ratio = median(a / b for a, b in zip(found[name], found[reference], strict=True))
        ours, theirs = median(found[name]), median(found[reference])
        over = ours * speed / products(name, size)
        rows.append(Row(name, reference, dtype, size, 1e3 * ours, 1e3 * theirs, ratio, most, over))
    return rows


@kernels.always()
def main(rounds: int = 7, sizes: list[Size] = SIZES, memory: bool = True) -> list[Row]:
    """Measure and print every ratio."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    titles = ("reference ms", "ms", "ratio", "at most", "over products")
    print(
        f"{'layer':11}{'against':9}{'dtype':9}{'(T, batch, d_x, d_s)':22}" + "".join(f"{title:>14}" for title in titles)
    )
    rows = []
    try:
        for size in sizes:
            for dtype in DTYPES:
                for row in measure(size, dtype, rounds):
                    rows.append(row)
                    figures = (row.reference_ms, row.ms, row.ratio, row.most, row.over_products)
                    line = f"{row.layer:11}{row.reference:9}{row.dtype:9}{row.size!s:22}" + "".join(
                        f"{f:14.3f}" for f in figures
                    )
                    print(line + "  missed" * (row.ratio > row.most), flush=True)
        if memory:
            for dtype in DTYPES:
                for name in ("lstm", "full", "none", "augmented"):
                    most = float(child("memory", name, SIZES[2], dtype))
                    missed = "  missed" * (name != "lstm" and most > MOST_MEMORY)
                    print(f"memory {name:11}{dtype:9}{SIZES[2]!s:22}{most:8.1f}{missed}", flush=True)
    finally:
        torch.set_num_threads(threads)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        torch.set_num_threads(1)
        print(alone(*options.alone))
    else:
        main(options.rounds)
