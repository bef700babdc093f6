"""Whatever the network: the compiled kernels and their plain twins give the same trajectory, or fail alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ode2rnn import AdditiveModel, ContinuousRNN, SimulationError, Trajectory, discretize, integrate, run, signals
from ode2rnn.analysis.sampling import Sampling
from ode2rnn.analysis.step_size.step_sweep import sweep_steps
from ode2rnn.discrete.schemes import SCHEMES
from ode2rnn.kernels import plain
from ode2rnn.kernels.elementwise.codes import CODES

tries = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

EXTREMES = [1e200, -1e200, 1e-300, 0.0, -300.0, 40.0]
DELAYS = [0.1, 0.25, 1 / 3, 0.7, 1.3]
STARTS = [0.0, -3.7, 1e3, 1e-9]
LENGTHS = [1e-6, 0.3, 1.0, 2.2]


@st.composite
def matrices(draw: Any, rows: int, columns: int) -> np.ndarray:
    """Entries of order one over the root of the width, some zero, seldom one that is extreme."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    matrix = rng.normal(size=(rows, columns)) / np.sqrt(columns)
    kind = draw(st.sampled_from(["full", "full", "diagonal", "sparse", "extreme"]))
    if kind == "diagonal":
        matrix = matrix * np.eye(rows, columns)
    elif kind == "sparse":
        matrix = matrix * (rng.random((rows, columns)) < 0.4)
    elif kind == "extreme" and draw(st.booleans()):
        matrix[rng.integers(rows), rng.integers(columns)] = draw(st.sampled_from(EXTREMES))
    return matrix


