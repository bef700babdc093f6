"""Fixed points of flows, maps and layers, with their types."""

import numpy as np
import pytest
import torch

from ode2rnn import (
    AdditiveModel,
    CanonicalRNN,
    ContinuousRNN,
    Flow,
    Sampled,
    System,
    TappedRNN,
    discretize,
    nn,
    run,
)
from ode2rnn.analysis import characteristic_roots, discrete_roots, fixed_points
from ode2rnn.analysis.equilibria import fixed_points as search
from ode2rnn.analysis.equilibria.fixed_points import classify
from ode2rnn.analysis.equilibria.newton_starts import newton_starts
from ode2rnn.analysis.subject import as_subject, at_rest
from ode2rnn.core.systems.flat import Flat

BEER = np.array([[4.5, 1.0], [-1.0, 4.5]])
THETA = np.array([-2.75, -1.75])
LAYERS = {
    "RNN": lambda: torch.nn.RNN(3, 5, num_layers=2),
    "relu": lambda: torch.nn.RNN(3, 5, nonlinearity="relu"),
    "LSTM": lambda: torch.nn.LSTM(3, 4, num_layers=2),
    "LSTM without bias": lambda: torch.nn.LSTM(3, 4, bias=False),
    "GRU": lambda: torch.nn.GRU(3, 4, num_layers=3),
    "Standard": lambda: nn.StandardRNN(3, 5, num_layers=2),
    "Canonical": lambda: nn.CanonicalRNN(3, 5, num_layers=2, dt=0.3),
}


def test_beers_oscillator_rests_where_the_reference_says_and_winds_out():
    def f(t, y):
        return -y + BEER @ (1 / (1 + np.exp(-(y + THETA))))

    rate = Flow(f, 2)

    starts = np.random.default_rng(0).uniform(-6, 6, size=(40, 2))
    for found in (
        fixed_points(rate, starts=starts),
        fixed_points(ContinuousRNN(-np.eye(2), BEER, None, THETA, activation="sigmoid"), spread=6.0),
    ):
        assert len(found) == 1
        point = found[0]
        np.testing.assert_allclose(np.sort_complex(point.roots), [0.125 - 0.25j, 0.125 + 0.25j], atol=1e-9)
        assert (point.name, point.side, point.unstable, point.stable) == ("unstable spiral", "Hopf", 2, False)
    np.testing.assert_allclose(fixed_points(rate, starts=starts)[0].s, [2.75, 1.75], atol=1e-10)
    turned = fixed_points(ContinuousRNN(-np.eye(2), BEER.T, None, THETA, activation="sigmoid"), spread=6.0)
    assert any(p.stable for p in turned.points)


def test_two_attractors_and_the_saddle_between_them():
    model = ContinuousRNN(-np.eye(2), np.array([[2.0, 0.0], [0.0, 0.5]]), None, None)
    found = fixed_points(model)
    assert [p.name for p in found.points] == ["stable node", "stable node", "saddle"]
    rest = found[0].s[0]
    assert rest == pytest.approx(2 * np.tanh(rest), rel=1e-12)
    assert len(found.failed) == 0
    assert sum(p.hits for p in found.points) + len(found.slow) <= found.starts
    assert all(p.residual < 1e-12 for p in found.points)
    assert "stable node" in found.table()


def test_where_a_pair_of_fixed_points_has_just_vanished_there_is_a_slow_point():
    gap = 0.01
    # -s + 2 tanh s has the extremum sqrt(2)/2 ...: phi just above it leaves one fixed point and one slow point
    top = np.arccosh(np.sqrt(2.0))
    phi = top - 2 * np.tanh(top) - gap
    found = fixed_points(ContinuousRNN(-1.0, 2.0, None, phi), starts=np.linspace(-4, 4, 41)[:, None])
    assert len(found) == 1
    assert found[0].stable
    np.testing.assert_allclose(found.slow, [[top]], atol=1e-3)
    np.testing.assert_allclose(found.speeds, [gap], rtol=1e-4)


def test_starts_that_leave_are_told():
    found = fixed_points(Flow(lambda t, s: np.exp(s) + 1.0, 1), starts=[[0.0], [1.0]])
    assert len(found) == 0
    assert len(found.failed) + len(found.slow) > 0
    nowhere = fixed_points(ContinuousRNN(0.0, 1.0, None, 2.0))  # s' = 2 + tanh s
    assert (len(nowhere), len(nowhere.failed) + len(nowhere.slow) > 0) == (0, True)


