"""The pictures of stability show what the analyses found."""

import numpy as np

from ode2rnn import ContinuousRNN
from ode2rnn.analysis import stability_chart
from ode2rnn.plotting import new_axes, plot_roots, plot_stability_chart, save_figure

LOOP = ContinuousRNN(-1.0, -2.0, None, None, tau=1.0)
AXES = ("gain", np.linspace(0.4, 2.0, 12)), ("tau", np.linspace(0.1, 3.0, 15))


def test_a_chart_is_drawn_from_a_model_in_one_call_with_its_boundary(tmp_path):
    figure, (one, two) = new_axes(columns=2)
    plot_stability_chart(one, LOOP, *AXES)
    chart = stability_chart(LOOP, *AXES)
    plot_stability_chart(two, chart)
    for ax in (one, two):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("gain", "tau")
        vertices = np.concatenate([path.vertices for c in ax.collections[1:] for path in c.get_paths()])
        # the Hopf curve of the gain w: tau = arccos(1/w) / sqrt(w^2 - 1)
        w = -2 * vertices[:, 0]
        inside = w < -1.3
        exact = np.arccos(1 / w[inside]) / np.sqrt(w[inside] ** 2 - 1)
        np.testing.assert_allclose(vertices[inside, 1], exact, atol=0.1)
    assert save_figure(figure, tmp_path / "chart.png").stat().st_size > 10_000


def test_grey_says_where_there_is_no_equilibrium():
    _, ax = new_axes()
    plot_stability_chart(ax, ContinuousRNN(0.0, -1.0, None, 0.5), ("gain", [0.25, 0.75, 1.0]), ("phi[0]", [0.4, 0.5]))
    assert "grey: no equilibrium (2 points)" in [text.get_text() for text in ax.texts]


def test_roots_and_multipliers_stand_side_by_side():
    figure = plot_roots(LOOP, dt=0.5, count=8)
    plane, circle = figure.axes
    assert len(plane.lines[-1].get_xdata()) == 8
    assert len(circle.lines[-1].get_xdata()) == 2
    assert len(plot_roots(LOOP).axes) == 1