@st.composite
def inputs(draw: Any, span: tuple[float, float], batch: tuple[int, ...]) -> Any:
    """An input of width 2, of any kind; its own for each of the batch now and then."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    own = (*draw(st.sampled_from([(), (), batch])), 2)
    length = span[1] - span[0]
    knots = np.linspace(span[0] - 1.5, span[1], draw(st.integers(2, 6)))
    values = rng.normal(size=(len(knots), *own))
    sine = signals.Sine(rng.normal(size=own), rng.uniform(0.2, 9, size=own), rng.normal())
    kinds = {
        "constant": lambda: signals.Constant(rng.normal(size=own)),
        "sine": lambda: sine,
        "held": lambda: signals.Held(knots, values),
        "linear": lambda: signals.Linear(knots, values),
        "cubic": lambda: signals.Cubic(knots, values),
        "sum": lambda: sine + signals.Linear(knots, values) + 0.5,
        "function": lambda: lambda t: np.stack([np.sin(3 * t), np.cos(t)], axis=-1),
        "jump": lambda: signals.Analytic(
            lambda t: np.stack([np.sin(t), 1.0 * (t > span[0] + length / 3)], axis=-1), knots=[span[0] + length / 3]
        ),
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]()


@st.composite
def problems(draw: Any, delayed: bool, batches: Any, activations: Any = tuple(CODES)) -> dict[str, Any]:
    """The arguments of integrate() for a random network."""
    d, batch = draw(st.sampled_from([1, 2, 3, 4, 5, 9])), draw(st.sampled_from(batches))
    start, length = draw(st.sampled_from(STARTS)), draw(st.sampled_from(LENGTHS))
    span = start, start + length
    taus = draw(st.lists(st.sampled_from(DELAYS), min_size=1, max_size=3, unique=True)) if delayed else [0.0]
    state = [(draw(matrices(d, d)) - np.eye(d), 0.0)] if draw(st.integers(0, 5)) else []
    readout = [(draw(matrices(d, d)), tau) for tau in taus]
    if delayed and draw(st.booleans()):
        state.append((draw(matrices(d, d)), draw(st.sampled_from(DELAYS))))
    x, terms = None, []
    if draw(st.integers(0, 3)):
        terms = [(draw(matrices(d, 2)), tau) for tau in draw(st.sampled_from([[0.0], [0.25], [0.0, 0.7]]))]
        x = draw(inputs(span, batch))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = (*batch, d)
    history: Any = 2 * rng.normal(size=shape)
    if delayed and draw(st.booleans()):
        turns = rng.normal(size=shape)
        history = lambda t: np.sin(np.multiply.outer(np.asarray(t) + 1.0, turns))  # noqa: E731
    s0 = rng.normal(size=shape) if draw(st.integers(0, 3)) == 0 else None
    rtol = draw(st.sampled_from([1e-3, 1e-6, 1e-9, 1e-11]))
    model = AdditiveModel(state, readout, terms, rng.normal(size=d), draw(st.sampled_from(activations)))
    keep: Any = span if draw(st.booleans()) else np.linspace(*span, draw(st.integers(2, 9)))
    return {"model": model, "x": x, "t": keep, "history": history, "s0": s0, "rtol": rtol, "atol": 1e-3 * rtol}


def outcome(arguments: dict[str, Any]) -> tuple[Trajectory | None, str]:
    """What integrate() hands over, and the beginning of its complaint."""
    try:
        return integrate(**arguments), ""
    except SimulationError as error:
        return error.trajectory, str(error).split(" t = ")[0]


def growth(model: AdditiveModel, length: float) -> float:
    """A bound of what errors grow by: the logarithmic norm of A, and the norms of what is delayed or warped."""
    rate = 0.0
    for term in (*model.state, *model.readout):
        matrix = term.dense()
        symmetric = any(term is t for t in model.state) and term.delay == 0
        rate += np.linalg.eigvalsh(matrix + matrix.T).max() / 2 if symmetric else np.linalg.norm(matrix, 2)
    return float(np.exp(min(max(rate, 0.0) * length, 300.0)))


def agree(arguments: dict[str, Any]) -> None:
    """The same from the kernels as from plain NumPy."""
    fast, complaint = outcome(arguments)
    with plain():
        slow, known = outcome(arguments)
        assert complaint == known
        if fast is None or slow is None:
            assert fast is slow
            return
        assert fast.success == slow.success == (known == "")
        assert np.isfinite(fast.s).all()
        assert np.isfinite(fast.r).all()
        assert fast.t[0] == slow.t[0]
        if known:
            return
        times = np.linspace(fast.t[0], fast.t[-1], 5)
        wanted = slow(times)
    scale = max(1.0, np.abs(slow.s).max())
    grown = growth(arguments["model"], fast.t[-1] - fast.t[0])
    if grown < 1e6:
        np.testing.assert_allclose(fast(times), wanted, rtol=0, atol=30 * arguments["rtol"] * scale * grown)
    np.testing.assert_array_equal(fast(fast.t), fast.s)


@tries
@given(problems(delayed=True, batches=[(), (), (2,), (2, 3)]))
def test_delay_equations(arguments: dict[str, Any]) -> None:
    agree(arguments | {"method": "spectral"})


@tries
@given(problems(delayed=False, batches=[(), (), (3,)], activations=("tanh", "sigmoid", "identity")))
def test_the_taylor_method(arguments: dict[str, Any]) -> None:
    from ode2rnn.solvers.arguments import build_problem
    from ode2rnn.solvers.explicit import taylor

    problem = build_problem(**{"s0": None, "dt": None} | arguments)
    if taylor.fits(problem) is not None:
        agree(arguments | {"method": "taylor"})


@tries
@given(problems(delayed=False, batches=[(), (), (2,), (30,)]))
def test_the_runge_kutta_method(arguments: dict[str, Any]) -> None:
    agree(arguments | {"method": "tsit5"})


@pytest.mark.parametrize("A", [-1e200, -1e100, -1e17, 1e100, 1e200])
@pytest.mark.parametrize("batch", [(), (30,)])
@pytest.mark.parametrize("method", ["taylor", "tsit5"])
def test_a_rate_beyond_all_steps_is_told_and_not_waited_for(method: str, batch: tuple[int, ...], A: float) -> None:
    model = ContinuousRNN(A, -300.0, None, 0.3, activation="identity")
    arguments = {"model": model, "t": [0.0, 0.3], "history": np.full((*batch, 1), 0.8), "method": method}
    agree(arguments | {"rtol": 1e-3})
    assert "no step is small enough" in outcome(arguments)[1]


def test_a_growth_beyond_all_panels_is_told_and_not_waited_for() -> None:
    A, B, C = [[-0.5, -0.6], [0.6, 1e200]], [[0.4, -0.5], [0.3, 0.2]], [[0.8], [0.0]]
    arguments = {"model": ContinuousRNN(A, B, C, None, tau=0.5), "x": signals.Sine(), "t": (0.0, 5.0)}
    arguments |= {"history": [0.1, 0.2], "rtol": 1e-6}
    agree(arguments)
    assert "no step is small enough" in outcome(arguments)[1]


@tries
@given(problems(delayed=False, batches=[(8,), (3, 5), (70,)]), st.integers(1, 9), st.integers(1, 5))
def test_blocks_of_the_fixed_step_method(arguments: dict[str, Any], samples: int, between: int) -> None:
    span = arguments["t"] if isinstance(arguments["t"], tuple) else arguments["t"][[0, -1]]
    arguments = arguments | {"t": np.linspace(*span, samples + 1), "method": "rk4"}
    arguments["dt"] = (span[1] - span[0]) / (samples * between)
    del arguments["rtol"], arguments["atol"]
    fast, complaint = outcome(arguments)
    with plain():
        slow, known = outcome(arguments)
        assert complaint == known
        if fast is not None and slow is not None:
            size = np.abs(slow.s).max()
            np.testing.assert_array_equal(fast.t, slow.t)
            np.testing.assert_allclose(fast.s, slow.s, rtol=1e-12, atol=1e-12 * size)
            if not known:
                between_them = 0.5 * (slow.t[1:] + slow.t[:-1])
                np.testing.assert_allclose(fast(between_them), slow(between_them), rtol=1e-12, atol=1e-12 * size)


@tries
@given(st.data(), st.sampled_from(sorted(SCHEMES)), st.sampled_from([(), (2,), (60,), (5, 13)]))
def test_ticks(data: st.DataObject, scheme: str, batch: tuple[int, ...]) -> None:
    model = data.draw(problems(delayed=data.draw(st.booleans()), batches=[()]))["model"]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    ticks = data.draw(st.integers(1, 130))
    try:
        cell = discretize(model, 0.1 / 6, scheme)
    except ValueError:
        return  # a delay that 1/60 does not divide, or I - dT A of an extreme A that has no inverse
    x: Any = rng.normal(size=(ticks, *data.draw(st.sampled_from([(), batch])), 2)) if cell.input_width else ticks
    given_start = rng.normal(size=(*batch, model.width))

    def outcome() -> tuple[Trajectory | None, str]:
        try:
            return run(cell, x, given_start), ""
        except SimulationError as error:
            return error.trajectory, str(error)

    fast, complaint = outcome()
    with plain():
        slow, known = outcome()
    assert complaint == known
    if fast is not None and slow is not None:
        np.testing.assert_array_equal(fast.t, slow.t)
        size = np.abs(slow.s).max()
        np.testing.assert_allclose(fast.s, slow.s, rtol=1e-12, atol=1e-12 * size)
        np.testing.assert_allclose(fast.r, slow.r, rtol=1e-12, atol=1e-12 * size)


@tries
@given(st.data(), st.sampled_from(sorted(SCHEMES)), st.sampled_from(["final", "range", "states"]))
def test_sweeps_of_steps(data: st.DataObject, scheme: str, keep: str) -> None:
    tied = data.draw(st.booleans())
    arguments = data.draw(problems(delayed=False, batches=[()]))
    model = arguments["model"]
    if not model.readout:
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    counts = np.unique(rng.integers(1, 40, size=data.draw(st.sampled_from([1, 12, 80]))))
    given_arguments: dict[str, Any] = {
        "x": signals.Sine([1.0, 0.5], [2.0, 3.0]) if model.input else None,
        "dts": 1.0 / counts,
        "t": (0.0, 1.0),
        "history": rng.normal(size=model.width),
        "sampling": Sampling(scheme, delay="tied" if tied else "fixed", alpha=0.7 if scheme == "gbt" else None),
        "keep": keep,
        "settle": 0.25,
    }

    def outcome() -> Any:
        try:
            return sweep_steps(model, **given_arguments)
        except ValueError as error:
            return str(error)

    fast = outcome()
    with plain():
        slow = outcome()
    if isinstance(slow, str) or isinstance(fast, str):
        assert fast == slow
        return
    np.testing.assert_array_equal(fast.diverged, slow.diverged)
    for name in ("final", "low", "high"):
        got, wanted = getattr(fast, name), getattr(slow, name)
        assert (got is None) == (wanted is None)
        if wanted is not None:
            size = np.nanmax(np.abs(wanted), initial=0.0)
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * size)