def test_an_interrupt_keeps_what_was_found(monkeypatch):
    model = ContinuousRNN(-np.eye(2), np.diag([2.0, 0.5]), None, None)
    whole, calls = fixed_points(model, starts=64), []

    def first_block_only(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return newton_starts(*args)

    monkeypatch.setattr(search, "newton_starts", first_block_only)
    monkeypatch.setattr(search, "BLOCK", 16)
    part = fixed_points(model, starts=64)
    assert (whole.complete, part.complete) == (True, False)
    assert len(part) >= 1
    assert len(part.failed) == 48
    assert "interrupted" in part.table()


@pytest.mark.parametrize("at", [10, 16])  # before the last start has ended, and while the steps are polished
def test_an_interrupt_keeps_the_starts_of_a_block_that_have_ended(at):
    calls: list[int] = []

    class Twice(Flow):
        width, input_width, delays, parameters = 1, 0, (), {}

        def __init__(self):
            self._on_time = False

        def rate(self, t, s, past=(), x=None):
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            return s * s - 1.0

        def rate_jvp(self, t, s, past, x, ds, d_past=()):
            return 2 * s * ds

    # the first start is at rest already, the last far away
    starts = np.array([[1.0], [-1.0], [900.0]])
    part = fixed_points(Twice(), starts=starts)
    assert not part.complete
    np.testing.assert_allclose(part.states, [[-1.0], [1.0]], atol=1e-9)
    assert len(part.failed) == (at == 10)


def test_a_delay_moves_no_equilibrium_but_its_roots():
    model = ContinuousRNN(-1.0, -3.0, None, None, tau=2.0)
    found = fixed_points(model)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].s, [0.0], atol=1e-12)
    roots = characteristic_roots(model, [0.0], count=len(found[0].roots))
    np.testing.assert_allclose(found[0].roots, roots)
    assert found[0].unstable == (roots.real > 0).sum() == 2
    assert roots[-1].real < 0
    assert found[0].name == "saddle-focus"
    assert fixed_points(ContinuousRNN(-1.0, -3.0, None, None, tau=0.3))[0].name == "stable spiral"
    assert fixed_points(ContinuousRNN(-1.0, -3.0, None, None, tau=0.1))[0].name == "stable node"


def test_the_samples_rest_where_the_flow_does_and_lose_stability_by_their_own_side():
    W = np.array([[0.5, -2.0], [2.0, 0.5]])
    flow = ContinuousRNN(-np.eye(2), W, None, None)
    assert fixed_points(flow)[0].name == "stable spiral"
    for dt, name in ((0.30, "stable spiral, Neimark-Sacker side"), (0.31, "unstable spiral, Neimark-Sacker side")):
        assert fixed_points(discretize(flow, dt, "implicit_linear"))[0].name == name
    loop = ContinuousRNN(-1.0, -3.0, None, None)
    for dt, name in ((0.98, "stable node, flip side"), (1.02, "unstable node, flip side")):
        assert fixed_points(discretize(loop, dt, "implicit_linear"))[0].name == name


@pytest.mark.parametrize("method", ["backward_euler", "spectral"])
def test_the_ticks_of_a_sampled_delay_equation_are_a_map_that_rests_where_it_does(method):
    model = ContinuousRNN(-1.0, -3.0, 1.0, None, tau=0.5)
    found = fixed_points(Sampled(model, 0.25, method, substeps=2), x=[0.4])
    assert found.discrete
    np.testing.assert_allclose(found.states, fixed_points(model, [0.4]).states, rtol=1e-11)
    np.testing.assert_allclose(found[0].roots, discrete_roots(Sampled(model, 0.25, method, 2), found[0].s), rtol=1e-9)
    assert found[0].side == "Neimark-Sacker"


def test_a_cell_with_taps_rests_where_a_run_of_it_ends():
    model = AdditiveModel(state=[(-1.0, 0.0), (-0.3, 0.5)], readout=[(0.8, 1.0)], input=[(1.0, 0.25)], phi=[0.2])
    cell = discretize(model, 0.25, "tustin")
    assert isinstance(cell, TappedRNN)
    found = fixed_points(cell, x=[0.7])
    end = run(cell, np.full((2000, 1), 0.7)).s[-1]
    assert len(found) == 1
    assert found[0].stable
    np.testing.assert_allclose(found[0].s, end, atol=1e-12)
    np.testing.assert_array_equal(found[0].roots, discrete_roots(cell, found[0].s))
    implicit = ContinuousRNN(-1.0, 0.8, 1.0, 0.2)
    np.testing.assert_allclose(
        fixed_points(discretize(implicit, 0.25), [0.7]).states, fixed_points(implicit, [0.7]).states, rtol=1e-12
    )


