"""The LSTM as a differential equation: a forget gate is a rate of leaking, seen once every dT (K1, K2, K3).

One LSTM, its delay equation, and the same equation sampled four times as often, under a square wave. The forget gate is
drawn beside the rate that it stands for: e^(-alpha_cs) / dT, which belongs to the equation and knows of no dT.

Run: python demos/09_lstm_equation.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import VanillaLSTM, integrate, retime, run, signals, undiscretize
from ode2rnn.plotting import COLOURS, add_legend, new_axes, save_figure


def main(out: Path, ticks: int = 40) -> dict[str, float]:
    """Draw the three; returns the largest error of v at the samples, for the LSTM and for it at dT / 4."""
    rng, d = np.random.default_rng(3), 2
    gates = ("cu", "cs", "du", "cr")
    weights = {f"W_x{gate}": 1.2 * rng.standard_normal((d, 1)) for gate in gates}
    weights |= {f"W_v{gate}": rng.standard_normal((d, d)) for gate in gates}
    weights |= {f"b_{gate}": 0.5 * rng.standard_normal(d) for gate in gates}
    cell = VanillaLSTM(**weights, dt=1.0)

    t = np.arange(1.0, ticks + 1)
    x = np.where((t - 1) % 16 < 8, 1.0, -1.0)[:, None]
    held = signals.Held(t, x)  # x[n] on (t[n-1], t[n]], as the recursion has it
    model = undiscretize(cell)  # ds/dt = -kappa_s s + kappa_u u, delayed by tau = dT
    exact = integrate(model, held, t=(0.0, t[-1]), history=np.zeros(d), rtol=1e-9, atol=1e-11)
    own, fine = run(cell, x), run(retime(cell, 0.25), np.repeat(x, 4, axis=0))
    errors = {
        "dT": float(np.abs(own.r - exact.readout(t)).max()),
        "dT / 4": float(np.abs(fine.r[3::4] - exact.readout(t)).max()),
    }
    for label, error in errors.items():
        print(f"step {label}: v is off its equation by {error:.1e} at most")

    figure, (top, bottom) = new_axes(9, 5.4, 2, 1, sharex=True, height_ratios=[1.6, 1])
    at = np.linspace(1e-6, t[-1], 2000)
    top.plot(at, exact.readout(at)[:, 0], color="0.15", lw=1.4, label="delay equation (K1)")
    top.plot(t, own.r[:, 0], "o", color=COLOURS[0], ms=6, mfc="none", label="the LSTM, step dT")
    top.plot(t, fine.r[3::4, 0], "D", color=COLOURS[1], ms=4, mfc="none", label="the same, step dT / 4")
    top.set_ylabel("readout $v_1$")
    add_legend(top, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    g_cs = cell.gates(x).g_cs[:, 0]
    kappa = (1 / g_cs - 1) / cell.dt
    bottom.step(t, g_cs, where="pre", color=COLOURS[2], label="forget gate $g_{cs}$")
    bottom.step(t, kappa, where="pre", color=COLOURS[3], label=r"rate $\kappa_s = (1 / g_{cs} - 1) / dT$")
    bottom.set_xlabel("time, in steps dT")
    bottom.set_ylim(0, 1.05)
    add_legend(bottom, ncols=2, loc="lower left", bbox_to_anchor=(0, 0.98))
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: write x as signals.Linear in place of signals.Held. Which of the kinks of v go, and which stay? (v(t)
# depends on v(t - tau) directly, so that a kink comes back after every delay.)
