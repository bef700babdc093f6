"""Many trajectories at once against each on its own: the blocks of "tsit5" and the blocks of "rk4"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, Trajectory, integrate, signals
from ode2rnn.kernels import cores, plain, threads
from ode2rnn.kernels.elementwise.codes import CODES
from ode2rnn.solvers.ensemble import batch as ensemble
from ode2rnn.solvers.sampled_dense import SampledDense

N = 100
TIMES = np.array([0.0, 0.7, 1.5, 3.0])
RNG = np.random.default_rng(7)
INPUTS = {
    "none": None,
    "constant": signals.Constant([0.5, -1.0]),
    "sines": signals.Sine([1.0, 0.5], [2.0, 3.0], 0.3),
    "held": signals.Held(np.linspace(0, 3, 7), RNG.normal(size=(7, 2))),
    "linear": signals.Linear(np.linspace(0, 3, 7), RNG.normal(size=(7, 2))),
    "own sines": signals.Sine(RNG.normal(size=(N, 2)), RNG.uniform(1, 3, size=(N, 2))),
    "own series": signals.Linear(np.linspace(0, 3, 7), RNG.normal(size=(7, N, 2))),
}


def network(d: int = 3, activation: str = "tanh") -> ContinuousRNN:
    rng = np.random.default_rng(d)
    A = -np.diag(rng.uniform(0.8, 1.2, d)) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d)
    B = 1.2 * rng.normal(size=(d, d)) / np.sqrt(d)
    return ContinuousRNN(A, B, rng.normal(size=(d, 2)), rng.normal(size=d), activation=activation)


def starts(d: int = 3, count: int = N) -> np.ndarray:
    return 2 * np.random.default_rng(1).normal(size=(count, d))


def reference(model: AdditiveModel, x: Any, s0: np.ndarray) -> Trajectory:
    return integrate(model, x, t=TIMES, history=s0, method="DOP853", rtol=1e-11, atol=1e-12)


@pytest.fixture
def must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the fast path does not take what it is given."""
    from ode2rnn.solvers.explicit import tsit5
    from ode2rnn.solvers.torchdiffeq import methods as torchdiffeq_methods

    def checked(function: Any) -> Any:
        def run(*arguments: Any) -> bool:
            taken = function(*arguments)
            assert taken or arguments[0].samples is None
            return taken

        return run

    monkeypatch.setattr(tsit5, "solve_tsit5", checked(ensemble.solve_tsit5))
    monkeypatch.setattr(torchdiffeq_methods.ensemble, "solve_rk4", checked(ensemble.solve_rk4))


