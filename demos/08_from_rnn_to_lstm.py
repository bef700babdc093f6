"""From RNN to LSTM: what the gates buy on a task that needs memory, and what it looks like inside (B4, T7, L1 to L6).

Two networks with as many weights learn to add two marked numbers of a sequence. The gradient of the standard RNN
vanishes on its way back to the marks; the state gate of the LSTM learns to stay near 1, and the error rides on it.

Run: python demos/08_from_rnn_to_lstm.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from ode2rnn import analysis, nn, training
from ode2rnn.plotting import add_legend, new_axes, plot_flows, save_figure
from ode2rnn.training.networks import Recurrent, seeded


def main(out: Path, length: int = 40, sequences: int = 2000, epochs: int = 12) -> dict[str, float]:
    """Train both networks; returns the mean squared error of each on the test part."""
    torch.set_num_threads(1)
    task = training.adding(length, train=sequences)
    builds = {
        "standard RNN": (lambda: Recurrent(nn.StandardRNN(2, 32), outputs=1), 3e-3),
        "Vanilla LSTM": (lambda: Recurrent(nn.VanillaLSTM(2, 12, forget_bias=3.0), outputs=1), 2e-2),
    }
    errors, flows, before = {}, {}, {}
    one = task.test.x[:, 0]
    for name, (build, rate) in builds.items():
        model = seeded(build, 0)
        before[name] = analysis.gradient_flow(model.layer, one)
        adam = torch.optim.Adam(model.parameters(), lr=rate)
        training.fit(model, task.train, task.validation, optimizer=adam, epochs=epochs, batch=50, clip=1.0)
        errors[name] = task.judge(training.predict(model, task.test))
        flows[name] = analysis.gradient_flow(model.layer, one)
        print(f"{name}: mean squared error {errors[name]:.4f}, who says the mean has {1 / 6:.4f}")
        print(f"{name}: before training the gradient {before[name].trend}, after it {flows[name].trend}")

    gates = model.layer.cell().gates(one)
    figure, (left, right) = new_axes(12, 4.4, 1, 2)
    plot_flows(left, flows)
    left.set_title("After training: norms against the lag")
    open_most = int(gates.g_cs.detach().numpy().mean(axis=0).argmax())
    for name in ("g_cs", "g_cu", "s"):
        right.plot(getattr(gates, name).detach().numpy()[:, open_most], label=f"{name} of unit {open_most + 1}")
    right.plot(np.flatnonzero(one[:, 1]), [0, 0], "k^", ms=9, label="numbers to add")
    right.set(xlabel="sample n", title="The unit that keeps most, on one sequence")
    add_legend(left)
    add_legend(right, below=True, ncols=4)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: let the state gate start nearly closed (forget_bias=-2.0 above). Does the LSTM still learn to add?
# Run it, and look at g_cs: where would the learning have to come from?
