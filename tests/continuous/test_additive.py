"""C7 and C9: the right-hand side against formulas written here, values that do not change, and bad models."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import ACTIVATIONS, Activation, AdditiveModel, Circulant, ContinuousRNN

RNG = np.random.default_rng(21)
A = RNG.normal(size=(2, 3, 3))
B = RNG.normal(size=(3, 3, 3))
C = RNG.normal(size=(2, 3, 2))
PHI = RNG.normal(size=3)
DELAYS = {"state": (0.0, 0.7), "readout": (0.5, 0.0, 2.0), "input": (0.0, 0.3)}


def terms(matrices: Any, kind: str) -> list[tuple[Any, float]]:
    return list(zip(matrices, DELAYS[kind], strict=True))


def full(kind: Any = np.asarray, activation: Any = "tanh") -> AdditiveModel:
    return AdditiveModel(
        state=terms(kind(A), "state"),
        readout=terms(kind(B), "readout"),
        input=terms(kind(C), "input"),
        phi=kind(PHI),
        activation=activation,
    )


def formula(s: np.ndarray, x: np.ndarray | None, G: Any = np.tanh) -> np.ndarray:
    """The right-hand side of C7 at one state, entry by entry, with everything constant for ever."""
    out = np.zeros(3)
    for i in range(3):
        out[i] = PHI[i]
        for j in range(3):
            out[i] += sum(A[k, i, j] * s[j] for k in range(2)) + sum(B[k, i, j] * G(s[j]) for k in range(3))
        if x is not None:
            out[i] += sum(C[k, i, j] * x[j] for k in range(2) for j in range(2))
    return out


def at_rest(model: AdditiveModel, s: Any, x: Any = None) -> Any:
    """The rate where s and x have been what they are for ever."""
    return model.settled().rate(0.0, s, (), x)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_rate_is_c7_written_out(name: str) -> None:
    s, x = RNG.normal(size=3), RNG.normal(size=2)
    G = ACTIVATIONS[name].value
    model = full(activation=name)
    np.testing.assert_allclose(at_rest(model, s, x), formula(s, x, G), rtol=0, atol=1e-14)
    np.testing.assert_allclose(at_rest(model, s), formula(s, None, G), rtol=0, atol=1e-14)


@pytest.mark.parametrize("batch", [(4,), (2, 5)])
def test_a_batch_of_states_has_a_batch_of_rates(batch: tuple[int, ...]) -> None:
    model, s, x = full(), RNG.normal(size=(*batch, 3)), RNG.normal(size=(*batch, 2))
    rates = at_rest(model, s, x)
    assert rates.shape == s.shape
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(rates[index], formula(s[index], x[index]), rtol=0, atol=1e-14)
    np.testing.assert_allclose(at_rest(model, s, x[(0,) * len(batch)])[(-1,) * len(batch)].shape, (3,))


def test_every_term_of_every_kind_counts_once() -> None:
    s, x = RNG.normal(size=3), RNG.normal(size=2)
    parts = [at_rest(AdditiveModel(state=[t], readout=[(np.zeros((3, 3)), 0.0)]), s) for t in terms(A, "state")]
    parts += [at_rest(AdditiveModel(readout=[t]), s) for t in terms(B, "readout")]
    parts += [at_rest(AdditiveModel(input=[t]), s, x) for t in terms(C, "input")]
    parts += [at_rest(AdditiveModel(phi=PHI), s)]
    np.testing.assert_allclose(sum(parts), at_rest(full(), s, x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_past_is_seen_at_each_delay(name: str) -> None:
    model, G = full(activation=name), ACTIVATIONS[name].value
    s, half, seven, two = RNG.normal(size=(4, 5, 3))  # s(t), and s a delay of 0.5, 0.7, 2.0 before
    expected = PHI + s @ A[0].T + seven @ A[1].T + G(half) @ B[0].T + G(s) @ B[1].T + G(two) @ B[2].T
    np.testing.assert_allclose(model.rate(0.0, s, (half, seven, two)), expected, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match=r"past: expected s\(t - tau\) for the delays \(0.5, 0.7, 2.0\), got 1 array"):
        model.rate(0.0, s, (half,))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_tangent_and_the_cotangent_of_the_rate_are_those_of_autograd(name: str) -> None:
    model, tensors = full(activation=name), full(torch.tensor, name)
    states, along, bar = RNG.normal(size=(4, 6, 3)), RNG.normal(size=(4, 6, 3)), RNG.normal(size=(6, 3))
    given = tuple(torch.tensor(v) for v in states)
    exact = torch.autograd.functional.jvp(
        lambda s, *past: tensors.rate(0.0, s, past), given, tuple(torch.tensor(v) for v in along)
    )[1]
    back = torch.autograd.functional.vjp(lambda s, *past: tensors.rate(0.0, s, past), given, torch.tensor(bar))[1]
    for own, kind in ((model, np.asarray), (tensors, torch.tensor)):
        s, past = kind(states[0]), tuple(map(kind, states[1:]))
        moved = own.rate_jvp(0.0, s, past, None, kind(along[0]), tuple(map(kind, along[1:])))
        np.testing.assert_allclose(moved, exact, rtol=0, atol=1e-13)
        still = own.rate_jvp(0.0, s, past, None, kind(along[0]))
        zero = tuple(kind(0 * v) for v in along[1:])
        np.testing.assert_allclose(still, own.rate_jvp(0.0, s, past, None, kind(along[0]), zero), rtol=0, atol=1e-14)
        s_bar, past_bar = own.rate_vjp(0.0, s, past, None, kind(bar))
        for got, want in zip((s_bar, *past_bar), back, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


def test_many_directions_at_one_state_are_taken_at_once() -> None:
    model = full().settled()
    s, along = RNG.normal(size=(5, 1, 3)), RNG.normal(size=(5, 4, 3))
    moved = model.rate_jvp(0.0, s, (), None, along)
    for k in range(5):
        for n in range(4):
            np.testing.assert_allclose(moved[k, n], model.rate_jvp(0.0, s[k, 0], (), None, along[k, n]), atol=1e-14)


def test_a_settled_model_has_no_delay_and_one_matrix_of_each_kind() -> None:
    model, settled = full(), full().settled()
    assert (settled.delays, settled.input_delays) == ((), (0.0,))
    np.testing.assert_allclose(settled.readout[0].matrix, B.sum(0), atol=1e-15)
    assert settled.settled() is settled
    lag = ContinuousRNN(A[0], B[0], C[0], PHI, tau=1.0)
    assert type(lag.settled()) is ContinuousRNN
    assert (model.linear, full().settled().linear) == (None, None)
    np.testing.assert_array_equal(lag.linear, A[0])
    np.testing.assert_array_equal(model.readout(np.ones(3)), np.tanh(np.ones(3)))
    assert not model.depends_on_time


def test_the_c9_model_is_the_additive_model_with_one_term_of_each_kind() -> None:
    model = ContinuousRNN(A[0], B[0], C[0], PHI, tau=0.4, activation="sigmoid")
    same = AdditiveModel([(A[0], 0.0)], [(B[0], 0.4)], [(C[0], 0.0)], PHI, "sigmoid")
    s, x = RNG.normal(size=3), RNG.normal(size=2)
    expected = A[0] @ s + B[0] @ (1 / (1 + np.exp(-s))) + C[0] @ x + PHI
    np.testing.assert_allclose(at_rest(model, s, x), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(at_rest(model, s, x), at_rest(same, s, x))
    for letter, value in (("A", A[0]), ("B", B[0]), ("C", C[0]), ("phi", PHI)):
        np.testing.assert_array_equal(getattr(model, letter), value)
    assert (model.tau, model.delays, model.input_delays) == (0.4, (0.4,), (0.0,))
    assert isinstance(model, AdditiveModel)


def test_width_input_width_delays_and_undelayed_terms_are_told() -> None:
    model = full()
    assert (model.width, model.input_width) == (3, 2)
    assert model.delays == (0.5, 0.7, 2.0)  # of states and readouts, increasing, without zero
    assert model.input_delays == (0.0, 0.3)
    for kind, matrix in (("state", A[0]), ("readout", B[1]), ("input", C[0])):
        term = model.undelayed(kind)
        assert term is not None
        np.testing.assert_array_equal(term.matrix, matrix)
    delayed = ContinuousRNN(A[0], B[0], None, None, tau=1.0)
    assert delayed.undelayed("readout") is None
    assert delayed.undelayed("input") is None
    assert (delayed.input_width, delayed.C) == (0, None)
    assert ContinuousRNN(A[0], B[0], None, None).delays == ()
    np.testing.assert_array_equal(delayed.phi, np.zeros(3))


def test_numbers_stand_for_matrices_and_vectors_of_one_unit() -> None:
    model = ContinuousRNN(A=-2, B=0.5, C=3, phi=1, tau=1)
    assert (model.A.shape, model.B.shape, model.C.shape, model.phi.shape) == ((1, 1), (1, 1), (1, 1), (1,))
    assert model.A.dtype == model.phi.dtype == np.float64
    assert float(at_rest(model, np.array([0.2]), np.array([4.0]))[0]) == pytest.approx(12.6 + 0.5 * math.tanh(0.2))
    wide = ContinuousRNN(A=-2, B=0.5, C=[[3.0, 4.0]], phi=None)
    assert (wide.width, wide.input_width) == (1, 2)
    number = torch.tensor(-2.0, requires_grad=True)
    assert tuple(ContinuousRNN(number, 0.5, None, None).A.shape) == (1, 1)
    assert AdditiveModel(phi=0.5).width == 1


def test_mackey_glass_is_written_in_one_line() -> None:
    G = Activation("mackey_glass", lambda s: s / (1 + s**10), lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2)
    model = ContinuousRNN(A=-0.1, B=0.2, C=None, phi=None, tau=17.0, activation=G)
    assert (model.delays, model.width, model.input_width) == ((17.0,), 1, 0)
    s = np.linspace(0, 1.5, 7)[:, None]
    np.testing.assert_allclose(at_rest(model, s), 0.2 * s / (1 + s**10) - 0.1 * s, rtol=0, atol=1e-16)
    slope = model.settled().rate_jvp(0.0, np.ones(1), (), None, np.ones(1))
    assert float(slope[0]) == pytest.approx(-0.1 + 0.2 * (1 - 9) / 4)


def test_the_arrays_given_are_copied() -> None:
    given = {"A": A[0].copy(), "B": B[0].copy(), "C": C[0].copy(), "phi": PHI.copy()}
    model = ContinuousRNN(**given)
    before = at_rest(model, np.ones(3), np.ones(2))
    for array in given.values():
        array += 100.0
    np.testing.assert_array_equal(at_rest(model, np.ones(3), np.ones(2)), before)


@pytest.mark.parametrize("name", ["A", "phi", "tau", "state", "width", "activation", "novel"])
def test_a_model_is_a_value_that_cannot_be_set(name: str) -> None:
    model = ContinuousRNN(A[0], B[0], C[0], PHI)
    with pytest.raises(AttributeError, match=f"ContinuousRNN is a value: .* {name!r}"):
        setattr(model, name, 1.0)
    assert not hasattr(model, "novel")


def test_a_model_can_be_copied() -> None:
    model = ContinuousRNN(A[0], B[0], C[0], PHI, tau=1.0)
    for twin in (copy.copy(model), copy.deepcopy(model)):
        np.testing.assert_array_equal(at_rest(twin, np.ones(3), np.ones(2)), at_rest(model, np.ones(3), np.ones(2)))
        assert type(twin) is ContinuousRNN


def test_the_repr_tells_shapes_delays_and_activation() -> None:
    model = ContinuousRNN(A[0], B[0], C[0], PHI, tau=0.4)
    assert repr(model) == (
        "ContinuousRNN(state=[((3, 3), 0.0)], readout=[((3, 3), 0.4)], input=[((3, 2), 0.0)], activation='tanh')"
    )
    assert repr(full()).startswith("AdditiveModel(state=[((3, 3), 0.0), ((3, 3), 0.7)], readout=")


def test_the_model_of_tensors_gives_the_same_rate_with_gradients() -> None:
    s, x = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
    rate = at_rest(full(torch.tensor), torch.tensor(s), torch.tensor(x))
    np.testing.assert_allclose(rate.numpy(), at_rest(full(), s, x), rtol=0, atol=1e-14)
    given = tuple(torch.tensor(v, requires_grad=True) for v in (A[0], B[0], C[0], PHI, s, x))
    assert torch.autograd.gradcheck(lambda A, B, C, phi, s, x: at_rest(ContinuousRNN(A, B, C, phi), s, x), given)


@pytest.mark.parametrize("letter", ["A", "B", "C", "phi"])
def test_one_tensor_makes_a_model_of_tensors(letter: str) -> None:
    given: dict[str, Any] = {"A": A[0], "B": B[0], "C": C[0], "phi": PHI}
    given[letter] = torch.tensor(given[letter], dtype=torch.float32, requires_grad=True)
    model = ContinuousRNN(**given)
    for name in given:
        assert getattr(model, name).dtype == torch.float32
    assert getattr(model, letter) is given[letter]
    at_rest(model, torch.ones(3), torch.ones(2)).sum().backward()
    assert given[letter].grad is not None
    assert sum(p.requires_grad for p in model.tensors()) == 1


def test_like_takes_a_model_to_another_kind_and_keeps_its_class() -> None:
    model = ContinuousRNN(A[0], B[0], C[0], PHI, tau=0.4)
    double = torch.zeros(1, dtype=torch.float64)
    tensors = model.like(double)
    assert type(tensors) is ContinuousRNN
    assert tensors.A.dtype == torch.float64
    assert tensors.tau == 0.4
    assert tensors.like(torch.zeros(1)).phi.dtype == torch.float32
    assert tensors.like(torch.ones(5, dtype=torch.float64)) is tensors
    assert model.like(np.ones(2)) is model
    back = tensors.like(np.zeros(1))
    np.testing.assert_array_equal(back.A, model.A)
    assert isinstance(model.A, np.ndarray)  # the first one is as it was
    leaf = torch.tensor(A[0], requires_grad=True)
    moved = ContinuousRNN(leaf, B[0], None, None).like(torch.zeros(1))
    at_rest(moved, torch.ones(3)).sum().backward()
    assert leaf.grad is not None


def test_a_model_whose_activation_is_numpy_only_is_not_taken_to_torch() -> None:
    G = Activation("only_numpy", lambda s: np.sin(s), lambda s: np.cos(s))
    with pytest.raises(ValueError, match=r"^activation 'only_numpy', value: expected a function of a Tensor"):
        ContinuousRNN(A[0], B[0], None, None, activation=G).like(torch.zeros(1))


def test_parameters_are_the_tensors_and_kernels_the_model_is_made_of() -> None:
    kernel = torch.ones(3, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(B[0], requires_grad=True)
    parameters = ContinuousRNN(Circulant(kernel), weight, None, None).tensors()
    assert [id(p) for p in parameters if p.requires_grad] == [id(kernel), id(weight)]
    assert full().tensors() == ()


BAD_C9: list[tuple[dict[str, Any], str]] = [
    ({"A": np.zeros((3, 2))}, r"A: expected shape \(d, d\), got \(3, 2\)"),
    ({"A": np.zeros(3)}, r"A: expected shape \(d, d\), got \(3,\)"),
    ({"A": np.zeros((0, 0))}, r"A: expected shape \(d, d\), got \(0, 0\)"),
    ({"A": None}, r"A: expected numbers, got None"),
    ({"A": "eye"}, r"A: expected an array of real numbers, got str 'eye'"),
    ({"A": np.eye(3) * 1j}, r"A: expected an array of real numbers"),
    ({"A": [[1.0, 2.0], [3.0]]}, r"A: expected an array of numbers"),
    ({"A": np.full((3, 3), np.nan)}, r"A: expected finite numbers, got an array that holds NaN"),
    ({"A": torch.eye(3, dtype=torch.int64)}, r"A: expected a floating-point tensor.*use A\.double\(\)"),
    ({"A": [[torch.ones(1, requires_grad=True)]]}, r"A: expected an array of numbers, got list"),
    ({"B": np.zeros((3, 2))}, r"B: expected shape \(3, 3\), got \(3, 2\)"),
    ({"B": np.zeros((2, 2))}, r"B: expected shape \(3, 3\), got \(2, 2\)"),
    ({"B": 0.5}, r"B: expected shape \(3, 3\), got \(1, 1\)"),
    ({"B": None}, r"B: expected numbers, got None"),
    ({"C": np.zeros((2, 2))}, r"C: expected shape \(3, m\), got \(2, 2\)"),
    ({"C": np.zeros((3, 0))}, r"C: expected shape \(3, m\), got \(3, 0\)"),
    ({"C": np.zeros(3)}, r"C: expected shape \(3, m\), got \(3,\)"),
    ({"C": [[np.inf]] * 3}, r"C: expected finite numbers, got an array that holds infinity"),
    ({"A": 65520.0 * np.eye(3), "B": torch.eye(3).half()}, r"A: expected finite numbers, got an array that holds inf"),
    ({"phi": np.zeros(2)}, r"phi: expected shape \(3,\), got \(2,\)"),
    ({"phi": 1.0}, r"phi: expected shape \(3,\), got \(1,\)"),
    ({"phi": np.zeros((3, 1))}, r"phi: expected shape \(3,\), got \(3, 1\)"),
    ({"phi": [0.0, np.nan, 0.0]}, r"phi: expected finite numbers"),
    ({"tau": -1.0}, r"tau: expected a number >= 0, got -1"),
    ({"tau": np.nan}, r"tau: expected finite numbers"),
    ({"tau": np.inf}, r"tau: expected finite numbers"),
    ({"tau": None}, r"tau: expected numbers, got None"),
    ({"tau": "1"}, r"tau: expected an array of real numbers"),
    ({"tau": [1.0]}, r"tau: expected one number, got an array of shape \(1,\)"),
    ({"activation": "tan"}, r"activation: expected one of .*did you mean 'tanh'"),
    ({"activation": np.tanh}, r"activation: expected one of"),
]


@pytest.mark.parametrize(("bad", "says"), BAD_C9)
def test_a_bad_argument_of_the_c9_model_is_refused_by_its_letter(bad: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"A": A[0], "B": B[0], "C": C[0], "phi": PHI, "tau": 0.5, "activation": "tanh"}
    ContinuousRNN(**good)
    with pytest.raises(ValueError, match="^" + says):
        ContinuousRNN(**good | bad)


BAD_C7: list[tuple[dict[str, Any], str]] = [
    ({}, r"state, readout, input, phi: expected at least one term, got none"),
    ({"phi": []}, r"state, readout, input, phi: expected at least one term"),
    ({"state": 5}, r"state: expected a list of \(matrix, delay\) pairs, got int 5"),
    ({"state": None}, r"state: expected a list of \(matrix, delay\) pairs, got NoneType"),
    ({"state": (A[0], 0.0)}, r"state: expected a list of \(matrix, delay\) pairs"),
    ({"state": [A[0]]}, r"state\[0\]: expected a pair \(matrix, delay\), got 3 entries"),
    ({"state": ["ab", "cd"]}, r"state\[0\]: expected an array of real numbers"),
    ({"state": {1: 2}}, r"state: expected a list"),
    ({"state": [(A[0], -0.1)]}, r"state\[0\] delay: expected a number >= 0, got -0\.1"),
    ({"state": [(A[0], None)]}, r"state\[0\] delay: expected numbers, got None"),
    ({"state": [(0.0, A[0])]}, r"state\[0\] delay: expected one number"),
    ({"state": [(A[0], 0.5), (A[1], 0.5)]}, r"state: expected distinct delays, got \[0\.5, 0\.5\]; add the matrices"),
    ({"readout": [(B[0], 1), (B[1], 2), (B[2], 1.0)]}, r"readout: expected distinct delays"),
    ({"input": [(C[0], 0), (C[1], 0)]}, r"input: expected distinct delays"),
    ({"state": [(A[0], 0), (A[0][:2, :2], 1)]}, r"state\[1\]: expected shape \(3, 3\), got \(2, 2\)"),
    ({"state": [(A[0], 0)], "readout": [(2.0, 1)]}, r"readout\[0\]: expected shape \(3, 3\), got \(1, 1\)"),
    ({"state": [(C[0], 0)]}, r"state\[0\]: expected shape \(d, d\), got \(3, 2\)"),
    ({"input": [(C[0], 0), (A[0], 1)]}, r"input\[1\]: expected shape \(3, 2\), got \(3, 3\)"),
    ({"state": [(A[0], 0)], "input": [(C[0].T, 1)]}, r"input\[0\]: expected shape \(3, m\), got \(2, 3\)"),
    ({"state": [(A[0], 0)], "phi": PHI[:2]}, r"phi: expected shape \(3,\), got \(2,\)"),
    ({"phi": np.zeros((2, 2))}, r"phi: expected shape \(2,\), got \(2, 2\)"),
]


@pytest.mark.parametrize(("given", "says"), BAD_C7)
def test_a_bad_term_is_refused_by_its_kind_and_number(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="^" + says):
        AdditiveModel(**given)


def test_delays_are_shared_between_kinds() -> None:
    model = AdditiveModel(state=[(A[0], 0.5)], readout=[(B[0], 0.5)], input=[(C[0], 0.5)])
    assert (model.delays, model.input_delays) == ((0.5,), (0.5,))