@pytest.mark.usefixtures("must_fit")
@pytest.mark.parametrize("name", INPUTS)
def test_blocks_meet_the_tolerance_for_every_kind_of_input(name: str) -> None:
    model, x, s0 = network(), INPUTS[name], starts()
    got = integrate(model, x, t=TIMES, history=s0, method="tsit5", rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(got.s, reference(model, x, s0).s, atol=3e-7)
    np.testing.assert_array_equal(got.s[0], s0)
    assert got.success
    assert got.stats.steps > 5


@pytest.mark.usefixtures("must_fit")
@pytest.mark.parametrize("activation", CODES)
@pytest.mark.parametrize("d", [1, 10])
def test_blocks_for_every_activation_and_batch_shape(activation: str, d: int) -> None:
    model, s0 = network(d, activation), starts(d, 66).reshape((6, 11, d))
    x = signals.Sine(1.0, [1.0, 2.0])
    got = integrate(model, x, t=TIMES, history=s0, method="tsit5", rtol=1e-8, atol=1e-8)
    assert got.s.shape == (4, 6, 11, d)
    scale = np.abs(got.s).max()
    bound = 1e-5 if activation == "relu" else 1e-6  # a kink costs digits
    np.testing.assert_allclose(got.s, reference(model, x, s0).s, atol=bound * max(1, scale))


@pytest.mark.usefixtures("must_fit")
def test_a_trajectory_is_the_same_whatever_its_company() -> None:
    model, x, s0 = network(), INPUTS["sines"], starts()
    alone = integrate(model, x, t=TIMES, history=s0[:30], method="tsit5")
    np.testing.assert_array_equal(alone.s, integrate(model, x, t=TIMES, history=s0, method="tsit5").s[:, :30])


@pytest.mark.usefixtures("must_fit")
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_dense_output_goes_through_the_samples_and_meets_the_solution_between(method: str) -> None:
    model, x, s0 = network(), INPUTS["sines"], starts()
    dt = 0.01 if method == "rk4" else None
    got = integrate(model, x, t=TIMES, history=s0, method=method, dt=dt, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(got(TIMES), got.s)
    between = np.array([2.9, 0.0, 0.311, 1.2345, 0.7, 3.0])
    exact = integrate(model, x, t=(0, 3), history=s0, method="DOP853", rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(got(between), exact(between), atol=3e-7)


@pytest.mark.usefixtures("must_fit")
@pytest.mark.parametrize("name", INPUTS)
def test_blocks_of_rk4_are_its_plain_twin(name: str) -> None:
    model, x, s0 = network(), INPUTS[name], starts()
    got = integrate(model, x, t=TIMES, history=s0, method="rk4", dt=0.1)
    expected = integrate(model, x, t=(0.0, 3.0), history=s0, method="rk4", dt=0.1)  # all nodes: no fast path
    np.testing.assert_allclose(got.s, expected(TIMES), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got(np.array([0.33, 2.2])), expected(np.array([0.33, 2.2])), rtol=1e-12, atol=1e-12)
    assert got.stats.steps == expected.stats.steps


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
@pytest.mark.parametrize("d", [1, 3])
def test_few_trajectories_of_rk4_are_its_plain_twin(d: int, shape: tuple[int, ...]) -> None:
    model, x, s0 = network(d), INPUTS["linear"], starts(d, 3).ravel()[: d * max(1, *shape, 1)].reshape((*shape, d))
    given = s0.copy()
    got = integrate(model, x, t=TIMES, history=s0, method="rk4", dt=0.1)
    with plain():
        expected = integrate(model, x, t=TIMES, history=s0, method="rk4", dt=0.1)
    assert isinstance(got.dense, SampledDense)
    between = np.array([0.0, 0.33, 2.2])
    np.testing.assert_allclose(got.s, expected.s, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got(between), expected(between), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(s0, given)


def test_a_function_of_the_users_own_drives_rk4() -> None:
    model, s0 = network(), starts()
    got = integrate(model, lambda t: np.array([np.sin(t), t]), t=TIMES, history=s0, method="rk4", dt=0.1)
    with plain():
        expected = integrate(model, lambda t: np.array([np.sin(t), t]), t=TIMES, history=s0, method="rk4", dt=0.1)
    np.testing.assert_allclose(got.s, expected.s, rtol=1e-12, atol=1e-12)


def test_samples_between_the_steps_of_rk4_take_the_plain_path() -> None:
    model, s0 = network(), starts()
    times = np.array([0.0, 0.33, 1.0])
    got = integrate(model, None, t=times, history=s0, method="rk4", dt=0.1)
    with plain():
        expected = integrate(model, None, t=times, history=s0, method="rk4", dt=0.1)
    np.testing.assert_allclose(got.s, expected.s, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("method", "dt"), [("tsit5", None), ("rk4", 0.5)])
def test_one_that_diverges_is_told_with_the_valid_part(method: str, dt: float | None) -> None:
    model = ContinuousRNN(np.diag([-1.0, 90.0]), np.eye(2), None, None)
    s0 = np.zeros((N, 2))
    s0[-1, 1] = 1.0
    with pytest.raises(SimulationError) as caught:
        integrate(model, t=np.linspace(0, 200, 41), history=s0, method=method, dt=dt)
    assert caught.value.trajectory is not None
    assert caught.value.trajectory.t[-1] < 200


def test_auto_takes_the_blocks_for_many_trajectories_and_samples() -> None:
    assert integrate(network(), t=TIMES, history=starts()).stats.method == "tsit5"


def test_blocks_take_the_steps_of_the_plain_method() -> None:
    model, s0 = network(), starts()
    got = integrate(model, INPUTS["constant"], t=TIMES, history=s0, method="tsit5")
    with plain():
        alone = [integrate(model, INPUTS["constant"], t=TIMES, history=s, method="tsit5").s for s in s0[:5]]
    np.testing.assert_allclose(got.s[:, :5], np.stack(alone, axis=1), rtol=1e-12, atol=1e-12)


def test_a_list_of_models_is_an_ensemble_of_parameter_sets() -> None:
    models = [network(3), ContinuousRNN(-np.eye(3), 2 * np.eye(3)[::-1], np.ones((3, 2)), np.zeros(3))]
    x, s0 = INPUTS["sines"], starts(3, 2)
    got = integrate(models, x, t=TIMES, history=s0)
    for n, model in enumerate(models):
        own = integrate(model, x, t=TIMES, history=s0[n])
        np.testing.assert_array_equal(got.s[:, n], own.s)
        np.testing.assert_array_equal(got(0.31)[n], own(0.31))
    assert got.x is not None
    assert got.x.shape == (4, 2, 2)
    assert integrate(models, x, t=TIMES, history=s0[0]).s.shape == (4, 2, 3)
    for bad, match in (([], "model"), ([models[0], network(2)], "one width")):
        with pytest.raises(ValueError, match=match):
            integrate(bad, t=TIMES, history=0.0)
    with pytest.raises(ValueError, match="samples"):
        integrate(models, t=(0.0, 1.0), history=s0)
    explosive = ContinuousRNN(300 * np.eye(3), np.eye(3), None, None)
    calm = ContinuousRNN(-np.eye(3), np.eye(3), None, None)
    with pytest.raises(SimulationError, match="model 1") as caught:
        integrate([calm, explosive, calm], t=np.linspace(0, 10, 21), history=np.ones(3), method="tsit5")
    partial = caught.value.trajectory
    assert partial is not None
    assert partial.s.shape[1:] == (3, 3)
    assert 1 < len(partial.t) < 21


def parameter_sets(count: int, d: int, activation: str = "tanh") -> list[ContinuousRNN]:
    rng = np.random.default_rng(count + d)
    sets = []
    for _ in range(count):
        A = -np.diag(rng.uniform(0.8, 1.2, d)) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d)
        B = 1.2 * rng.normal(size=(d, d)) / np.sqrt(d)
        sets.append(ContinuousRNN(A, B, rng.normal(size=(d, 2)), rng.normal(size=d), activation=activation))
    return sets


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where models are solved one by one."""

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("one by one")

    monkeypatch.setattr("ode2rnn.solvers.ensemble.parameter_sets._over_cores", refuse)


def one_by_one(models: list[ContinuousRNN], x: Any, s0: np.ndarray, **options: Any) -> np.ndarray:
    with plain():
        each = [integrate(m, x, t=TIMES, history=s, **options).s for m, s in zip(models, s0, strict=True)]
    return np.stack(each, axis=1)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(("d", "activation"), [(1, "tanh"), (3, "sigmoid"), (5, "identity"), (6, "softplus")])
@pytest.mark.parametrize(("method", "dt"), [("tsit5", None), ("rk4", 0.05)])
def test_parameter_sets_in_blocks_are_a_loop_over_models(
    d: int, activation: str, method: str, dt: float | None
) -> None:
    models, s0 = parameter_sets(70, d, activation), starts(d, 70)
    # blocks choose their first step as if the input were constant
    x = INPUTS["sines" if method == "rk4" else "constant"]
    got = integrate(models, x, t=TIMES, history=s0, method=method, dt=dt)
    some = one_by_one(models[60:], x, s0[60:], method=method, dt=dt)
    bound = 1e-12 if method == "rk4" else 1e-10  # rounding moves adaptive steps; the tolerance is 1e-6
    np.testing.assert_allclose(got.s[:, 60:], some, rtol=bound, atol=bound)
    assert got.x is not None
    assert got.x.shape == (4, 70, 2)
    between = np.array([0.311, 2.9])
    own = integrate(models[3], x, t=(0, 3), history=s0[3], method="DOP853", rtol=1e-10)
    np.testing.assert_allclose(got(between)[:, 3], own(between), atol=1e-5)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize(("method", "dt"), [("tsit5", None), ("rk4", 0.1)])
def test_parameter_sets_take_every_kind_of_input(name: str, method: str, dt: float | None) -> None:
    """An input of a batch is one for each trajectory of every model."""
    models = parameter_sets(30, 3)
    s0 = starts(3, 30)[:, None] if name.startswith("own") else starts(3, 30)
    got = integrate(models, INPUTS[name], t=TIMES, history=s0, method=method, dt=dt, rtol=1e-8)
    assert got.s.shape == ((4, 30, N, 3) if name.startswith("own") else (4, 30, 3))
    alone = integrate(models[7], INPUTS[name], t=TIMES, history=s0[7], method="DOP853", rtol=1e-10)
    np.testing.assert_allclose(got.s[:, 7], alone.s, atol=3e-7 if method == "tsit5" else 1e-4)
    with plain():
        alone = integrate(models[7], INPUTS[name], t=TIMES, history=s0[7], method=method, dt=dt, rtol=1e-8)
    np.testing.assert_allclose(got.s[:, 7], alone.s, atol=1e-7 if method == "tsit5" else 1e-12)


@pytest.mark.usefixtures("no_loop")
def test_parameter_sets_share_a_history_or_have_their_own() -> None:
    models = parameter_sets(40, 3)
    shared = integrate(models, t=TIMES, history=np.ones(3), method="tsit5")
    own = integrate(models, t=TIMES, history=0.0 * np.ones(3), s0=np.ones((40, 3)), method="tsit5")
    np.testing.assert_array_equal(shared.s, own.s)
    batch = integrate(models, t=TIMES, history=np.ones((5, 3)), method="tsit5")
    np.testing.assert_allclose(batch.s, np.repeat(shared.s[:, :, None], 5, axis=2), rtol=1e-12, atol=1e-12)
    assert integrate(models, t=TIMES, history=np.ones(3)).stats.method == "tsit5"


@pytest.mark.parametrize("method", ["tsit5", "rk4", "spectral"])
def test_no_result_depends_on_the_number_of_cores(method: str) -> None:
    tau, dt = 1.0 if method == "spectral" else 0.0, 0.1 if method == "rk4" else None
    sets = parameter_sets(40 if method == "spectral" else 200, 2)
    models = [ContinuousRNN(m.A, m.B, m.C, m.phi, tau=tau) for m in sets]
    results = []
    for count in (1, 2, 3):
        with threads(count):
            several = integrate(models, INPUTS["sines"], t=TIMES, history=starts(2, len(sets)), method=method, dt=dt)
            one = integrate(models[0], INPUTS["sines"], t=TIMES, history=starts(2, 200), method=method, dt=dt)
        results.append((several, one))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got.s, expected.s)
            assert got.stats == expected.stats


def test_a_list_of_delayed_models_is_a_loop() -> None:
    models = [ContinuousRNN(-1.0, gain, None, None, tau=1.0) for gain in np.linspace(-3, 3, 7)]
    got = integrate(models, t=TIMES, history=0.5)
    for n, model in enumerate(models):
        np.testing.assert_array_equal(got.s[:, n], integrate(model, t=TIMES, history=0.5).s)


@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_the_parameter_set_that_diverges_is_named(method: str) -> None:
    calm = parameter_sets(40, 2)
    explosive = ContinuousRNN(90 * np.eye(2), np.eye(2), np.ones((2, 2)), None)
    models, times, dt = [*calm[:17], explosive, *calm[17:]], np.linspace(0, 20, 21), 0.25 if method == "rk4" else None
    with pytest.raises(SimulationError, match="model 17") as caught:
        integrate(models, t=times, history=np.ones(2), method=method, dt=dt)
    assert caught.value.trajectory is not None
    assert caught.value.trajectory.t[-1] < 20
    if method == "tsit5":
        assert caught.value.trajectory.s.shape[1:] == (41, 2)


def test_threads_are_counted() -> None:
    assert cores() >= 1
    for bad in (0, -1, True, 1.5):
        with pytest.raises(ValueError, match="count: expected"), threads(bad):  # type: ignore[arg-type]
            pass
