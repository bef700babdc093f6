"""The plane shows the system's own field, orbits and fixed points, and says what it holds."""

import numpy as np
import pytest
import torch

from ode2rnn import ContinuousRNN, Flow, Map, Sampled, discretize, integrate, run
from ode2rnn.analysis import phase_plane

W = np.array([[0.5, -2.0], [2.0, 0.5]])
FLOW = ContinuousRNN(-np.eye(2), W, None, [0.1, 0.2])


def test_the_field_of_a_flow_is_its_rate_and_its_orbits_are_its_solutions():
    plane = phase_plane(FLOW, starts=[[1.0, 0.5], [-1.0, 2.0]], T=5.0, grid=7)
    assert plane.field.shape == (7, 7, 2)
    for i, b in enumerate(plane.b):
        for k, a in enumerate(plane.a):
            np.testing.assert_allclose(plane.field[i, k], FLOW.rate(0.0, np.array([a, b])), atol=1e-14)
    exact = integrate(FLOW, t=(0.0, 5.0), history=[1.0, 0.5])
    np.testing.assert_allclose(plane.orbits[0][-1], exact(np.array([5.0]))[0], atol=1e-5)
    assert (plane.names, plane.held, plane.discrete) == (("s_1", "s_2"), "", False)
    np.testing.assert_allclose(plane.places, plane.points.states)
    np.testing.assert_array_equal(plane.off, 0)


def test_the_field_of_a_map_is_its_displacement_and_its_orbits_are_its_iterates():
    cell = discretize(FLOW, 0.5, "implicit_linear")
    for system in (cell, discretize(ContinuousRNN(-np.eye(2), W, None, [0.1, 0.2], tau=1.0), 0.5)):
        plane = phase_plane(system, starts=[[1.0, 0.5]], steps=20, span=((-1, 1), (-2, 2)), grid=3)
        assert plane.discrete
        np.testing.assert_allclose(plane.orbits[0][1:], run(system, 20, [1.0, 0.5]).s, atol=1e-13)
        assert (plane.a.tolist(), plane.b.tolist()) == ([-1, 0, 1], [-2, 0, 2])
    plane = phase_plane(cell, starts=2, span=((-1, 1), (-2, 2)), grid=3)
    np.testing.assert_allclose(plane.field[0, 2], run(cell, 1, [1.0, -2.0]).s[0] - [1.0, -2.0], atol=1e-14)
    same = phase_plane(Sampled(ContinuousRNN(-np.eye(2), W, None, None, tau=0.5), 0.5), starts=[[1.0, 0.5]], steps=9)
    bare = discretize(ContinuousRNN(-np.eye(2), W, None, None, tau=0.5), 0.5)
    np.testing.assert_allclose(same.orbits[0][1:], run(bare, 9, [1.0, 0.5]).s, atol=1e-13)


def test_a_slice_names_what_it_holds():
    model = ContinuousRNN(-np.eye(3), 0.5 * np.ones((3, 3)), None, [0.0, 0.0, 0.3])
    plane = phase_plane(model, axes=(2, 0), at=[0.0, 0.7, 0.0], starts=3, grid=5)
    assert (plane.names, plane.held) == (("s_3", "s_1"), "held: s_2 = 0.7")
    state = np.array([plane.b[1], 0.7, plane.a[4]])
    np.testing.assert_allclose(plane.field[1, 4], model.rate(0.0, state)[[2, 0]], atol=1e-14)
    assert plane.off.min() > 0
    delayed = phase_plane(ContinuousRNN(-np.eye(2), W, None, None, tau=1.0), starts=2, grid=3)
    assert delayed.held == "field: a past at rest"


def test_principal_axes_hold_the_plane_in_which_the_orbits_lie():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    # a rotation in one plane, everything else dies out at once
    A = Q @ np.block([[W - 0.5 * np.eye(2), np.zeros((2, 3))], [np.zeros((3, 2)), -9 * np.eye(3)]]) @ Q.T
    plane = phase_plane(ContinuousRNN(A, np.zeros((5, 5)), None, None), axes="principal", starts=4, T=20.0, grid=5)
    inside = Q[:, :2].T @ plane.axes.T
    np.testing.assert_allclose(inside @ inside.T, np.eye(2), atol=1e-4)
    assert "100.0% of the variance" in plane.held
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-12)


def test_one_number_gives_a_line_and_a_function_is_taken_too():
    line = phase_plane(ContinuousRNN(-1.0, 2.0, None, None), starts=[[1.0]], grid=9)
    np.testing.assert_allclose(line.field[:, 0], -line.a + 2 * np.tanh(line.a))
    assert (len(line.points), line.b.size, line.orbits[0].shape[1]) == (3, 0, 1)
    pendulum = phase_plane(
        Flow(lambda t, s: np.array([s[1], -np.sin(s[0])]), 2), starts=[[1.0, 0.0], [0.1, 0.0]], T=6.0
    )
    energy = 0.5 * pendulum.orbits[0][:, 1] ** 2 - np.cos(pendulum.orbits[0][:, 0])
    assert np.ptp(energy) < 1e-6


def test_an_orbit_that_leaves_ends_where_it_left():
    plane = phase_plane(Flow(lambda t, s: s**2, 1), starts=[[1.0], [-1.0]], T=5.0)
    assert np.isfinite(plane.orbits[0]).all()
    assert len(plane.orbits[0]) < len(plane.orbits[1])
    torch.manual_seed(0)
    plane = phase_plane(torch.nn.LSTM(1, 2), x=[0.3], starts=2, steps=5, grid=3)
    assert plane.names == ("h_1", "h_2")
    assert plane.held.startswith("held: c_1 = ")


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: phase_plane(FLOW, axes=(0, 2)), "axes: expected two different indices below 2"),
        (lambda: phase_plane(FLOW, axes="best"), "axes: expected one of principal"),
        (lambda: phase_plane(FLOW, span=((1, -1), (0, 1))), "span: expected 2 pairs"),
        (lambda: phase_plane(FLOW, starts=[[1.0]]), "starts: expected shape"),
        (lambda: phase_plane(FLOW, at=[1.0]), "at: expected shape"),
        (lambda: phase_plane("flow"), "system: expected"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_orbits_that_leave_do_not_take_the_picture_along():
    plane = phase_plane(Map(lambda s: 3.7 * s * (1 - s), 1), starts=[[0.3], [-0.5], [0.6], [1.5]])
    assert [len(orbit) > 100 for orbit in plane.orbits] == [True, False, True, False]
    assert -0.5 < plane.a[0] < plane.a[-1] < 1.5
