"""D9's two limits, the declared order of every scheme and fixed-step method, and what the study refuses."""

import subprocess
import sys

import numpy as np
import pytest
from tests.analysis.networks import CUBE, KINDS, SINES, SPAN, network, past

from ode2rnn import (
    METHODS,
    SCHEMES,
    AdditiveModel,
    ContinuousRNN,
    SimulationError,
    Trajectory,
    discretize,
    integrate,
    kernels,
    run,
    signals,
)
from ode2rnn.analysis import convergence
from ode2rnn.analysis.step_size.recursions import Runs

FIXED_STEP = sorted(m.name for m in METHODS.values() if not m.adaptive)
HALVINGS = 0.5 ** np.arange(4, 9)


@pytest.fixture(scope="module")
def exact():
    """Solutions of the ordinary and of the delay equation by methods other than those under test."""
    tight = {"t": SPAN, "history": past, "rtol": 1e-13, "atol": 1e-14}
    return {
        0.0: integrate(network(0.0), SINES, method="tsit5", **tight),
        0.5: integrate(network(0.5), SINES, method="spectral", **tight),
    }


# D9


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_tau_tied_to_dt_the_canonical_rnn_converges_at_order_1_to_the_ode(seed):
    study = convergence(network(0.0, seed), SINES, t=SPAN, history=past, dts=0.5 ** np.arange(5, 11), delay="tied")
    assert all(0.9 <= study.order[kind] <= 1.1 for kind in KINDS), str(study)
    assert all(study.used[kind].sum() >= 5 for kind in KINDS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_tau_fixed_the_recursion_converges_at_order_1_to_the_dde(seed):
    study = convergence(network(0.5, seed), SINES, t=SPAN, history=past, dts=0.5 ** np.arange(5, 11))
    assert all(0.8 <= study.order[kind] <= 1.2 for kind in KINDS), str(study)
    assert all(study.used[kind].sum() >= 5 for kind in KINDS)


def test_the_two_studies_are_not_mixed():
    """Tied, the recursion does not converge to a delay equation; the errors are those of the canonical RNN."""
    ode, dt, t0 = network(0.0), 2.0**-6, SPAN[0]
    study = convergence(ode, SINES, t=SPAN, history=past, dts=[2 * dt, dt], delay="tied")
    cell = discretize(ContinuousRNN(ode.A, ode.B, ode.C, ode.phi, tau=dt), dt)
    samples = run(cell, SINES(t0 + dt * np.arange(1, 129)), s0=past(t0)).s
    truth = integrate(ode, SINES, t=SPAN, history=past, rtol=1e-12, atol=1e-12)(t0 + dt * np.arange(1, 129))
    assert study.errors["maximum"][1] == pytest.approx(np.abs(samples - truth).max(), abs=1e-10)
    with pytest.raises(ValueError, match=r"delay: 'tied'.*tau=0"):
        convergence(network(0.5), SINES, t=SPAN, history=past, dts=[2 * dt, dt], delay="tied")


# declared orders


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_every_scheme_has_its_declared_order(scheme, tau, exact):
    alpha = 0.3 if scheme == "gbt" else None
    study = convergence(
        network(tau), SINES, t=SPAN, history=past, dts=HALVINGS, scheme=scheme, alpha=alpha, reference=exact[tau]
    )
    within = 0.2 if tau else 0.1
    declared = SCHEMES[scheme].order
    for kind in KINDS:
        expected = min(declared, 2) if kind == "dense" else declared
        assert abs(study.order[kind] - expected) <= within, str(study)
        assert study.used[kind].all(), str(study)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_tied_every_scheme_has_order_1_since_the_system_itself_changes(scheme, exact):
    alpha = 0.3 if scheme == "gbt" else None
    study = convergence(
        network(0.0),
        SINES,
        t=SPAN,
        history=past,
        dts=HALVINGS,
        scheme=scheme,
        alpha=alpha,
        delay="tied",
        reference=exact[0.0],
    )
    assert all(0.9 <= study.order[kind] <= 1.1 for kind in KINDS), str(study)


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("method", [name for name in FIXED_STEP if name != "implicit_adams"])
def test_every_fixed_step_method_has_its_declared_order(method, tau, exact):
    # the multistep methods start with one-step ones, anew at every breaking point: they need finer steps
    dts = 0.5 ** np.arange(6, 11) if method == "explicit_adams" else HALVINGS
    study = convergence(network(tau), SINES, t=SPAN, history=past, dts=dts, method=method, reference=exact[tau])
    within = 0.2 if tau else 0.1
    for kind in ("maximum", "dense"):
        assert abs(study.order[kind] - METHODS[method].order) <= within, str(study)
        assert study.used[kind].sum() >= 4, str(study)


@pytest.mark.parametrize(("tau", "least"), [(0.0, 4.8), (0.5, 4.0)])
def test_implicit_adams_is_of_order_4_and_tends_to_5(tau, least, exact):
    """torchdiffeq raises its order from step to step, and ends its inner iteration at a tolerance of its own: the
    slope is not one number. With delays the method starts anew at every breaking point, by rk4.
    """
    dts = [1 / 16, 1 / 64]
    study = convergence(
        network(tau), SINES, t=SPAN, history=past, dts=dts, method="implicit_adams", reference=exact[tau]
    )
    assert all(least <= study.order[kind] <= 5.2 for kind in KINDS), str(study)


def test_several_delays_and_a_delayed_input_keep_order_2():
    rng = np.random.default_rng(5)
    A, B1, B2 = (0.5 * rng.normal(size=(3, 3)) for _ in range(3))
    C = rng.normal(size=(3, 1))
    model = AdditiveModel([(-np.eye(3), 0.0), (A, 0.25)], [(B1, 0.5), (B2, 0.0)], [(C, 0.0), (C, 0.75)], phi=[1, 0, 0])
    study = convergence(
        model,
        signals.Sine(1.0, 3.0, 0.4),
        t=(0.0, 1.5),
        history=lambda t: past(t)[..., :3],
        dts=0.5 ** np.arange(4, 9),
        scheme="tustin",
    )
    assert all(abs(study.order[kind] - 2.0) <= 0.2 for kind in KINDS), str(study)


# the reference


def test_the_reference_may_be_a_trajectory_or_a_function(tmp_path):
    model = network(0.5)
    solution = integrate(model, SINES, t=SPAN, history=past, rtol=1e-13, atol=1e-14)
    arguments = {"t": SPAN, "history": past, "dts": [0.125, 0.0625]}
    own = convergence(model, SINES, **arguments)
    for reference in (solution, lambda t: solution(t)):
        given = convergence(model, SINES, reference=reference, **arguments)
        assert given.errors["dense"] == pytest.approx(own.errors["dense"], rel=1e-9)
        assert "given" in given.reference
    loaded = Trajectory.load(solution.save(tmp_path / "solution.npz"))
    short = integrate(model, SINES, t=(0.25, 1.0), history=past)
    for reference in (loaded, short):
        with pytest.raises(ValueError, match="reference: expected a trajectory"):
            convergence(model, SINES, reference=reference, **arguments)
    with pytest.raises(ValueError, match="reference"):
        convergence(model, SINES, reference=np.zeros(4), **arguments)


def test_a_reference_that_diverges_is_an_error():
    unstable = ContinuousRNN(A=0.0, B=1.0, C=None, phi=None, activation=CUBE)  # infinite at t = 1/2
    with pytest.raises(SimulationError):
        convergence(unstable, t=(0, 1), history=1.0, dts=[0.5, 0.25], scheme="forward_euler")


# bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dts": [0.1, 0.0]}, "dts: expected steps > 0"),
        ({"dts": [0.1, -0.1]}, "dts: expected steps > 0"),
        ({"dts": [0.1]}, "dts: expected a list of at least 2"),
        ({"dts": 0.1}, "dts: expected a list of at least 2"),
        ({"dts": []}, "dts: expected a list of at least 2"),
        ({"dts": [0.1, np.nan]}, "dts: .*NaN"),
        ({"dts": "fine"}, "dts: expected"),
        ({"dts": [0.1, 0.1]}, "dts: expected decreasing"),
        ({"dts": [0.05, 0.1]}, "dts: expected decreasing"),
        ({"dts": [0.4, 0.1]}, "divides the delay 0.5, got 0.4.*0.5"),
        ({"dts": [0.25, 0.1], "t": (0, 1.6)}, "divide t1 - t0 = 1.6, got 0.25.*0.266"),
        ({"dts": [4.0, 2.0]}, "divides the delay"),
        ({"scheme": "backward"}, "scheme: .*did you mean"),
        ({"scheme": "gbt"}, "alpha: expected"),
        ({"scheme": 3}, "scheme: expected one of"),
        ({"method": "rk5"}, "method: expected one of .*did you mean 'rk4'"),
        ({"method": "tsit5"}, "method: expected one of .*got 'tsit5'"),
        ({"method": "rk4", "scheme": "tustin"}, "scheme, method: expected one of them"),
        ({"method": "rk4", "alpha": 0.5}, "scheme, method: expected one of them"),
        ({"delay": "loose"}, "delay: expected one of fixed, tied"),
        ({"t": [0.0, 1.0, 2.0]}, "t: expected the range"),
        ({"t": (1, 0)}, "t: expected t0 < t1"),
        ({"history": [1.0, 2.0]}, "history: expected shape"),
        ({"rtol": 0.0}, "rtol"),
        ({"model": "network"}, "model: expected a System"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    arguments = {
        "model": ContinuousRNN(A=-1.0, B=0.5, C=None, phi=None, tau=0.5),
        "t": (0, 2),
        "history": 1.0,
        "dts": [0.25, 0.125],
        **change,
    }
    with pytest.raises(ValueError, match=message):
        convergence(arguments.pop("model"), **arguments)


def test_analysis_does_not_import_heavy_libraries():
    heavy = ("torch", "numba", "matplotlib", "scipy")
    code = f"import sys, ode2rnn.analysis; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_analysis_is_reached_from_the_package():
    code = "import ode2rnn; print(ode2rnn.analysis.convergence.__name__, ode2rnn.analysis.work_precision.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "convergence work_precision\n"


@pytest.mark.parametrize(
    "scheme", ["backward_euler", "implicit_linear", "forward_euler", "tustin", "exponential", "foh"]
)
@pytest.mark.parametrize(("tau", "delay"), [(0.0, "tied"), (1.0, "fixed")])
def test_many_steps_together_are_a_loop_over_steps(scheme, tau, delay, monkeypatch):
    """The input starts at a value of its own, and s(t0) jumps away from the history: both are in the first ticks."""
    rng = np.random.default_rng(3)
    A = [[-1.0, 0.6], [-0.5, -1.2]]
    model = ContinuousRNN(A, rng.normal(size=(2, 2)), rng.normal(size=(2, 1)), [0.1, -0.2], tau=tau)
    alone, plainly = [], Runs._alone
    monkeypatch.setattr(Runs, "_alone", lambda *given: alone.append(given[1]) or plainly(*given))
    arguments = {"t": (0.0, 3.0), "history": [0.3, 0.8], "s0": [1.0, -0.5], "dts": 1.0 / np.arange(4, 104)}
    arguments |= {"scheme": scheme, "delay": delay, "x": signals.Sine(1.0, 2.0, 0.7)}
    together = convergence(model, **arguments)
    assert set(alone) == {0}, "run one by one"
    with kernels.plain():
        loop = convergence(model, **arguments)
    for kind in together.errors:
        np.testing.assert_allclose(together.errors[kind], loop.errors[kind], rtol=1e-9, atol=1e-12)
    assert np.isfinite(together.errors["final"]).all()


def test_a_step_that_diverges_beside_others_has_no_error():
    model = ContinuousRNN([[-30.0]], [[1.0]], None, None, activation="identity")
    dts = 30.0 / np.arange(100, 700, 6)
    found = convergence(model, t=(0.0, 30.0 * 6), history=[1.0], dts=dts, scheme="forward_euler", delay="tied")
    with kernels.plain():
        loop = convergence(model, t=(0.0, 30.0 * 6), history=[1.0], dts=dts, scheme="forward_euler", delay="tied")
    np.testing.assert_array_equal(np.isfinite(found.errors["final"]), np.isfinite(loop.errors["final"]))
    assert 0 < np.isinf(found.errors["final"]).sum() < len(dts)
