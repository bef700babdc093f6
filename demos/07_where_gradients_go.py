"""Where gradients go: an error made at the end of a sequence, on its way back to the beginning (B1 to B5, T7).

To learn, the network must tell every earlier sample how it took part in the error of the last one. In an RNN the
message is multiplied at every tick by W_r and by the slope of the tanh, which is below 1: like a whisper passed along a
row of people, it is gone after a few dozen. In an LSTM the state hands it on through one gate, and a gate near 1 loses
next to nothing. Same length, same input, same error; one network hears it at the first sample and one does not.

Run: python demos/07_where_gradients_go.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter

from ode2rnn import CanonicalRNN, VanillaLSTM, analysis
from ode2rnn.plotting import COLOURS, add_legend, new_axes, save_figure


def networks(d: int = 8, gate: float = 4.0, wires: float = 0.1) -> dict[str, CanonicalRNN | VanillaLSTM]:
    """An RNN, and an LSTM with weak wires between its units, whose state gates are near sigmoid(gate) = 0.98."""
    rng = np.random.default_rng(0)
    W_r = rng.standard_normal((d, d))
    W_r *= 0.9 / np.abs(np.linalg.eigvals(W_r)).max()
    rnn = CanonicalRNN(W_s=np.zeros((d, d)), W_r=W_r, W_x=rng.standard_normal((d, 1)), theta_s=np.zeros(d))
    weights = {}
    for letter in ("cu", "cs", "du", "cr"):
        weights[f"W_x{letter}"] = 0.5 * rng.standard_normal((d, 1))
        weights[f"W_v{letter}"] = wires * rng.standard_normal((d, d)) / np.sqrt(d)
        weights[f"b_{letter}"] = np.full(d, gate if letter == "cs" else 0.0)
    return {"RNN": rnn, "LSTM": VanillaLSTM(**weights)}


def main(out: Path, ticks: int = 80, frames: int = 20) -> dict[str, float]:
    """Send one error back through both; returns what arrives at the first sample, as a share of what left the last."""
    x = np.random.default_rng(1).standard_normal((ticks, 1))
    errors = {}
    for name, cell in networks().items():
        flow = analysis.gradient_flow(cell, x)  # psi[n]: what the state at n has to do with the last readout
        errors[name] = flow.psi_norms / flow.psi_norms[-1]
        print(f"{name}: {errors[name][0]:.1e} of the error arrives at sample 0; it {flow.trend}")

    figure, ax = new_axes(7.5, 4)
    writer, film = PillowWriter(fps=5), out / f"{Path(__file__).stem}.gif"
    out.mkdir(parents=True, exist_ok=True)
    with writer.saving(figure, film, dpi=70):
        for reached in np.linspace(ticks - 2, 0, frames).round().astype(int):  # the error goes from right to left
            ax.clear()
            for k, (name, error) in enumerate(errors.items()):
                ax.semilogy(np.arange(reached, ticks), error[reached:], color=COLOURS[k], lw=2, label=name)
                ax.plot(reached, error[reached], "<", color=COLOURS[k], ms=9)
            ax.set(xlim=(-2, ticks), ylim=(1e-8, 10), xlabel="sample n", ylabel="|psi[n]|, over the last")
            ax.set_title(f"The error of sample {ticks - 1} has come back to sample {reached}")
            add_legend(ax, loc="lower right")
            writer.grab_frame()
    print("wrote", film, "and", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return {name: float(error[0]) for name, error in errors.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: what arrives at sample 0 if the state gate is half open (gate = 0, so g_cs is near 0.5)? Less than in
# the RNN? And if 0.9 in the RNN becomes 1.5: does the error grow on its way back, as powers of 1.5 do, or does the
# slope of the tanh hold it? Last, wires = 0.25: can more than the whole error arrive?
