"""Equations that people bring answer every question as independent solvers and closed forms do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tests.contracts import brute, worked
from typer.testing import CliRunner

from ode2rnn import Flow, Sampled, bptt, integrate, run, signals
from ode2rnn.analysis import (
    bifurcation,
    characteristic_roots,
    convergence,
    discrete_roots,
    fixed_points,
    gradient_flow,
    phase_plane,
    truncation,
)
from ode2rnn.cli import app

HELD = 0.2
START = {"lorenz": [1.0, 1.0, 20.0], "switch": [1.0, 0.1], "neuron": [0.3, 0.1], "liquid": [0.5]}
PARAMETER = {"neuron": "current", "lorenz": "rho", "liquid": "target", "switch": "beta"}
ORDINARY = ["neuron", "lorenz", "liquid", "network", "gated"]
LATE = ["switch", "late_gated"]
every = pytest.mark.parametrize("name", [*ORDINARY, *LATE])


def flow_of(name: str) -> tuple[Flow, np.ndarray | None, np.ndarray]:
    """The flow, the constant input that it is looked at under, and a state to start from."""
    flow: Flow = getattr(worked, name)
    start = np.array(START.get(name, 0.3 + 0.1 * np.arange(flow.width)))
    return flow, np.full(1, HELD) if flow.input_width else None, start


def solved(name: str, T: float) -> np.ndarray:
    """s(T) by scipy, one delay after another where there is one: an own method of steps."""
    flow, x, s = flow_of(name)
    given = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13, "dense_output": True}
    if not flow.delays:
        return solve_ivp(lambda t, s: flow.rate(t, s, (), x), (0, T), s, **given).y[:, -1]
    tau, past, t = flow.delays[0], lambda t, s=s: s, 0.0
    while t < T - 1e-12:
        end = min(t + tau, T)
        found = solve_ivp(lambda u, y, past=past: flow.rate(u, y, (past(u - tau),), x), (t, end), s, **given)
        s, t, past = found.y[:, -1], end, found.sol
    return s


@every
@pytest.mark.parametrize("method", ["auto", "tsit5", "spectral", "DOP853", "Radau", "LSODA", "rk4"])
def test_it_is_solved_as_scipy_solves_it(name: str, method: str) -> None:
    flow, x, start = flow_of(name)
    options: dict[str, Any] = {"dt": 1 / 512} if method == "rk4" else {"rtol": 1e-9, "atol": 1e-11}
    found = integrate(
        flow, None if x is None else signals.Constant(x), t=(0.0, 2.0), history=start, method=method, **options
    )
    np.testing.assert_allclose(found.s[-1], solved(name, 2.0), rtol=1e-6, atol=1e-6)


@every
def test_its_samples_are_its_solution_and_backward_euler_tends_to_it(name: str) -> None:
    flow, x, start = flow_of(name)
    inputs = 200 if x is None else np.tile(x, (200, 1))
    for method in ("rk4", "tsit5", "spectral") if flow.delays else ("rk4", "tsit5", "LSODA"):
        found = run(Sampled(flow, 1 / 128 if name == "lorenz" else 1 / 100, method), inputs, start).s[-1]
        expected = solved(name, 200 / 128 if name == "lorenz" else 2.0)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    dts = (0.004 if name == "lorenz" else 0.1) * 0.5 ** np.arange(5)
    signal = None if x is None else signals.Constant(x)
    study = convergence(flow, signal, t=(0.0, 0.4 if name == "lorenz" else 1.0), history=start, dts=dts)
    assert study.order["final"] == pytest.approx(1.0, abs=0.2)


@every
def test_it_rests_where_its_rate_is_zero_with_the_roots_of_its_jacobian(name: str) -> None:
    flow, x, _ = flow_of(name)
    found = fixed_points(flow, x, starts=32, spread=10.0 if name == "lorenz" else 2.0)
    assert len(found) >= {"lorenz": 3, "switch": 1}.get(name, 1)
    for s in found.states:
        late = (s,) * len(flow.delays)
        np.testing.assert_allclose(flow.rate(0.0, s, late, x), 0, atol=1e-9)
        roots = characteristic_roots(flow, s, count=2, x=x)
        now = brute.difference(lambda at, late=late: flow.rate(0.0, at, late, x), s)
        before = brute.difference(lambda at, s=s: flow.rate(0.0, s, (at,), x), s) if flow.delays else 0 * now
        for root in roots:
            Delta = root * np.eye(flow.width) - now - before * np.exp(-root * sum(flow.delays))
            sizes = np.linalg.svd(Delta, compute_uv=False)
            assert sizes[-1] <= 1e-6 * max(1.0, sizes[0])
        if not flow.delays:
            z = discrete_roots(Sampled(flow, 0.125), s, x=x)
            by_root = 1 / (1 - 0.125 * np.linalg.eigvals(now))  # D6
            np.testing.assert_allclose(np.sort(np.abs(z)), np.sort(np.abs(by_root)), atol=1e-6)


@every
def test_the_field_of_the_plane_is_its_rate(name: str) -> None:
    flow, x, start = flow_of(name)
    plane = phase_plane(flow, x, starts=start[None], T=0.5, grid=3)
    for j in range(3 if flow.width > 1 else 1):
        at = plane.centre + plane.a[1] * plane.axes[0]
        if flow.width > 1:
            at = at + plane.b[j] * plane.axes[1]
        with np.errstate(invalid="ignore"):  # the Hill function of a negative number
            rate = flow.rate(0.0, at, (at,) * len(flow.delays), x)
        field = plane.field[j, 1] if flow.width > 1 else plane.field[1]
        if np.isfinite(rate).all():
            np.testing.assert_allclose(field, plane.axes @ rate, atol=1e-9)


@pytest.mark.parametrize("name", PARAMETER)
@pytest.mark.parametrize("method", ["backward_euler", "rk4", "spectral"])
def test_gradients_of_its_samples_are_differences(name: str, method: str) -> None:
    flow, x, start = flow_of(name)
    dt = 0.015625 if name == "lorenz" else 0.25
    inputs: Any = 6 if x is None else np.random.default_rng(0).normal(size=(6, 1))
    weight = np.random.default_rng(1).normal(size=(6, flow.width))
    back = bptt(Sampled(flow, dt, method), inputs, weight, start)
    names = list(flow.parameters)

    def E(values: np.ndarray) -> np.ndarray:
        own = flow.with_weights(dict(zip(names, values, strict=True)))
        return np.array([(weight * run(Sampled(own, dt, method), inputs, start).r).sum()])

    slopes = brute.difference(E, np.array([flow.parameters[n] for n in names]))[0]
    found = [float(back.gradients.weights()[n]) for n in names]
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-7)
    of_start = brute.difference(
        lambda s: np.array([(weight * run(Sampled(flow, dt, method), inputs, s).r).sum()]), start
    )[0]
    np.testing.assert_allclose(back.s0_bar, of_start, rtol=1e-5, atol=1e-6)


def test_the_neuron_begins_to_fire_where_its_trace_is_zero() -> None:
    v = np.array([-1.0, 1.0]) * np.sqrt(1 - 0.064)  # 1 - v^2 - 0.08 * 0.8 = 0
    hopf = v**3 / 3 - v + (v + 0.7) / 0.8
    for subject in (worked.neuron, Sampled(worked.neuron, 0.001)):
        found = bifurcation(subject, "current", [0.0, 2.0], attractors=False)
        values = [p.value for p in found.points]
        np.testing.assert_allclose(values, hopf, atol=1e-8 if subject is worked.neuron else 2e-3)
    assert [p.kind for p in bifurcation(worked.neuron, "current", [0.0, 2.0], attractors=False).points] == ["Hopf"] * 2


def test_lorenz_has_its_pitchfork_and_its_hopf_points() -> None:
    found = bifurcation(worked.lorenz, "rho", [0.5, 30.0], attractors=False)
    kinds = [(p.kind, round(p.value, 6)) for p in found.points]
    hopf = 10 * (10 + 8 / 3 + 3) / (10 - 8 / 3 - 1)
    assert kinds == [("pitchfork", 1.0), ("Hopf", round(hopf, 6)), ("Hopf", round(hopf, 6))]


def test_the_gene_switch_has_two_states_from_where_its_slope_is_one_and_swings_where_its_delay_is_long() -> None:
    found = bifurcation(worked.switch, "beta", [1.0, 4.0], attractors=False)
    s = (2 / 3) ** 0.4  # 2.5 s^2.5 / (1 + s^2.5) = 1
    assert [p.kind for p in found.points] == ["pitchfork"]
    assert found.points[0].value == pytest.approx(s * (1 + 2 / 3), abs=1e-8)
    over_delay = bifurcation(worked.switch, "tau", [0.5, 3.0], attractors=False)
    rest = next(r.real for r in np.roots([1, 0, 0, 0, 0, 1, 0, -4.0]) if abs(r.imag) < 1e-12 and r.real > 0) ** 2
    g = 2.5 * rest**2.5 / (1 + rest**2.5)  # both genes alike: lambda = -1 - g e^(-lambda tau)
    tau = np.arccos(-1 / g) / np.sqrt(g**2 - 1)
    assert min(abs(p.value - tau) for p in over_delay.points if p.kind == "Hopf") < 1e-7


def test_what_the_samples_of_a_delay_equation_remember_fades() -> None:
    """Each window of truncation by a run of its own."""
    cell = Sampled(worked.switch, 0.25)
    study = truncation(cell, 12, most=8)
    s = run(cell, 12).s
    for K in (1, 3, 8):  # without input all windows of a length are alike
        end = run(cell, K).s[-1]
        assert study.error[K - 1] == pytest.approx(np.linalg.norm(s[K - 1 :] - end, axis=-1).max(), rel=1e-9)


def test_the_module_of_torch_is_its_flow_sampled_by_forward_euler() -> None:
    x = np.random.default_rng(0).normal(size=(9, 1))
    found = brute.to_numpy(run(worked.ticks, x).s)
    same = run(Sampled(worked.network, 0.2, "euler"), x).s
    np.testing.assert_allclose(found, same, atol=1e-12)
    flows = [gradient_flow(subject, x) for subject in (worked.ticks, Sampled(worked.network, 0.2, "euler"))]
    np.testing.assert_allclose(flows[0].log_norms, flows[1].log_norms, atol=1e-6)


@pytest.mark.parametrize("name", ["neuron", "lorenz", "liquid", "switch", "network", "ticks"])
def test_the_commands_take_it_from_its_file(name: str, tmp_path: Path) -> None:
    file = Path(worked.__file__)
    start = START.get(name, [0.3, 0.4, 0.5][: getattr(worked, name).width])
    config = tmp_path / "own.toml"
    config.write_text(
        f'[model]\nfile = "{file}:{name}"\n[solver]\nt = [0, 2]\nhistory = {start}\n'
        f'[output]\ncsv = "{tmp_path / "out.csv"}"\nplot = "{tmp_path / "out.png"}"\n'
    )
    result = CliRunner().invoke(app, ["simulate", str(config)])
    assert result.exit_code == 0, result.output
    last = np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1)[-1]
    subject = getattr(worked, name)
    if isinstance(subject, Flow):
        expected = integrate(subject, t=(0.0, 2.0), history=start).s[-1]
    else:
        expected = brute.to_numpy(run(subject, np.zeros((10, 1)), np.array(start)).s[-1])
    np.testing.assert_allclose(last[1 : 1 + subject.width], expected, rtol=1e-3, atol=1e-3)
    if name == "lorenz":  # minutes
        return
    arguments = ["analyze", f"{file}:{name}", "--out", str(tmp_path / "found"), "--length", "100"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
