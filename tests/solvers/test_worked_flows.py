"""Equations that people bring: neurons, chaos, a gene switch, liquid time constants, torch modules, a GRU as a flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from ode2rnn import GRU, ContinuousGRU, ContinuousRNN, integrate, signals
from ode2rnn.core.systems.flow import Flow

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def fitzhugh_nagumo(t: float, s: np.ndarray, *, current: float) -> list[float]:
    v, w = s
    return [v - v**3 / 3 - w + current, 0.08 * (v + 0.7 - 0.8 * w)]


def test_the_neuron_of_fitzhugh_and_nagumo_fires_between_its_two_hopf_points() -> None:
    swings = {}
    for current in (0.2, 0.5, 1.6):
        neuron = Flow(fitzhugh_nagumo, 2, parameters={"current": current})
        found = integrate(neuron, t=np.linspace(0, 400, 2001), history=[0.3, 0.1])
        swings[current] = np.ptp(found.s[1000:, 0])
    assert swings[0.2] < 1e-2 > swings[1.6]
    assert swings[0.5] > 3.0


def lorenz(t: float, s: np.ndarray, *, rho: float) -> list[float]:
    return [10 * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def test_methods_agree_on_the_lorenz_attractor_as_long_as_rounding_allows() -> None:
    flow, start = Flow(lorenz, 3, parameters={"rho": 28.0}), [1.0, 1.0, 1.0]
    ways = {m: integrate(flow, t=[0.0, 12.0], history=start, method=m, **TIGHT).s[-1] for m in
            ("auto", "tsit5", "spectral", "DOP853", "dopri8")}  # fmt: skip
    for end in ways.values():
        np.testing.assert_allclose(end, ways["DOP853"], rtol=0, atol=1e-4)
    # it contracts volumes at the constant rate -(10 + 1 + 8/3)
    s = np.array([1.0, 2.0, 20.0])
    J = np.stack([flow.rate_jvp(0.0, s, (), None, e) for e in np.eye(3)], axis=1)
    assert np.trace(J) == pytest.approx(-(11 + 8 / 3), abs=1e-9)


def test_a_liquid_time_constant_cell_rests_between_its_poles_and_has_gradients() -> None:
    """ds/dt = -(1 / tau + f) s + f a, f = sigma(w x + r s + b): its time constant is tau / (1 + tau f)."""
    x = signals.Linear([0.0, 1.0, 4.0], [[0.0], [2.0], [-1.0]])

    def run(r: Any, a: Any) -> Any:
        def rate(t: Any, s: Any, x: Any, *, r: Any, a: Any) -> Any:
            f = 1 / (1 + torch.exp(-(1.5 * x + r * s - 0.5)))
            return -(0.5 + f) * s + f * a

        cell = Flow(rate, 1, input_width=1, parameters={"r": r, "a": a})
        start = torch.zeros(1, dtype=torch.float64)
        return integrate(cell, x, t=np.linspace(0, 4, 9), history=start, rtol=1e-10, atol=1e-12).s

    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 2.0)]
    states = run(*leaves)
    assert float(states.detach().min()) >= 0  # between 0 and a, whatever the input
    assert float(states.detach().max()) <= 2.0
    found = torch.autograd.grad(states.square().sum(), leaves)
    for k in range(2):
        h = np.eye(2)[k] * 1e-4
        ends = [float(run(*(np.array([0.7, 2.0]) + sign * h)).square().sum()) for sign in (1, -1)]
        assert float(found[k]) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5)


def switch(t: Any, s: Any, x: Any, past: Any) -> Any:
    """Two genes that repress each other, a delay after; the Hill function is defined for s >= 0 alone."""
    hill = 1 / (1 + past[0] ** 2.5)
    return 4 * np.stack([hill[..., 1], hill[..., 0]], axis=-1) - s


@pytest.mark.parametrize("method", ["auto", "tsit5", "DOP853", "BDF", "rk4", "backward_euler"])
def test_a_delayed_gene_switch_remembers_which_gene_led(method: str) -> None:
    genes = Flow(switch, 2, delays=[1.5])
    options = {"dt": 0.05} if method in ("rk4", "backward_euler") else {"rtol": 1e-7}
    for lead in (0, 1):
        start = np.where(np.arange(2) == lead, 1.0, 0.1)
        found = integrate(genes, t=(0.0, 60.0), history=start, method=method, **options)
        assert (found.s >= 0).all()
        high, low = found.s[-1, lead], found.s[-1, 1 - lead]
        assert high > 3 > 0.5 > low
        np.testing.assert_allclose([high, low], [4 / (1 + low**2.5), 4 / (1 + high**2.5)], atol=1e-4)


class CTRNN(torch.nn.Module):
    """tau ds/dt = -s + W tanh(s) + b, as a module of torch."""

    def __init__(self, d: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.recurrent = torch.nn.Linear(d, d)
        self.log_tau = torch.nn.Parameter(torch.zeros(d))

    def forward(self, t: Any, s: torch.Tensor) -> torch.Tensor:
        return (-s + self.recurrent(torch.tanh(s))) / self.log_tau.exp()


def test_a_ctrnn_module_is_integrated_with_its_weights_and_gradients() -> None:
    net = CTRNN(4).double()
    times, start = np.linspace(0, 3, 7), np.array([0.5, -0.2, 0.1, 0.9])
    found = integrate(Flow(net, 4), t=times, history=start, **TIGHT)
    W, b = (p.detach().numpy() for p in net.recurrent.parameters())
    same = ContinuousRNN(-np.eye(4), W, None, b)
    np.testing.assert_allclose(found.s.detach(), integrate(same, t=times, history=start, **TIGHT).s, atol=1e-9)
    own = torch.autograd.grad(found.s.square().sum(), list(net.parameters()))
    tensors = [torch.tensor(v, requires_grad=True) for v in (W, b)]
    other = integrate(ContinuousRNN(-np.eye(4), tensors[0], None, tensors[1]), t=times, history=start, **TIGHT)
    theirs = torch.autograd.grad(other.s.square().sum(), tensors)
    named = dict(zip([name for name, _ in net.named_parameters()], own, strict=True))
    np.testing.assert_allclose(named["recurrent.weight"], theirs[0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(named["recurrent.bias"], theirs[1], rtol=1e-7, atol=1e-9)
    assert (named["log_tau"] != 0).all()


def gru(d: int = 3, m: int = 2, dt: float = 0.5) -> GRU:
    rng = np.random.default_rng(6)
    shapes = {"x": (d, m), "v": (d, d)}
    W = {f"W_{a}{g}": rng.normal(size=shapes[a]) for a in "xv" for g in "zrh"}
    return GRU(**W, **{f"b_{g}": rng.normal(size=d) for g in "zrh"}, b_vh=rng.normal(size=d), dt=dt)


def test_backward_euler_with_the_delay_of_a_step_is_the_gru() -> None:  # K6
    cell, N = gru(), 12
    x = np.random.default_rng(1).normal(size=(N, 2))
    start = np.array([0.2, -0.5, 0.7])
    held = signals.Held(cell.dt * np.arange(1, N + 1), x)  # x[n] on (t[n-1], t[n]]
    found = integrate(
        ContinuousGRU(cell), held, t=(0.0, N * cell.dt), history=start, method="backward_euler", dt=cell.dt
    )
    state, ticks = cell.init(start), []
    for row in x:
        state = cell.step(state, row)
        ticks.append(cell.readout(state)[0])
    np.testing.assert_allclose(found.s[1:], ticks, rtol=0, atol=1e-13)


def test_finer_steps_of_the_gru_are_samples_of_its_flow() -> None:  # K6
    cell = gru()
    flow, x, start = ContinuousGRU(cell, 0.0), np.array([0.4, -1.0]), np.array([0.2, -0.5, 0.7])
    signal = signals.Constant(x)
    exact = integrate(flow, signal, t=[0.0, 2.0], history=start, **TIGHT).s[-1]
    own = solve_ivp(lambda t, s: flow.rate(t, s, (), x), (0, 2), start, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(exact, own, atol=1e-8)
    errors = []
    for lag in (8, 16, 32, 64, 128):
        dt = 2.0 / (4 * lag)
        late = ContinuousGRU(cell, dt)
        end = integrate(late, signal, t=[0.0, 2.0], history=start, method="backward_euler", dt=dt).s[-1]
        errors.append(np.abs(end - exact).max())
    slope = np.polyfit(np.log([8, 16, 32, 64, 128]), np.log(errors), 1)[0]
    assert -1.15 < slope < -0.85
