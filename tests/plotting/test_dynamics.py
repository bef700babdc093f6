"""The pictures of motion show what the analyses found, from a system in one call."""

import numpy as np
import pytest

from ode2rnn import ContinuousRNN, discretize
from ode2rnn.analysis import fixed_points, lyapunov
from ode2rnn.plotting import new_axes, plot_fixed_points, plot_lyapunov, plot_phase_plane, save_figure

W = np.array([[0.5, -2.0], [2.0, 0.5]])
SYSTEMS = {
    "flow": ContinuousRNN(-np.eye(2), W, None, None),
    "map": discretize(ContinuousRNN(-np.eye(2), W, None, None), 1.0, "implicit_linear"),
    "line": ContinuousRNN(-1.0, 2.0, None, None),
    "cobweb": discretize(ContinuousRNN(-1.0, -3.0, None, None), 1.5, "implicit_linear"),
    "slice": ContinuousRNN(-np.eye(3), 0.5 * np.ones((3, 3)), None, None),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_phase_plane_marks_every_fixed_point(name, tmp_path):
    figure, ax = new_axes()
    plot_phase_plane(ax, SYSTEMS[name], starts=3, T=5.0, steps=20, grid=21)
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert len(marks) == len(fixed_points(SYSTEMS[name]))
    assert save_figure(figure, tmp_path / "plane.png").stat().st_size > 5_000
    assert ("held: s_3" in ax.get_title()) == (name == "slice")


def test_a_cobweb_walks_between_the_curve_and_the_diagonal():
    _, ax = new_axes()
    cell = SYSTEMS["cobweb"]
    plot_phase_plane(ax, cell, starts=[[0.2]], steps=10)
    x, y = next(line for line in ax.lines if len(line.get_xdata()) == 21).get_data()
    np.testing.assert_allclose(y[1::2], (x[1::2] + 1.5 * -3 * np.tanh(x[1::2])) / 2.5, atol=1e-12)
    np.testing.assert_allclose(y[2::2], x[2::2])


def test_a_cobweb_is_as_high_as_what_it_is_drawn_of():
    _, ax = new_axes()
    plot_phase_plane(ax, SYSTEMS["cobweb"], starts=[[9.0]], steps=40, span=[-1.0, 1.0])
    low, high = ax.get_ylim()
    assert low <= -1.0
    assert 1.0 <= high < 3.0  # and not 9, where the orbit came from


def test_fixed_points_are_shown_by_their_roots_and_named():
    _, ax = new_axes()
    plot_fixed_points(ax, ContinuousRNN(-np.eye(2), np.diag([2.0, 0.5]), None, None))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "1: stable node",
        "2: stable node",
        "3: saddle",
    ]
    _, ax = new_axes()
    plot_fixed_points(ax, fixed_points(SYSTEMS["map"]))
    assert ax.get_title() == "multipliers of 1 fixed point"


def test_exponents_are_drawn_as_they_settle():
    _, (one, two) = new_axes(columns=2)
    found = lyapunov(SYSTEMS["map"], steps=500)
    plot_lyapunov(one, found)
    plot_lyapunov(two, SYSTEMS["map"], steps=500)
    for ax in (one, two):
        ends = [line.get_ydata()[-1] for line in ax.lines[1:]]
        np.testing.assert_allclose(ends, found.exponents)
        ax.figure.canvas.draw()
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
