"""Retiming: a network that learned at one sampling step runs at another, with no further training (D11, K3).

An LSTM and a canonical RNN learn to forecast the yearly sunspots. Sampled m times as often, with its delay kept, each
follows its own delay equation, and the error falls with the step: order one. The input between the years is a straight
line; that is a choice, and the network feels it.

Run: python demos/10_retiming.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import torch

from ode2rnn import analysis, nn, retime, signals, training
from ode2rnn.plotting import add_legend, new_axes, plot_errors, save_figure
from ode2rnn.training.networks import Recurrent, seeded

STEPS = (1, 2, 4, 8, 16, 32, 64)


def forecast_error(task: training.Task, model: Recurrent, m: int) -> float:
    """RMSE on the test years of the trained network, run with m steps a year."""
    x = analysis.as_signal_of(task.test.x, 1.0, "linear")(torch.arange(1, 12 * m + 1).numpy() / m)
    with torch.no_grad():
        output, _ = retime(model.layer, 1 / m)(torch.as_tensor(x))
        return task.judge(model.readout(output[-1]).numpy())


def main(out: Path, epochs: int = 40, years: int = 60) -> dict[str, float]:
    """Train both, run them at finer steps; returns the fitted orders."""
    task = training.sunspots()
    x = signals.load_series("sunspots").standardized().x[-years:]
    errors, orders, used = {}, {}, {}
    for name, kind in (("LSTM", nn.VanillaLSTM), ("canonical RNN", nn.CanonicalRNN)):
        model = seeded(lambda kind=kind: Recurrent(kind(1, 6, dtype=torch.float64), outputs=1), seed=0)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        training.fit(model, task.train, task.validation, optimizer=optimizer, epochs=epochs, batch=16, clip=1.0)
        study = analysis.retiming(model.layer, x, STEPS)
        print(f"{name}, trained at one step a year\n{study}")
        for m in (1, 2, 4, 16):
            print(f"   test error at {m:2d} steps a year: {forecast_error(task, model, m):.1f} sunspots")
        errors[name], orders[name] = study.errors["readout"], study.order["readout"]
        used[name] = study.used["readout"]

    figure, ax = new_axes(7, 4.6)
    plot_errors(ax, study.dts, errors, orders, used)
    ax.set(xlabel="step dT', in years", ylabel="largest error of the readout at the years")
    add_legend(ax)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return orders


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: let forecast_error hold the input ("held" in place of "linear"). Does the forecast get better or
# worse at m = 2, and why can the test error at m = 1 not tell?
