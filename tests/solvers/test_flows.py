"""A right-hand side of the user's own, by every method: closed forms, orders, batches, gradients, failures."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from tests.problems import fitted_order, fundamental
from tests.solvers.test_every_method import LOW_ORDER, SLACK, expected_error, settings

from ode2rnn import SimulationError, integrate, signals
from ode2rnn.core.systems.flow import Flow
from ode2rnn.solvers.methods import METHODS, Method

OTHERS = [m for m in METHODS.values() if m.name != "taylor"]  # "taylor" is for networks alone
EVERY = [pytest.param(m, id=m.name) for m in OTHERS]
FIXED = [pytest.param(m, id=m.name) for m in OTHERS if not m.adaptive]
T = np.linspace(0.0, 3.0, 61)


def logistic(t: float, s: Any) -> Any:
    """ds/dt = s (1 - s), solved by 1 / (1 + e^-t) from 1/2."""
    return s * (1 - s)


def turning(t: Any, s: Any) -> Any:
    """Not linear, and driven by the time: solved by (sin t, cos t), with no rate of its own along the circle."""
    radius = (s**2).sum(-1)
    return [s[..., 1] + s[..., 0] * (1 - radius), -s[..., 0] + s[..., 1] * (1 - radius)]


def late(t: float, s: Any, x: Any, past: Any) -> Any:
    return -past[0]


def both(t: float, s: Any, x: Any, past: Any) -> Any:
    return -past[0] - past[1]


# ds/dt = -s(t - 1)^2 from a history of 1: 1 - t, then -integral of (1 - (t - 1))^2
def squares(t: float, s: Any, x: Any, past: Any) -> Any:
    return -(past[0] ** 2)


def squared(t: np.ndarray) -> np.ndarray:
    first, second = 1 - t, ((2 - t) ** 3 - 1) / 3
    u = np.maximum(t - 2, 0)
    # s^2 of the second second, (((1 - u)^3 - 1) / 3)^2, written out and integrated
    third = -1 / 3 - (u**3 / 3 - u**4 / 2 + u**5 / 3 - u**6 / 9 + u**7 / 63)
    return np.where(t <= 1, first, np.where(t <= 2, second, third))[:, None]


def R1(t: np.ndarray) -> np.ndarray:
    u = fundamental(t, (1.0,)) - fundamental(t, (1.0,), 1) + fundamental(np.maximum(t - 1, 0), (1.0,), 1)
    return u[:, None]


def R2(t: np.ndarray) -> np.ndarray:
    return fundamental(t, (1 / 4, 1 / 2))[:, None]


CASES: dict[str, tuple[Flow, dict[str, Any], Any]] = {
    "logistic": (Flow(logistic, 1), {"history": 0.5}, lambda t: 1 / (1 + np.exp(-t))[:, None]),
    "turning": (Flow(turning, 2), {"history": [0.0, 1.0]}, lambda t: np.stack([np.sin(t), np.cos(t)], axis=1)),
    "driven": (
        Flow(lambda t, s: -(s**3) + np.sin(t) ** 3 + np.cos(t), 1),
        {"history": 0.0},
        lambda t: np.sin(t)[:, None],
    ),
    "R1": (Flow(late, 1, delays=[1.0]), {"history": 1.0}, R1),
    "R2": (Flow(both, 1, delays=[1 / 4, 1 / 2]), {"history": 0.0, "s0": 1.0}, R2),
    "R3": (
        Flow(lambda t, s, x, past: -np.pi / 2 * past[0], 1, delays=[1.0]),
        {"history": lambda t: np.cos(np.pi * np.asarray(t) / 2)[..., None]},
        lambda t: np.cos(np.pi * t / 2)[:, None],
    ),
    "R7": (
        Flow(lambda t, s, x, past: -s + past[0] / 2, 1, delays=[1.0]),
        {"history": lambda t: np.exp(-0.3149230578454061 * np.asarray(t))[..., None]},
        lambda t: np.exp(-0.3149230578454061 * t)[:, None],
    ),
    "squares": (Flow(squares, 1, delays=[1.0]), {"history": 1.0}, squared),
}


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("name", CASES)
def test_every_method_meets_the_closed_form(name: str, method: Method) -> None:
    flow, given, exact = CASES[name]
    options = settings(method)
    solution = integrate(flow, t=(0.0, 3.0), method=method.name, **given, **options)
    assert solution.stats.method == method.name
    # a start of lower order after every breaking point, in the methods of several steps
    slack = 20 if method.name == "explicit_adams" else 3
    np.testing.assert_allclose(solution(T), exact(T), rtol=0, atol=slack * expected_error(method, options))
    np.testing.assert_array_equal(solution.r, solution.s)


@pytest.mark.parametrize("method", FIXED)
@pytest.mark.parametrize("name", ["logistic", "R7"])
def test_the_order_of_every_fixed_step_is_the_declared_one(name: str, method: Method) -> None:
    flow, given, exact = CASES[name]
    steps = 2.0 ** -np.arange(2, 8) if method.order < 5 else 2.0 ** -np.arange(2, 7)
    ends = [integrate(flow, t=[0.0, 3.0], method=method.name, dt=dt, **given).s[-1] for dt in steps]
    errors = [float(np.abs(end - exact(T[-1:])[0]).max()) for end in ends]
    assert fitted_order(steps, errors, 1e-13) > method.order - 0.35


@pytest.mark.parametrize("method", ["tsit5", "spectral", "DOP853", "LSODA", "dopri5"])
@pytest.mark.parametrize("name", ["turning", "squares"])
def test_the_error_follows_the_tolerance(name: str, method: str) -> None:
    flow, given, exact = CASES[name]
    for rtol in (1e-4, 1e-7, 1e-10):
        found = integrate(flow, t=T, method=method, rtol=rtol, atol=rtol / 10, **given)
        np.testing.assert_allclose(found.s, exact(T), rtol=0, atol=60 * rtol)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("delays", [(), (0.5,)])
def test_a_batch_is_its_members(method: Method, delays: tuple[float, ...]) -> None:
    def rate(t: Any, s: Any, x: Any, past: Any = ()) -> Any:
        return -(s**3) + x + (past[0] * s if past else 0)

    flow = Flow(rate, 2, input_width=2, delays=delays)
    start = np.linspace(-1, 1, 6).reshape((3, 2))
    at, given = [0.0, 0.7, 2.0], np.random.default_rng(3).normal(size=(3, 3, 2))
    options = settings(method, 1 / 16, 1e-8)
    whole = integrate(flow, signals.Linear(at, given), t=T[:21], history=start, method=method.name, **options)
    assert whole.s.shape == (21, 3, 2)
    assert whole.x.shape == (21, 3, 2)
    for k in range(3):
        own = signals.Linear(at, given[:, k])
        one = integrate(flow, own, t=T[:21], history=start[k], method=method.name, **options)
        allowed = SLACK.get(method.name, 30.0) * options.get("rtol", 1e-12)
        np.testing.assert_allclose(whole.s[:, k], one.s, rtol=0, atol=allowed)


def test_a_function_of_one_state_takes_a_batch() -> None:
    one = Flow(lambda t, s: [s[1], -np.sin(s[0])], 2)
    many = Flow(lambda t, s: np.stack([s[..., 1], -np.sin(s[..., 0])], axis=-1), 2)
    start = np.array([[0.3, 0.0], [2.0, 0.5]])
    for method in ("auto", "spectral", "backward_euler", "Radau"):
        options = {"dt": 0.1} if method == "backward_euler" else {"rtol": 1e-8}
        ways = [integrate(f, t=T, history=start, method=method, **options).s for f in (one, many)]
        np.testing.assert_allclose(*ways, rtol=0, atol=1e-11)


class Watched:
    """A function that remembers at which times it was called."""

    def __init__(self, function: Any) -> None:
        self.function, self.times = function, []

    def __call__(self, t: Any, *rest: Any) -> Any:
        self.times.append(np.asarray(t, dtype=float).ravel())
        return self.function(t, *rest)

    @property
    def range(self) -> tuple[float, float]:
        return float(np.concatenate(self.times).min()), float(np.concatenate(self.times).max())


@pytest.mark.parametrize("method", [*EVERY, pytest.param(None, id="auto")])
@pytest.mark.parametrize("delays", [(), (0.3, 0.7)])
def test_no_function_is_called_outside_its_range(method: Method | None, delays: tuple[float, ...]) -> None:
    rate = Watched(lambda t, s, *rest: -s + np.cos(t) - (rest[1][1] if rest else 0.0))
    history = Watched(lambda t: np.cos(np.asarray(t))[..., None])
    flow = Flow(rate, 1, delays=delays)
    name, options = ("auto", {}) if method is None else (method.name, settings(method, 0.1))
    rate.times.clear()
    integrate(flow, t=(2.0, 4.0), history=history, method=name, **options)(np.linspace(2, 4, 9))
    assert 2.0 <= rate.range[0] <= rate.range[1] <= 4.0
    assert 2.0 - max(delays, default=0.0) <= history.range[0] <= history.range[1] <= 2.0


@pytest.mark.parametrize("method", EVERY)
def test_a_knot_of_the_input_is_a_breaking_point(method: Method) -> None:
    flow = Flow(lambda t, s, x: -(s - x) * (1 + s**2), 1, input_width=1)
    x = signals.Held([0.0, 1.01, 1.06, 3.0], [0.0, 0.0, 5.0, 0.0])  # on for a sixtieth of the time
    options = settings(method, 1 / 128, 1e-7)
    found = integrate(flow, x, t=(0.0, 3.0), history=0.0, method=method.name, **options)
    assert found.stats.breaking_points == 2

    def own(t: float, s: np.ndarray, on: float) -> np.ndarray:
        return -(s - on) * (1 + s**2)

    up = solve_ivp(own, (1.01, 1.06), [0.0], "DOP853", rtol=1e-12, atol=1e-13, args=(5.0,)).y[:, -1]
    down = solve_ivp(own, (1.06, 3.0), up, "DOP853", rtol=1e-12, atol=1e-13, args=(0.0,)).y[:, -1]
    allowed = 0.25 if method.name in LOW_ORDER else {1: 5e-2, 2: 5e-3, 3: 1e-3}.get(method.order, 1e-4)
    np.testing.assert_allclose(found.s[-1], down, rtol=allowed)


@pytest.mark.parametrize("method", EVERY)
def test_a_blow_up_hands_over_the_part_before_it(method: Method) -> None:
    flow = Flow(lambda t, s: s**2, 1)  # 1 / (1 - t)
    with pytest.raises(SimulationError) as caught:
        integrate(flow, t=(0.0, 30.0), history=1.0, method=method.name, **settings(method, 1 / 64))
    part = caught.value.trajectory
    assert part is not None
    assert part.status == -1
    assert np.isfinite(part.s).all()
    if method.adaptive:
        assert 0.95 < part.t[-1] < 1.02
        inner = part.t < 0.9
        np.testing.assert_allclose(
            part.s[inner, 0], 1 / (1 - part.t[inner]), rtol=0.2 if method.name in LOW_ORDER else 2e-3
        )


@pytest.mark.parametrize("method", EVERY)
def test_a_rate_that_is_no_number_stops_the_run_there(method: Method) -> None:
    flow = Flow(lambda t, s, x, past: np.where(past[0] > 0.2, past[0], np.nan) * 0 - 1.0, 1, delays=[0.5])
    with pytest.raises(SimulationError) as caught:  # s = 1 - t, which is 0.2 at 0.8
        integrate(flow, t=(0.0, 3.0), history=1.0, method=method.name, **settings(method))
    part = caught.value.trajectory
    assert part is not None
    assert 1.0 - 1e-9 <= part.t[-1] <= 1.3 + 1e-6
    np.testing.assert_allclose(part.s[:, 0], 1 - part.t, atol=1e-6)


def test_an_iterate_that_does_not_converge_is_no_solution() -> None:
    """A kink that Newton's method passes, and a jump that it cycles around."""
    flow = Flow(lambda t, s: -np.sign(s) * np.sqrt(np.abs(s)) + 0.0 * s, 1)
    found = integrate(flow, t=(0.0, 1.5), history=1.0, method="spectral", rtol=1e-6)
    np.testing.assert_allclose(found(T[:31])[:, 0], (1 - T[:31] / 2) ** 2, atol=1e-5)
    jump = Flow(lambda t, s: np.where(s > 0, -1.0, 1.0), 1)
    # s = h f(s) has no solution: neither 1 nor -1 is the rate of its own sign
    with pytest.raises(SimulationError, match=r"at t = 0\.5: Newton's method found no solution") as caught:
        integrate(jump, t=(0.0, 1.0), history=0.0, s0=0.0, method="backward_euler", dt=0.5)
    assert caught.value.trajectory is not None
    np.testing.assert_array_equal(caught.value.trajectory.s, [[0.0]])


