"""A cell and a flow that the package does not know answer what its own do, from one file each and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.contracts import brute, mgu, two_neurons
from typer.testing import CliRunner

from ode2rnn import (
    ACTIVATIONS,
    Activation,
    ContinuousRNN,
    Flow,
    Sampled,
    bptt,
    impulse_response,
    integrate,
    nn,
    retime,
    run,
    signals,
    undiscretize,
    unroll,
)
from ode2rnn.analysis import (
    Attractors,
    Equilibria,
    bifurcation,
    characteristic_roots,
    convergence,
    discrete_roots,
    fixed_points,
    gradient_flow,
    lyapunov,
    phase_plane,
    stability_chart,
    truncation,
)
from ode2rnn.cli import app
from ode2rnn.plotting import (
    new_axes,
    plot_bifurcation,
    plot_fixed_points,
    plot_lyapunov,
    plot_phase_plane,
    plot_stability_chart,
)
from ode2rnn.training.gradients.clipping import clip

CELL, FLOW = mgu.cell, two_neurons.model
HELD = np.array([0.4])
X = np.random.default_rng(0).normal(size=(12, 1))
HERE = Path(__file__).parent


def test_the_cell_is_short() -> None:
    lines = (HERE / "mgu.py").read_text().split("class MGU")[1].split("\n\n\ndef random")[0].splitlines()
    assert len(lines) < 60


def test_its_gradients_are_differences_of_its_runs() -> None:
    s0, weight = 0.3 * np.ones(3), np.random.default_rng(1).normal(size=(12, 3))
    back = bptt(CELL, X, weight, s0)
    of_x = brute.difference(lambda x: np.array([(weight * run(CELL, x, s0).r).sum()]), X)
    np.testing.assert_allclose(back.x_bar.ravel(), of_x[0], atol=1e-8)
    for name, value in CELL.weights().items():

        def changed(a: np.ndarray, name: str = name) -> np.ndarray:
            own = CELL.with_weights({**CELL.weights(), name: a})
            return np.array([(weight * run(own, X, s0).r).sum()])

        slopes = brute.difference(changed, value)[0].reshape(value.shape)
        np.testing.assert_allclose(getattr(back.gradients, name), slopes, atol=1e-7)


def test_it_learns_to_add_up_by_plain_gradient_steps() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(15, 20, 1))
    target = np.tanh(np.cumsum(0.3 * x, axis=0))
    cell: Any = CELL
    losses = []
    of_loss = lambda r: np.concatenate([2 * (r[..., :1] - target), 0 * r[..., 1:]], axis=-1) / x.size  # noqa: E731
    for _ in range(250):
        back = bptt(cell, x, of_loss)
        losses.append(float(((back.trajectory.r[..., :1] - target) ** 2).mean()))
        step = clip(back.gradients, 1.0)[0].weights()
        cell = cell.with_weights({name: W - 0.5 * step[name] for name, W in cell.weights().items()})
    assert losses[-1] < 0.2 * losses[0]
    short = bptt(cell, x, np.ones((15, 20, 3)), segment=5)
    assert np.isfinite(short.psi).all()


def test_the_cell_answers_every_question() -> None:
    found = fixed_points(CELL, HELD, starts=16)
    point = found.points[0]
    J = brute.difference(lambda h: CELL.step(mgu.Shown(h), HELD).h, point.s)
    assert np.abs(CELL.step(mgu.Shown(point.s), HELD).h - point.s).max() < 1e-11
    z = np.linalg.eigvals(J)
    assert np.abs(point.roots[0]) == pytest.approx(np.abs(z).max(), abs=1e-8)
    np.testing.assert_allclose(np.sort(np.abs(discrete_roots(CELL, point.s, x=HELD))), np.sort(np.abs(z)), atol=1e-8)
    exponents = lyapunov(CELL, HELD, steps=300, s0=point.s)
    np.testing.assert_allclose(exponents.per_step[0], np.log(np.abs(z).max()), atol=2e-2)
    flow = gradient_flow(CELL, X, singular=0)
    product = np.eye(3)
    h = run(CELL, X).s
    for n in range(1, 12):
        product = brute.difference(lambda at, n=n: CELL.step(mgu.Shown(at), X[n]).h, h[n - 1]) @ product
        assert flow.norms[n] == pytest.approx(np.linalg.norm(product), rel=1e-6)
    again = run(unroll(CELL, 5), X).s
    np.testing.assert_array_equal(again[5:10], run(CELL, X[5:10]).s)
    cut = truncation(CELL, X, most=2)
    one = np.array([np.linalg.norm(run(CELL, X[n : n + 1]).s[0] - h[n]) for n in range(12)])
    assert cut.error[0] == pytest.approx(one.max())
    plane = phase_plane(CELL, HELD, starts=2, steps=4, grid=3)
    at = plane.centre + plane.a[1] * plane.axes[0] + plane.b[2] * plane.axes[1]
    np.testing.assert_allclose(plane.field[2, 1], plane.axes @ (CELL.step(mgu.Shown(at), HELD).h - at), atol=1e-12)
    shown = impulse_response(CELL, 3, mgu.Shown(fixed_points(CELL).points[0].s))
    assert shown.shape == (3, 3, 1)
    reason = "no other recursion is known to be the samples of a differential equation"
    for ask in (undiscretize, lambda cell: retime(cell, 0.1)):
        with pytest.raises(ValueError, match=reason):
            ask(CELL)


def test_the_flow_answers_every_question_and_its_samples_too() -> None:
    x = signals.Constant(HELD)
    exact = integrate(FLOW, x, t=(0.0, 5.0), history=np.zeros(4), rtol=1e-10, atol=1e-12)
    for method in ("tsit5", "Radau", "spectral", "LSODA"):
        other = integrate(FLOW, x, t=(0.0, 5.0), history=np.zeros(4), method=method, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(other.s[-1], exact.s[-1], atol=1e-7)
    sampled = Sampled(FLOW, 0.25, "rk4")
    np.testing.assert_allclose(run(sampled, np.tile(HELD, (20, 1))).s[-1], exact.s[-1], atol=2e-5)
    point = fixed_points(FLOW, HELD, starts=16).points[0]
    J = brute.difference(lambda s: FLOW.rate(0.0, s, (), HELD), point.s)
    leading = np.linalg.eigvals(J).real.max()
    assert characteristic_roots(FLOW, point.s, x=HELD)[0].real == pytest.approx(leading, abs=1e-8)
    assert np.log(np.abs(discrete_roots(sampled, point.s, x=HELD)[0])) / 0.25 == pytest.approx(leading, abs=1e-3)
    assert lyapunov(FLOW, HELD, T=200, s0=point.s, count=1).exponents[0] == pytest.approx(leading, abs=0.02)
    back = bptt(sampled, X[:4], np.ones((4, 4)))

    def end(p: np.ndarray) -> np.ndarray:
        return np.array([run(Sampled(FLOW.parameter("drive")(p[0]), 0.25, "rk4"), X[:4]).r.sum()])

    slope = brute.difference(end, np.array([1.3]))
    assert float(back.gradients.weights()["drive"]) == pytest.approx(slope[0, 0], rel=1e-6)
    study = convergence(FLOW, signals.Sine(), t=(0.0, 2.0), history=np.zeros(4), dts=0.2 * 0.5 ** np.arange(5))
    assert study.order["maximum"] == pytest.approx(1.0, abs=0.1)


def test_where_the_flow_changes_is_where_its_jacobian_says() -> None:
    # at rest 0 without input: antisymmetric and symmetric pairs with growth -1 -+ drive against the tiredness
    def growth(drive: float, sign: float) -> float:
        return np.linalg.eigvals(np.array([[-1 + sign * drive, -1.0], [0.5, -0.5]])).real.max()

    found = bifurcation(FLOW, "drive", [1.0, 2.0], attractors=False)
    assert [p.kind for p in found.points if np.abs(p.s).max() < 1e-8][:1] == ["Hopf"]
    value = next(p.value for p in found.points if np.abs(p.s).max() < 1e-8)
    assert value == pytest.approx(1.5, abs=1e-8)  # trace -1 + drive - 1/2 = 0
    assert growth(value, 1.0) == pytest.approx(0.0, abs=1e-8)


def test_both_are_drawn(tmp_path: Path) -> None:
    for subject, parameter, values in ((CELL, "gain", [0.5, 1.5]), (FLOW, "drive", [1.2, 1.8])):
        _, axes = new_axes(12, 8, 2, 2)
        plot_phase_plane(axes[0, 0], phase_plane(subject, HELD, starts=3, steps=10, T=5.0, grid=9))
        plot_fixed_points(axes[0, 1], fixed_points(subject, HELD))
        length = {"T": 20.0} if isinstance(subject, Flow) else {"steps": 50}
        plot_lyapunov(axes[1, 0], lyapunov(subject, HELD, count=2, **length))
        found = bifurcation(subject, parameter, values, attractors=Attractors(2, 20, 8), equilibria=Equilibria(8))
        plot_bifurcation(axes[1, 1], found)
        assert all(ax.has_data() for ax in axes.flat)
    chart = stability_chart(CELL, ("b_h[0]", np.linspace(-1, 1, 5)), ("gain", np.linspace(0.5, 2, 4)))
    assert chart.unknown == 0
    _, ax = new_axes()
    plot_stability_chart(ax, chart)
    assert ax.has_data()


@pytest.mark.parametrize("file", ["mgu.py:cell", "two_neurons.py:model"])
def test_analyze_takes_both_from_their_files(file: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["analyze", str(HERE / file), "--out", str(tmp_path), "--length", "200"])
    assert result.exit_code == 0, result.output
    report = (tmp_path / "report.md").read_text()
    for part in ("Fixed points", "Phase plane", "Lyapunov exponents", "Bifurcations"):
        assert f"## {part}" in report
    assert "Not found" not in report


def test_a_registered_activation_needs_no_other_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def value(s: Any) -> Any:
        return s / (1 + abs(s))

    softsign = Activation("softsign", value, lambda s: 1 / (1 + abs(s)) ** 2, bound=1.0, steepest=1.0)
    monkeypatch.setitem(ACTIVATIONS, "softsign", softsign)
    A, B = np.array([[-1.0, 0.3], [0.0, -0.8]]), np.array([[0.5, -1.0], [1.0, 0.5]])

    def rate(s: Any, past: Any, x: Any) -> Any:
        return s @ A.T + value(past) @ B.T + x * [1.0, 0.0] + [0.1, 0.0]

    delayed = Flow(lambda t, s, x, past: rate(s, past[0], x), 2, input_width=1, delays=[0.5])
    for tau, own in ((0.0, Flow(lambda t, s, x: rate(s, s, x), 2, input_width=1)), (0.5, delayed)):
        model = ContinuousRNN(A, B, [[1.0], [0.0]], [0.1, 0.0], tau=tau, activation="softsign")
        found, other = (
            integrate(f, signals.Sine(), t=(0, 4), history=[0.2, 0.1], rtol=1e-9, atol=1e-11) for f in (model, own)
        )
        np.testing.assert_allclose(found.s[-1], other.s[-1], atol=1e-8)
    torch.manual_seed(0)
    layer = nn.StandardRNN(1, 3, nonlinearity="softsign").double()
    x = torch.randn(6, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], x)
    layer.save(tmp_path / "layer.safetensors")
    assert nn.load(tmp_path / "layer.safetensors").nonlinearity == "softsign"
    cell = layer.cell()
    assert gradient_flow(cell, X).bound == pytest.approx(np.linalg.norm(cell.W_r.detach().numpy(), 2))