def test_ticks_of_a_runge_kutta_method_rest_at_spurious_points_too():
    model = ContinuousRNN(-1.0, 3.0, None, None)
    true = fixed_points(model).states.ravel()
    calm = fixed_points(Sampled(model, 0.1, "midpoint"))
    np.testing.assert_allclose(np.sort(calm.states.ravel()), np.sort(true), atol=1e-9)
    wild = fixed_points(Sampled(model, 3.0, "midpoint"), starts=128, spread=6.0)
    extra = [s for s in wild.states.ravel() if np.abs(true - s).min() > 1e-3]
    assert extra, "the midpoint rule with dT = 3 has fixed points that the equation has not"
    assert calm[0].roots[0] == pytest.approx(discrete_roots(Sampled(model, 0.1, "midpoint"), calm[0].s)[0], abs=1e-8)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_the_map_its_own_call_is_and_its_jacobian_is_that_of_autograd(name):
    torch.manual_seed(1)
    layer = LAYERS[name]().double()
    rule = at_rest(as_subject(layer))
    rng = np.random.default_rng(0)
    x, S = rng.normal(size=3), rng.normal(size=(6, rule.size))
    lstm = isinstance(layer, torch.nn.LSTM)

    def call(flat):
        hx = torch.stack(flat.split(layer.hidden_size, dim=-1))[:, None]
        half = len(hx) // 2
        _, last = layer(torch.tensor(x)[None, None], (hx[:half], hx[half:]) if lstm else hx)
        return torch.cat([part.flatten() for part in (last if lstm else (last,))])

    u = rule.constant(x)
    for s in S:
        exact = call(torch.tensor(s)).detach().numpy()
        np.testing.assert_allclose(rule.advance(s, u), exact, atol=1e-14)
        jacobian = torch.autograd.functional.jacobian(call, torch.tensor(s)).numpy()
        np.testing.assert_allclose(rule.jacobian(s[None], u)[0], jacobian, atol=1e-13)
    np.testing.assert_allclose(rule.advance(S, u), [rule.advance(s, u) for s in S], atol=1e-14)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "Standard", "Canonical"])
def test_the_fixed_points_of_a_layer_are_left_by_none_of_its_ticks(name):
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    with torch.no_grad():
        for p in layer.parameters():
            p.mul_(2.5)
    found = fixed_points(layer, x=[0.3, -0.2, 0.1])
    rule = at_rest(as_subject(layer))
    u = rule.constant([0.3, -0.2, 0.1])
    assert len(found) >= 1
    for p in found.points:
        assert np.abs(rule.advance(p.s, u) - p.s).max() < 1e-12 * (1 + np.abs(p.s).max())
        assert p.stable == (np.abs(p.roots).max() < 1)
    assert sum(length for _, length in found.names) == rule.size


def test_a_cell_of_another_kind_goes_through_torch():
    cell = CanonicalRNN(0.5 * np.eye(3), np.random.default_rng(0).normal(size=(3, 3)), np.ones((3, 1)), np.zeros(3))
    W_s, W_r, W_x = (torch.tensor(W) for W in (cell.W_s, cell.W_r, cell.W_x))

    class Own(System):
        """A cell that the package does not know, in torch: its tangents are automatic derivatives."""

        dt, width, input_width, like = 1.0, 3, 1, W_s

        def init(self, s0):
            return (s0,)

        def readout(self, state):
            return state[0], state[0]

        def step(self, state, x):
            return (state[0] @ W_s.T + torch.tanh(state[0]) @ W_r.T + x @ W_x.T,)

    one, two = Flat(Own()), Flat(cell)
    S, V = np.random.default_rng(1).normal(size=(4, 3)), np.random.default_rng(2).normal(size=(4, 2, 3))
    u = one.constant([0.4])
    np.testing.assert_allclose(one.advance(S, u), two.advance(S, two.constant([0.4])), atol=1e-14)
    np.testing.assert_allclose(one.push(S, V, u), two.push(S, V, two.constant([0.4])), atol=1e-14)
    np.testing.assert_allclose(fixed_points(Own()).states, fixed_points(cell).states, atol=1e-9)


@pytest.mark.parametrize(
    ("roots", "discrete", "expected"),
    [
        ([-1, -2], False, ("node", "fold", 0)),
        ([-1 + 1j, -1 - 1j, -3], False, ("spiral", "Hopf", 0)),
        ([-1, -3 + 1j, -3 - 1j], False, ("node", "fold", 0)),
        ([2, 1], False, ("node", "fold", 2)),
        ([1, -1], False, ("saddle", "fold", 1)),
        ([1, -1 + 1j, -1 - 1j], False, ("saddle-focus", "fold", 1)),
        ([1j, -1j], False, ("non-hyperbolic", "Hopf", 0)),
        ([-1.5, 0.3], True, ("saddle", "flip", 1)),
        ([0.9, -0.3], True, ("node", "fold", 0)),
        ([0.9j, -0.9j, 0.0], True, ("spiral", "Neimark-Sacker", 0)),
    ],
)
def test_types_by_the_leading_roots(roots, discrete, expected):
    assert classify(np.array(roots), discrete) == expected


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: fixed_points("rnn"), "system: expected a System"),
        (lambda: fixed_points(ContinuousRNN(-1.0, 1.0, 1.0, None), x=[1.0, 2.0]), "x: expected shape"),
        (lambda: fixed_points(ContinuousRNN(-1.0, 1.0, None, None), starts=[1.0]), "starts: expected"),
        (lambda: fixed_points(ContinuousRNN(-1.0, 1.0, None, None), starts=[[1.0, 2.0]]), "starts: expected shape"),
        (lambda: fixed_points(lambda s: s), r"say Flow\(f, width\) or Map\(f, width\)"),
        (lambda: fixed_points(torch.nn.GRU(2, 3, bidirectional=True)), "one direction"),
        (lambda: fixed_points(torch.nn.Linear(2, 3)), "system: expected torch's RNN"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