def test_a_growth_faster_than_the_nodes_can_follow_is_followed() -> None:
    for rate in (30.0, 300.0):
        found = integrate(Flow(lambda t, s, *, k: k * s, 1, parameters={"k": rate}), t=(0.0, 2.0), history=1.0,
                          method="spectral", rtol=1e-9)  # fmt: skip
        np.testing.assert_allclose(found.s[-1], np.exp(2 * rate), rtol=1e-7)


def test_a_stiff_equation_with_a_delay_takes_long_panels() -> None:
    """Prothero and Robinson with a delayed part: s = sin t whatever the rate."""
    flow = Flow(lambda t, s, x, past: -1e6 * (s**3 - np.sin(t) ** 3) - 1e6 * (s - np.sin(t)) + np.cos(t)
                + past[0] - np.sin(t - 1), 1, delays=[1.0])  # fmt: skip
    found = integrate(flow, t=(0.0, 10.0), history=lambda t: np.sin(np.asarray(t))[..., None], rtol=1e-8)
    np.testing.assert_allclose(found.s[:, 0], np.sin(found.t), atol=1e-8)
    assert found.stats.method == "spectral"
    assert found.stats.steps < 60


def test_wide_flows_are_swept_to_convergence() -> None:
    d = 80
    rng = np.random.default_rng(4)
    W = rng.normal(size=(d, d)) / np.sqrt(d)
    flow = Flow(lambda t, s, x, past: -s + np.tanh(s) @ W.T + np.tanh(past[0]), d, delays=[1.0])
    ways = [integrate(flow, t=T, history=np.linspace(-1, 1, d), method=m, rtol=1e-9, atol=1e-11) for m in
            ("spectral", "DOP853")]  # fmt: skip
    np.testing.assert_allclose(ways[0].s, ways[1].s, rtol=0, atol=1e-7)


