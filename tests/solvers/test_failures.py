"""Runs that cannot go on: each ends in a SimulationError that carries the finite part, and never in a warning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.problems import Case, hopf

from ode2rnn import Activation, AdditiveModel, ContinuousRNN, SimulationError, Trajectory, integrate
from ode2rnn.solvers.arguments import build_problem
from ode2rnn.solvers.explicit import taylor
from ode2rnn.solvers.methods import METHODS, Method

EVERY = [pytest.param(m, id=m.name) for m in METHODS.values()]


def coarse(method: Method) -> dict[str, Any]:
    return {"rtol": 1e-2, "atol": 1e-2} if method.adaptive else {"dt": 0.25}


def valid_part(case: Case, method: Method, **options: Any) -> Trajectory:
    if method.name == "taylor" and not _taylor_solves(case):
        pytest.skip("taylor: tanh, sigmoid and identity networks without delays, inputs as data")
    with pytest.raises(SimulationError) as caught:
        case.solve(method.name, **coarse(method), **options)
    part = caught.value.trajectory
    assert part is not None
    assert part.status == -1
    assert not part.success
    assert str(caught.value) == part.message
    assert len(part.t) >= 1
    assert len(part.t) == len(part.s) == len(part.r)
    assert np.isfinite(part.s).all()
    assert np.isfinite(part.r).all()
    assert part.t[0] == case.t[0]
    assert part.t[-1] < case.t[1]
    return part


def _taylor_solves(case: Case) -> bool:
    problem = build_problem(case.model, case.x, case.t, case.history, None, 1e-2, 1e-2, None)
    return taylor.fits(problem) is not None


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_growth_beyond_the_largest_number(method: Method, tau: float) -> None:
    """s' = 2 s + s(t - tau) grows as e^(lambda t), lambda = 2 + e^(-lambda tau)."""
    model = ContinuousRNN(2.0, 1.0, None, None, tau, "identity")
    part = valid_part(Case(model, (0.0, 2000.0), 1.0), method)
    assert part.t[-1] > 100
    assert np.abs(part.s).max() > 1e200
    assert part(0.5 * part.t[-1])[0] > 1e50


SQUARE = Activation("square", lambda s: s**2, lambda s: 2 * s)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_a_solution_that_blows_up_or_overflows_its_readout(method: Method, tau: float) -> None:
    """s' = s^2 from 1 ends at t = 1; with a delay s squares itself every second, and G(s) overflows before s."""
    model = ContinuousRNN(0.0, 1.0, None, None, tau, SQUARE)
    part = valid_part(Case(model, (0.0, 30.0), 1.0), method)
    if method.adaptive:
        assert 0.9 < part.t[-1] < 1.5 if tau == 0 else 5 < part.t[-1] < 15


def test_a_readout_that_overflows_is_not_handed_out() -> None:
    # s' = s + G(1) for longer than the run: s grows as e^t, G(s) as e^2t
    model = AdditiveModel(state=[(1.0, 0.0)], readout=[(1.0, 500.0)], activation=SQUARE)
    with pytest.raises(SimulationError, match="readout") as caught:
        integrate(model, t=(0, 400), history=1.0)
    part = caught.value.trajectory
    assert part is not None
    assert np.isfinite(part.r).all()
    assert 354.2 - 8 < part.t[-1] < 354.3  # (2 e^t)^2 passes the largest number at t = 354.2; a panel grows by e^8


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize(("tau", "value"), [(0.0, np.nan), (1.0, np.inf)])
def test_an_input_that_is_no_number_for_a_while(method: Method, tau: float, value: float) -> None:
    def x(t: Any) -> np.ndarray:  # fine at both ends, where inputs are tried beforehand
        t = np.asarray(t, dtype=float)
        return np.where((t > 3) & (t < 9), value, np.sin(t))[..., None]

    model = AdditiveModel([(-1.0, 0.0)], [(0.5, tau)], [(1.0, 0.0)])
    part = valid_part(Case(model, (0.0, 10.0), 0.1, x), method)
    assert 2.5 < part.t[-1] <= 3


