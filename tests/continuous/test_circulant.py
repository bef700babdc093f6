"""C8: a circulant term is its dense matrix, by Fourier transforms, in NumPy and torch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import AdditiveModel, Circulant, ContinuousRNN

RNG = np.random.default_rng(8)
LATTICES = [(1,), (2,), (7,), (8,), (1, 1), (1, 5), (3, 4), (5, 2), (2, 3, 4)]
each = pytest.mark.parametrize("lattice", LATTICES, ids=str)


def by_loops(kernel: np.ndarray) -> np.ndarray:
    """The matrix from its definition: entry (i, j) is kernel[i - j], modulo the lattice."""
    sites = list(itertools.product(*map(range, kernel.shape)))
    matrix = np.empty((len(sites), len(sites)))
    for row, i in enumerate(sites):
        for column, j in enumerate(sites):
            matrix[row, column] = kernel[tuple((a - b) % n for a, b, n in zip(i, j, kernel.shape, strict=True))]
    return matrix


def convolved_by_loops(stencil: np.ndarray, s: np.ndarray) -> np.ndarray:
    """(A s)[i] = sum_k stencil[middle + k] s[i + k] over a periodic lattice."""
    out = np.zeros_like(s)
    for i in itertools.product(*map(range, s.shape)):
        for place in itertools.product(*map(range, stencil.shape)):
            k = [p - w // 2 for p, w in zip(place, stencil.shape, strict=True)]
            out[i] += stencil[place] * s[tuple((a + b) % n for a, b, n in zip(i, k, s.shape, strict=True))]
    return out


@each
def test_the_dense_matrix_is_the_definition(lattice: tuple[int, ...]) -> None:
    kernel = RNG.normal(size=lattice)
    circulant = Circulant(kernel)
    np.testing.assert_array_equal(np.asarray(circulant), by_loops(kernel))
    np.testing.assert_array_equal(np.asarray(circulant)[:, 0], kernel.ravel())
    assert circulant.shape == np.asarray(circulant).shape


@each
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_a_product_is_that_of_the_dense_matrix(lattice: tuple[int, ...], batch: tuple[int, ...]) -> None:
    circulant = Circulant(RNG.normal(size=lattice))
    s = RNG.normal(size=(*batch, circulant.shape[0]))
    expected = s @ np.asarray(circulant).T
    np.testing.assert_allclose(circulant.apply(s), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(circulant.apply(torch.tensor(s)).numpy(), expected, rtol=0, atol=1e-13)


@each
def test_products_in_torch_have_the_gradients_of_the_dense_matrix(lattice: tuple[int, ...]) -> None:
    kernel = torch.tensor(RNG.normal(size=lattice), requires_grad=True)
    s = torch.tensor(RNG.normal(size=(2, kernel.numel())), requires_grad=True)
    v = torch.tensor(RNG.normal(size=(2, kernel.numel())))
    fast = torch.autograd.grad((Circulant(kernel).apply(s) * v).sum(), (kernel, s))
    plain = torch.autograd.grad((s @ Circulant(kernel).dense().T * v).sum(), (kernel, s))
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    if kernel.numel() <= 8:
        assert torch.autograd.gradcheck(lambda k, s: Circulant(k).apply(s), (kernel, s))


def test_a_kernel_and_states_of_different_kinds_give_tensors_with_gradients() -> None:
    kernel, s = RNG.normal(size=5), RNG.normal(size=(2, 5))
    expected = s @ by_loops(kernel).T
    tensor = torch.tensor(kernel, requires_grad=True)
    product = Circulant(tensor).apply(s)
    np.testing.assert_allclose(product.detach(), expected, rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(lambda k: Circulant(k).apply(s), (tensor,))
    assert torch.autograd.gradcheck(Circulant(kernel).apply, (torch.tensor(s, requires_grad=True),))
    assert Circulant(tensor).apply(torch.zeros(5)).dtype == torch.float32


@pytest.mark.parametrize(
    ("lengths", "lattice"),
    [((1,), (1,)), ((3,), (3,)), ((3,), (7,)), ((5,), (6,)), ((3, 3), (4, 5)), ((1, 3), (2, 3)), ((3, 5), (3, 6))],
)
def test_a_stencil_is_the_sum_over_its_neighbours(lengths: tuple[int, ...], lattice: tuple[int, ...]) -> None:
    stencil, s = RNG.normal(size=lengths), RNG.normal(size=lattice)
    expected = convolved_by_loops(stencil, s).ravel()
    circulant = Circulant.from_stencil(stencil, shape=lattice)
    np.testing.assert_allclose(circulant.apply(s.ravel()), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.asarray(circulant) @ s.ravel(), expected, rtol=0, atol=1e-13)
    weights = torch.tensor(stencil, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda w: Circulant.from_stencil(w, shape=lattice).apply(torch.tensor(s.ravel())), (weights,)
    )


def test_the_convolution_theorem_gives_the_eigenvalues() -> None:
    kernel = RNG.normal(size=(3, 4))
    eigenvalues = np.linalg.eigvals(np.asarray(Circulant(kernel)))
    expected = np.fft.fftn(kernel).ravel()
    np.testing.assert_allclose(np.sort_complex(eigenvalues.round(10)), np.sort_complex(expected.round(10)), atol=1e-9)


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        (1.0, r"expected shape \(d,\) or \(n_1, n_2, \.\.\.\), got \(\)"),
        ([], r"got \(0,\)"),
        (np.zeros((2, 0)), r"got \(2, 0\)"),
        ([1.0, np.nan], "NaN"),
        ([1.0, np.inf], "infinity"),
        (None, "got None"),
        ("abc", "real numbers"),
        ([1j], "real numbers"),
        ([[1.0], [1.0, 2.0]], "array of numbers"),
        (torch.tensor([1, 2]), "floating-point"),
    ],
)
def test_bad_kernels_are_refused_by_name(kernel: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^kernel: .*{says}"):
        Circulant(kernel)


@pytest.mark.parametrize(
    ("stencil", "shape", "says"),
    [
        ([1.0, 2.0], (5,), r"stencil: expected odd lengths that fit the lattice \(5,\), got shape \(2,\)"),
        ([1.0, 2.0, 3.0], (2,), r"stencil: .* lattice \(2,\), got shape \(3,\)"),
        ([1.0, 2.0, 3.0], (5, 5), r"stencil: .* got shape \(3,\)"),
        ([], (5,), r"stencil: .* got shape \(0,\)"),
        (1.0, (5,), r"stencil: .* got shape \(\)"),
        ([np.nan], (5,), r"stencil: .*NaN"),
        (None, (5,), r"stencil: .*None"),
        ([1.0], 5, r"shape: expected the lengths"),
        ([1.0], (), r"shape: expected the lengths"),
        ([1.0], (0,), r"shape: expected the lengths"),
        ([1.0], (-3,), r"shape: expected the lengths"),
        ([1.0], (2.5,), r"shape: expected the lengths"),
        ([1.0], "5", r"shape: expected the lengths"),
        ([1.0], None, r"shape: expected the lengths"),
    ],
)
def test_bad_stencils_and_lattices_are_refused_by_name(stencil: Any, shape: Any, says: str) -> None:
    with pytest.raises(ValueError, match="^" + says):
        Circulant.from_stencil(stencil, shape=shape)


@pytest.mark.parametrize("s", [np.zeros(4), np.zeros((5, 4)), np.zeros(()), np.zeros((5, 1))])
def test_states_that_do_not_fit_are_refused(s: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"^s: expected shape \(.*5,?\), got"):
        Circulant(np.ones(5)).apply(s)


def at_rest(model: AdditiveModel, s: Any, x: Any = None) -> Any:
    """The rate where s and x have been what they are for ever."""
    return model.settled().rate(0.0, s, (), x)


def lattice_models() -> tuple[AdditiveModel, AdditiveModel]:
    """A reaction-diffusion lattice with a convolved input, by circulant terms and by dense matrices."""
    diffusion = Circulant.from_stencil([[0.0, 0.5, 0.0], [0.5, -2.5, 0.5], [0.0, 0.5, 0.0]], shape=(4, 3))
    far, blur = Circulant(RNG.normal(size=(4, 3))), Circulant(RNG.normal(size=(4, 3)))
    phi = RNG.normal(size=12)
    circulant = AdditiveModel([(diffusion, 0.0)], [(far, 1.0)], [(blur, 0.0)], phi)
    dense = AdditiveModel(
        [(np.asarray(diffusion), 0.0)], [(np.asarray(far), 1.0)], [(np.asarray(blur), 0.0)], phi, "tanh"
    )
    return circulant, dense


def test_a_lattice_model_is_the_model_with_its_matrices_written_out() -> None:
    circulant, dense = lattice_models()
    s, x = RNG.normal(size=(3, 12)), RNG.normal(size=(3, 12))
    np.testing.assert_allclose(at_rest(circulant, s, x), at_rest(dense, s, x), rtol=0, atol=1e-13)
    ways = [m.rate_jvp(0.0, s, (x,), None, x, (s,)) for m in (circulant, dense)]
    np.testing.assert_allclose(*ways, rtol=0, atol=1e-13)
    back = [m.rate_vjp(0.0, s, (x,), None, x) for m in (circulant, dense)]
    np.testing.assert_allclose(back[0][0], back[1][0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(back[0][1][0], back[1][1][0], rtol=0, atol=1e-13)
    assert (circulant.width, circulant.input_width, circulant.delays) == (12, 12, (1.0,))


def test_a_model_taken_to_torch_keeps_its_convolutions() -> None:
    circulant, _ = lattice_models()
    s, x = RNG.normal(size=(3, 12)), RNG.normal(size=(3, 12))
    tensors = circulant.like(torch.zeros(1, dtype=torch.float64))
    for term in (*tensors.state, *tensors.readout, *tensors.input):
        assert isinstance(term.matrix, Circulant)
    np.testing.assert_allclose(
        at_rest(tensors, torch.tensor(s), torch.tensor(x)), at_rest(circulant, s, x), rtol=0, atol=1e-13
    )
    single = circulant.like(torch.zeros(1))
    assert at_rest(single, torch.zeros(12), torch.zeros(12)).dtype == torch.float32


def test_a_circulant_beside_tensors_takes_their_kind() -> None:
    phi = torch.zeros(5, requires_grad=True)  # single precision
    model = ContinuousRNN(Circulant(np.ones(5)), Circulant(torch.ones(5, dtype=torch.float64)), None, phi)
    # the first tensor decides, and all rates then have one precision
    assert at_rest(model, torch.zeros(5, dtype=model.phi.dtype)).dtype == model.phi.dtype
    assert {p.dtype for p in model.tensors()} == {model.phi.dtype}


def test_misfitting_circulants_are_refused_by_the_letter_of_the_argument() -> None:
    five, four = Circulant(np.ones(5)), Circulant(np.ones(4))
    with pytest.raises(ValueError, match=r"^B: expected shape \(5, 5\), got \(4, 4\)"):
        ContinuousRNN(five, four, None, None)
    with pytest.raises(ValueError, match=r"^C: expected shape \(5, m\), got \(4, 4\)"):
        ContinuousRNN(five, np.eye(5), four, None)
    with pytest.raises(ValueError, match=r"^readout\[1\]: expected shape \(5, 5\), got \(4, 4\)"):
        AdditiveModel(state=[(five, 0.0)], readout=[(five, 1.0), (four, 2.0)])