AUTO = {
    "one": (Flow(logistic, 1), 0.5, "LSODA"),
    "many": (Flow(logistic, 1), [[0.5], [0.2]], "tsit5"),
    "many, stiff": (Flow(lambda t, s: -1e7 * (s - 1), 1), [[0.5], [0.2]], "Radau"),
    "delays": (Flow(late, 1, delays=[1.0]), 1.0, "spectral"),
    "tensors": (Flow(logistic, 1), torch.tensor([0.5]), "tsit5"),
    "tensors, delays": (Flow(late, 1, delays=[1.0]), torch.tensor([0.5]), "spectral"),
}


@pytest.mark.parametrize("name", AUTO)
def test_the_method_is_chosen_by_the_kind_of_the_problem(name: str) -> None:
    flow, history, method = AUTO[name]
    assert integrate(flow, t=(0.0, 3.0), history=history).stats.method == method


@pytest.mark.parametrize("t", [(0.0, 3.0), T])
def test_lsoda_in_one_call_is_lsoda_step_by_step(t: Any) -> None:
    flow, given, exact = CASES["turning"]
    found = integrate(flow, t=t, **given, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.s, exact(np.asarray(found.t)), rtol=0, atol=1e-7)
    between = np.linspace(0, 3, 500)
    np.testing.assert_allclose(found(between), exact(between), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(found(found.t), found.s)


def test_a_time_has_one_state_whenever_it_is_asked_for() -> None:
    flow, given, exact = CASES["turning"]
    found = integrate(flow, t=(0.0, 3.0), **given, rtol=1e-6, atol=1e-6)
    first, later = np.linspace(0, 3, 101), np.linspace(0.01, 2.99, 57)
    one = found(1.2345)  # before many times are asked for, and after
    many = found(first)
    np.testing.assert_allclose(found(first[::-1]), many[::-1], rtol=1e-14)
    np.testing.assert_allclose(found(first[17]), many[17], rtol=1e-14)
    np.testing.assert_allclose(found(1.2345), one, rtol=1e-14)
    np.testing.assert_array_equal(found(found.t), found.s)
    np.testing.assert_allclose(found(later), exact(later), rtol=0, atol=1e-4)
    again = integrate(flow, t=(0.0, 3.0), **given, rtol=1e-6, atol=1e-6)
    many = again(first)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again))(first), many)
    np.testing.assert_allclose(again(later), exact(later), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(again(first), many)
    np.testing.assert_array_equal(again(again.t), again.s)


def test_an_input_is_seen_by_lsoda_as_by_a_function_of_time() -> None:
    t = np.linspace(0.0, 3.0, 61)
    inputs = {
        "sine": (signals.Sine(2.0, 3.0), lambda t: 2 * np.sin(3 * t)),
        "function": (np.cos, np.cos),
        "none": (None, lambda t: 0.0),
        "line": (signals.Linear([0.0, 3.0], [1.0, 4.0]), lambda t: 1.0 + t),
    }
    pair = Flow(lambda t, s, x: np.array([s[1] + x[0], -s[0]]), 2, input_width=1)
    for x, function in inputs.values():
        alone = Flow(lambda t, s, function=function: np.array([s[1] + function(t), -s[0]]), 2)
        found = integrate(pair, x, t=t, history=[1.0, 0.0], method="LSODA", rtol=1e-10, atol=1e-12)
        other = integrate(alone, t=t, history=[1.0, 0.0], method="DOP853", rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.s, other.s, rtol=0, atol=1e-8)


def test_a_spike_between_equal_parts_has_times_of_its_own() -> None:
    vdp = Flow(lambda t, s, *, mu: [s[1], mu * (1 - s[0] ** 2) * s[1] - s[0]], 2, parameters={"mu": 1000.0})
    found = integrate(vdp, t=(0.0, 3000.0), history=[2.0, 0.0])
    assert np.abs(found.s[:, 1]).max() > 1000  # a jump of a thousandth of a unit of time
    assert np.diff(found.t).min() < 0.02 < 3000 / 512 < np.diff(found.t).max() + 1e-9


@pytest.mark.parametrize("method", [m.name for m in OTHERS if m.family != "scipy" and m.name not in LOW_ORDER])
@pytest.mark.parametrize("delays", [(), (0.5,)])
def test_gradients_are_differences(method: str, delays: tuple[float, ...]) -> None:
    options = settings(METHODS[method], 1 / 16, 1e-9)
    t = [0.0, 0.6, 1.5]

    def rate(t: Any, s: Any, x: Any, past: Any = (), *, k: Any, w: Any) -> Any:
        moved = [k * s[..., 1] - s[..., 0] ** 3 + x[..., 0], -w * s[..., 0] * s[..., 1] - s[..., 1]]
        late = past[0] if past else s
        own = torch.stack(moved, dim=-1) if isinstance(s, torch.Tensor) else np.stack(moved, axis=-1)
        return own + w * late**2 / 4

    def E(k: Any, w: Any, start: Any, x: Any) -> Any:
        flow = Flow(rate, 2, input_width=1, delays=delays, parameters={"k": k, "w": w})
        found = integrate(flow, signals.Linear([0.0, 0.7, 2.0], x), t=t, history=start, method=method, **options)
        return (found.s[1:] ** 2).sum() + found.s[-1, 0]

    values = (np.array(1.3), np.array(0.4), np.array([0.8, -0.5]), np.array([[0.3], [1.0], [-0.2]]))
    leaves = [torch.tensor(v, requires_grad=True) for v in values]
    own = E(*leaves)
    found = torch.autograd.grad(own, leaves)
    np.testing.assert_allclose(float(own.detach()), E(float(values[0]), float(values[1]), *values[2:]), rtol=1e-6)
    # two steps of differences of tensors by the same method, in one random direction of all at once
    rng = np.random.default_rng(1)
    along = [rng.normal(size=v.shape) for v in values]

    def moved(h: float) -> float:
        with torch.no_grad():
            return float(E(*(torch.tensor(v + h * a) for v, a in zip(values, along, strict=True))))

    h = 2e-3
    slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
    total = sum(float((g.numpy() * a).sum()) for g, a in zip(found, along, strict=True))
    # step sizes follow the numbers, and so do differences, to the tolerance over the step
    assert total == pytest.approx(slope, rel=2e-5)


def test_the_adjoint_of_a_flow_is_its_gradient() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()

    class Rate(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, t: Any, s: torch.Tensor) -> torch.Tensor:
            return self.net(s) - s

    flow = Flow(Rate(), 2)
    found = []
    for adjoint in (False, True):
        solution = integrate(flow, t=T[::20], history=[0.5, -0.3], method="dopri5", rtol=1e-9, adjoint=adjoint)
        found.append(torch.autograd.grad(solution.s.square().sum(), list(net.parameters())))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-8)
    hidden = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    secret = Flow(lambda t, s: -hidden * s, 1)
    start = torch.tensor([1.0], dtype=torch.float64)
    with pytest.raises(ValueError, match="adjoint: the rate depends on tensors that the adjoint equation cannot see"):
        integrate(secret, t=T[::20], history=start, method="dopri5", adjoint=True)