@pytest.mark.parametrize("method", EVERY)
def test_a_user_function_warns_of_nothing(method: Method) -> None:
    G = Activation("log", _log, lambda s: 1 / (1 + s))
    model = ContinuousRNN(-1.0, 1.0, None, -3.0, 1.0, G)  # s falls below -1, where the logarithm ends
    part = valid_part(Case(model, (0.0, 10.0), 0.1), method)
    assert (part.s > -1).all()


def _log(s: Any) -> Any:
    return np.log(s + 1) if isinstance(s, np.ndarray) else (s + 1).log()


@pytest.mark.parametrize("method", EVERY)
def test_a_failure_keeps_the_samples_before_it(method: Method) -> None:
    model = ContinuousRNN(2.0, 1.0, None, None, 0.0, "identity")
    times = np.array([0.0, 0.5, 10.0, 1000.0, 2000.0])
    part = valid_part(Case(model, (0.0, 2000.0), 1.0), method, t=times)
    np.testing.assert_array_equal(part.t, times[:3])
    np.testing.assert_array_equal(part(times[:3]), part.s)


def test_a_first_step_that_fails_leaves_the_start() -> None:
    model = ContinuousRNN(0.0, 1.0, None, None, 0.0, SQUARE)
    with pytest.raises(SimulationError, match="Newton") as caught:
        integrate(model, t=(0, 5), history=3.0, method="backward_euler", dt=1.0)  # s = 3 + s^2 has no real root
    part = caught.value.trajectory
    assert part is not None
    assert (part.t.tolist(), part.s.tolist(), part.r.tolist()) == ([0.0], [[3.0]], [[9.0]])


def test_backward_euler_at_a_pole_is_refused() -> None:
    model = ContinuousRNN(2.0, 1.0, None, None, 0.5)
    with pytest.raises(ValueError, match=r"dt: I - dt A is singular at dt = 0.5"):
        integrate(model, t=(0, 5), history=1.0, method="backward_euler", dt=0.5)


def test_a_stiff_equation_stops_an_explicit_fixed_step() -> None:
    model = ContinuousRNN(-1e4, 1.0, None, None)
    with pytest.raises(SimulationError, match="step is too long"):
        integrate(model, t=(0, 20), history=1.0, method="rk4", dt=0.1)
    assert abs(integrate(model, t=(0, 20), history=1.0, method="backward_euler", dt=0.1)(20.0)[0]) < 1e-3


def test_the_tensors_of_a_failed_run_are_finite_too() -> None:
    torch = pytest.importorskip("torch")
    model = ContinuousRNN(torch.tensor([[1.0]]), 1.0, None, None, 1.0, "identity")
    for method, options in (("spectral", {}), ("tsit5", {}), ("rk4", {"dt": 0.25})):
        with pytest.raises(SimulationError) as caught:
            integrate(model, t=(0, 200), history=1.0, method=method, **options)
        assert torch.isfinite(caught.value.trajectory.s).all()
        assert 50 < caught.value.trajectory.t[-1] < 90  # single precision ends at e^88
    ode = ContinuousRNN(torch.tensor([[1.0]]), 1.0, None, None, 0.0, "identity")
    with pytest.raises(SimulationError):
        integrate(ode, t=[0, 100, 200], history=1.0, method="dopri5", adjoint=True)


@pytest.mark.parametrize("method", EVERY)
def test_an_error_of_the_users_function_is_told_as_such(method: Method) -> None:
    def x(t: Any) -> float:
        if np.ndim(t) == 0 and 0.43 < t < 0.9:
            raise KeyError("a bug in x")
        return 1.0

    model = AdditiveModel([(-1.0, 0.0)], [(0.5, 0.0)], [(1.0, 0.0)])
    with pytest.raises(ValueError, match="a bug in x"):
        integrate(model, x, t=(0, 1), history=0.0, method=method.name, **coarse(method))


def test_failing_is_not_what_the_others_do() -> None:
    assert hopf(1.0).solve().success
