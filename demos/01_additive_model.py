"""The additive model: a neuron leaks, listens to the others, and is pushed from outside (C7).

    ds/dt = A s + B G(s) + C x + phi

Each term is one sentence. A s: what a neuron holds drains away. B G(s): each hears how strongly the others fire, and
no neuron fires more than fully, which is what the sigmoid G says. C x: the world outside. phi: what a neuron tends to
alone. We write the terms one after the other, and watch what each of them brings: rest, a rhythm, and rest again.

Run: python demos/01_additive_model.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import AdditiveModel, integrate, signals
from ode2rnn.plotting import add_legend, new_axes, plot_states, save_figure


def main(out: Path, end: float = 60.0) -> dict[str, float]:
    """Solve three models, each with one term more; returns how far each still swings at the end."""
    # two neurons that excite themselves; the second excites the first, the first inhibits the second
    leak = [(-np.eye(2), 0.0)]
    wires = [([[4.5, 1.0], [-1.0, 4.5]], 0.0)]  # row i: what neuron i hears
    outside = [([[1.0], [0.0]], 0.0)]  # the input reaches the first neuron only
    phi = [-2.75, -1.75]
    models = {
        "the leak alone: rest": AdditiveModel(state=leak, phi=phi, activation="sigmoid"),
        "and the wires: a rhythm": AdditiveModel(state=leak, readout=wires, phi=phi, activation="sigmoid"),
        "and a steady push: rest again": AdditiveModel(leak, wires, outside, phi, "sigmoid"),
    }
    t, swing = np.linspace(0.0, end, 1200), {}
    figure, axes = new_axes(8, 6.5, 3, 1, sharex=True)
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        push = signals.Constant(2.0) if model.input_width else None
        solution = integrate(model, push, t=(0.0, end), history=[0.5, 0.5])
        late = solution(np.linspace(0.6 * end, end, 600))
        swing[name] = float(np.ptp(late, axis=0).max())
        print(f"{name}; the states still move by {swing[name]:.4f}")
        plot_states(ax, t, solution(t))
        ax.set(title=name[0].upper() + name[1:], ylabel="s")
    add_legend(axes[0], ncols=2)
    axes[-1].set_xlabel("time")
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return swing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: swap the 1.0 and the -1.0 in the wires, so that the first neuron is inhibited and the second excited.
# Nothing else changes. Does the rhythm go on, the other way round? Then run it, and say what phi has to do with it.