def test_what_a_flow_cannot_be_given_is_refused_by_name() -> None:
    flow = Flow(logistic, 1)
    refused = {
        r"model: .* got a function; say Flow\(f, width\) or Map\(f, width\)": {"model": logistic},
        r"x: the model has no input": {"x": signals.Constant(1.0)},
        r"history: expected shape \(..., 1\)": {"history": [1.0, 2.0]},
        r"method: 'taylor' needs": {"method": "taylor"},
        r"dt: 'euler' has a fixed step": {"method": "euler"},
        r"method: 'DOP853' runs in NumPy": {"history": torch.ones(1), "method": "DOP853"},
        r"model: expected a rate that takes tensors": {
            "model": Flow(lambda t, s: np.asarray(s) * 2.0, 1),
            "history": torch.ones(1),
        },
    }
    for says, changed in refused.items():
        given = {"model": flow, "x": None, "history": 0.5, "t": (0.0, 1.0)} | changed
        with pytest.raises(ValueError, match=says):
            integrate(given.pop("model"), given.pop("x"), **given)
    with pytest.raises(ValueError, match=r"dt: expected a step that divides the delay 1, got 0\.3"):
        integrate(Flow(late, 1, delays=[1.0]), t=(0.0, 2.0), history=1.0, method="rk4", dt=0.3)


