"""Backward Euler cannot blow up. But is it right?  The solver that makes an unstable spiral stable (C10, D6).

Two neurons feed each other, ds/dt = -s + W tanh(s). The eigenvalues of the flow at 0 are 0.1 + 2i and 0.1 - 2i: it
leaves rest, slowly, and turns for ever. Backward Euler multiplies each mode by 1 / (1 - dT lambda) at every step, and
a fast turn makes that small, whatever the mode does: above dT = 2 Re(lambda) / |lambda|^2 the unstable spiral dies
out.

So a method may be stable and wrong. Nothing explodes, and no number looks odd: the oscillation is just gone.
The trapezoidal rule (tustin) keeps growing modes growing at any step; forward Euler errs on the other side.

Run: python demos/05_backward_euler.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import ContinuousRNN, analysis, integrate
from ode2rnn.plotting import COLOURS, add_legend, new_axes, save_figure

W = np.array([[1.1, -2.0], [2.0, 1.1]])


def main(out: Path, end: float = 60.0) -> dict[float, float]:
    """Solve the network at three steps; returns the late amplitude, by dT (0: the true one)."""
    network = ContinuousRNN(-np.eye(2), W, None, None)
    mode = complex(analysis.characteristic_roots(network, count=1)[0])
    critical = 2 * mode.real / abs(mode) ** 2
    print(f"mode {mode:.2f}: backward Euler calls it stable above dT = {critical:.4f}")

    figure, (left, right) = new_axes(10.5, 4.4, 1, 2)
    amplitude = {}
    for k, dt in enumerate((0.0, 0.02, 0.1, 0.25)):
        step = {"method": "backward_euler", "dt": dt} if dt else {}
        t = np.arange(0.0, end, dt or 0.02)
        s = integrate(network, t=t, history=[0.3, 0.0], **step).s
        amplitude[dt] = float(np.abs(s[-len(s) // 5 :]).max())
        name = f"backward Euler, dT = {dt}" if dt else "the network"
        print(f"{name}: late amplitude {amplitude[dt]:.4f}")
        left.plot(t, s[:, 0], color=COLOURS[k - 1] if dt else "0.75", lw=1.2 if dt else 4.0, label=name)
    left.set(xlabel="time", ylabel="$s_1$", title="One network, four answers")
    add_legend(left, below=True, ncols=2)

    # what one unit of time does to the mode, under each rule: above 1 it grows
    dts = np.linspace(0.001, 0.3, 300)
    for name in ("forward_euler", "tustin", "backward_euler"):
        factor = np.array([abs(complex(analysis.pole_image(mode, dt, name))) for dt in dts])
        right.plot(dts, factor ** (1 / dts), label=name)
    right.axhline(np.exp(mode.real), color="0.6", lw=4, zorder=0, label="the network")
    right.axhline(1.0, color="0.3", lw=1, ls=":")
    right.axvline(critical, color="0.3", lw=1, ls="--")
    right.set(xlabel="step dT", ylabel="growth in one unit of time", ylim=(0.5, 2.0), title="Above 1 the spiral opens")
    add_legend(right, below=True, ncols=2)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return amplitude


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: make the spiral turn at half the speed (1.0 and -1.0 in place of 2.0 and -2.0 in W). Can backward Euler
# take longer steps now before it loses the oscillation, and by what factor? Forward Euler: does any step make it right?
