"""Unrolling: how long must a segment be?  One cell that forgets, one that does not, cut up (U4, U5, B1 to B5).

To train a network we write its loop out as a chain, and we cut the chain into segments of K samples, because nobody can
hold it all. What did the cut cost? A cell that forgets does not mind. A cell that never forgets minds at any K.

The one that does not forget sits in a saturated state, where G' is small: it remembers for ever, and yet its gradients
vanish. A memory that lasts is no memory that can be learned.

Run: python demos/06_unrolling.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

from ode2rnn import CanonicalRNN, analysis, bptt, run, signals, unroll
from ode2rnn.plotting import add_legend, new_axes, save_figure


def main(out: Path, most: int = 100) -> dict[str, int | None]:
    """Study both cells on the sunspot series; returns the smallest K for one per cent of the state, or None."""
    x = signals.load_series("sunspots").standardized().x
    cells = {
        "forgets": CanonicalRNN(
            W_s=[[0.6, -0.2], [0.2, 0.6]], W_r=0.2 * np.eye(2), W_x=[[0.5], [0.2]], theta_s=[0.1, 0.0]
        ),
        "never forgets": CanonicalRNN(W_s=np.zeros((2, 2)), W_r=3 * np.eye(2), W_x=[[0.2], [0.1]], theta_s=[0.0, 0.0]),
    }
    smallest = {}
    figure, (left, right) = new_axes(10, 4, 1, 2)
    for name, cell in cells.items():
        study = analysis.truncation(cell, x, most=most)
        smallest[name] = study.smallest(0.01)
        print(f"{name}: {study.summary()}")
        left.semilogy(study.lengths, study.error / study.scale, label=name)

        # the same question backwards: how far does an error at the last sample reach?
        flow = analysis.gradient_flow(cell, x)
        print(f"{name}: a gradient {flow.trend}; Lyapunov exponent {flow.exponents[0]:.3f} a sample")
        right.semilogy(flow.lags, flow.norms, label=name)

        # the unrolled network is the segments, each from zero; its gradients are truncated BPTT
        K, weights = 25, np.ones((len(x), 2))
        whole, cut = bptt(cell, x, weights), bptt(cell, x, weights, segment=K, carry=False)
        assert np.array_equal(run(unroll(cell, K), x).s, cut.trajectory.s)
        share = np.linalg.norm(cut.gradients.W_r - whole.gradients.W_r) / np.linalg.norm(whole.gradients.W_r)
        print(f"{name}: segments of {K} samples change dE/dW_r by {share:.1%}")
    left.set(xlabel="the last K samples", ylabel="share of the state from before them")
    right.set(xlabel="lag n - l", ylabel="||d s[n] / d s[l]||", ylim=(1e-40, 10))
    for ax in (left, right):
        add_legend(ax)
    print("wrote", save_figure(figure, out / f"{Path(__file__).stem}.png"))
    return smallest


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    main(parser.parse_args().out)

# Predict first: W_r = 1.5 I in place of 3 I for the cell that never forgets. It still has two states to choose from,
# but is less sure of itself. Does a segment exist now that is long enough? Do its gradients reach further, or less
# far?