def test_a_list_of_flows_is_solved_one_by_one() -> None:
    flows = [Flow(lambda t, s, *, k: k * s * (1 - s), 1, parameters={"k": k}) for k in (1.0, 2.0)]
    found = integrate(flows, t=T, history=0.5)
    for k, rate in enumerate((1.0, 2.0)):
        np.testing.assert_allclose(found.s[:, k, 0], 1 / (1 + np.exp(-rate * T)), atol=1e-5)


def test_a_solution_goes_on_from_a_solution() -> None:
    flow, given, exact = CASES["squares"]
    first = integrate(flow, t=(0.0, 1.5), **given, rtol=1e-10, atol=1e-12)
    rest = integrate(flow, t=np.linspace(1.5, 3.0, 7), history=first, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rest.s, exact(rest.t), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["Radau", "spectral", "backward_euler", "BDF"])
@pytest.mark.parametrize("history", [[0.5, -1.0], [[0.5, -1.0], [1.0, 0.2]]])
def test_a_jacobian_of_the_users_own_is_used(method: str, history: Any) -> None:
    calls = []

    def jacobian(t: Any, s: Any) -> Any:
        calls.append(t)
        zero = 0 * s[..., 0]
        rows = [[zero, zero + 1], [-np.cos(s[..., 0]), zero - 0.1]]
        return np.moveaxis(np.array(rows), (0, 1), (-2, -1))

    def rate(t: Any, s: Any) -> Any:
        return np.stack([s[..., 1], -np.sin(s[..., 0]) - 0.1 * s[..., 1]], axis=-1)

    given = Flow(rate, 2, jacobian=jacobian)
    calls.clear()
    options = {"dt": 0.1} if method == "backward_euler" else {"rtol": 1e-9, "atol": 1e-11}
    ways = [integrate(f, t=T, history=history, method=method, **options).s for f in (given, Flow(rate, 2))]
    assert len(calls) > 0
    np.testing.assert_allclose(*ways, rtol=0, atol=1e-8)


