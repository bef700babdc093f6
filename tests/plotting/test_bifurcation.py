"""The picture of a bifurcation diagram shows what was found."""

import numpy as np

from ode2rnn import ContinuousRNN
from ode2rnn.analysis import Attractors, bifurcation
from ode2rnn.plotting import new_axes, plot_bifurcation, save_figure


def dots(ax, label):
    """The dots that a label stands for: the line before its mark in the legend."""
    k = next(k for k, line in enumerate(ax.lines) if line.get_label() == label)
    return ax.lines[k - 1]


def test_a_diagram_is_drawn_from_a_model_in_one_call(tmp_path):
    figure, ax = new_axes()
    loop = ContinuousRNN(-1.0, -3.0, None, None)
    plot_bifurcation(
        ax, loop, "dT", np.linspace(0.5, 2.0, 16), "implicit_linear", attractors=Attractors(2), verify=True
    )
    labels = ax.get_legend_handles_labels()[1]
    assert "flip at 1 (the solver's)" in labels
    assert "stable equilibria" in labels
    assert "others at half the step" in labels
    assert {"going up", "going down", "from fresh starts"} <= set(labels)
    up = dots(ax, "going up")
    last = up.get_ydata()[up.get_xdata() == 2.0]
    # the map's period two at dT = 2: s = (s - 6 tanh s) / 3 with s changing its sign
    assert np.abs(np.abs(last) - 1.28785).max() < 1e-4
    assert save_figure(figure, tmp_path / "map.png").stat().st_size > 10_000


def test_of_an_equation_the_extremes_are_drawn():
    found = bifurcation(
        ContinuousRNN(-1.0, -2.0, None, None, tau=1.0), "tau", [0.5, 2.0, 2.5], attractors=Attractors(2)
    )
    _, ax = new_axes()
    plot_bifurcation(ax, found)
    fresh = dots(ax, "from fresh starts")
    for tau, k in ((2.0, 1), (2.5, 2)):
        drawn = np.abs(fresh.get_ydata()[fresh.get_xdata() == tau])
        assert np.ptp(drawn) < 0.01
        assert drawn.max() >= np.abs(found.fresh[k]).max() - 1e-9