class Oscillator(Flow):
    """A flow that is written as a class."""

    def __init__(self, omega: float) -> None:
        self.width, self.input_width, self.delays, self.parameters = 2, 0, (), {}
        self.omega = omega

    def rate(self, t: float, s: Any, past: Any = (), x: Any = None) -> Any:
        turned = [s[..., 1], -(self.omega**2) * s[..., 0]]
        return torch.stack(turned, dim=-1) if isinstance(s, torch.Tensor) else np.stack(turned, axis=-1)

    def readout(self, s: Any) -> Any:
        return s[..., :1] ** 2


@pytest.mark.parametrize("method", EVERY)
def test_a_flow_that_is_a_class_is_solved_and_shows_its_readout(method: Method) -> None:
    options = settings(method, 1 / 64)
    found = integrate(Oscillator(2.0), t=T, history=[1.0, 0.0], method=method.name, **options)
    np.testing.assert_allclose(found.s[:, 0], np.cos(2 * T), atol=64 * expected_error(method, options))
    np.testing.assert_array_equal(found.r, found.s[:, :1] ** 2)


class Echo(Flow):
    """s' = v(t - 1), v(t) = v(t - 1) / 2 + s(t): later times see v beside s, and the rate is no relaxation."""

    width, input_width, delays, parameters, feedback_width = 1, 0, (1.0,), {}, 1

    def __init__(self) -> None:
        self._on_time = False

    def rate(self, t: Any, s: Any, past: Any = (), x: Any = None) -> Any:
        return past[0][..., 1:] + 0 * s

    def feedback(self, t: Any, s: Any, past: Any, x: Any) -> Any:
        return 0.5 * past[0][..., 1:] + s


@pytest.mark.parametrize("method", ["auto", "tsit5", "DOP853", "Radau"])
def test_a_flow_of_ones_own_may_feed_back_a_readout_beside_s(method: str) -> None:
    found = integrate(Echo(), t=(0.0, 3.0), history=([0.0], [1.0]), method=method, rtol=1e-10, atol=1e-12)
    # on (0, 1]: s = t, v = 1/2 + t; on (1, 2]: s' = v(t - 1), so s = 1 + (t - 1) / 2 + (t - 1)^2 / 2
    np.testing.assert_allclose(found([0.5, 1.0, 2.0])[:, 0], [0.5, 1.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(found.readout([0.5, 1.0, 2.0])[:, 0], [1.0, 1.5, 0.75 + 2.0], atol=1e-9)
    np.testing.assert_allclose(found.readout(1.5), 0.5 * 1.0 + 1 + 0.25 + 0.125, atol=1e-9)
    with pytest.raises(ValueError, match="method: 'spectral' needs tau > 0, where the equation is linear"):
        integrate(Echo(), t=(0.0, 3.0), history=[0.0], method="spectral")
