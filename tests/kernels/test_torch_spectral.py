"""The spectral method in torch: gradients by the adjoint solve, batches, single precision, other devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn import AdditiveModel, ContinuousRNN, integrate
from ode2rnn.solvers.spectral.adjoint_solve import panel_operators
from ode2rnn.solvers.spectral.collocation import radau_nodes

ROTATING = [[-1.0, 2.0, 0.1], [-2.0, -1.0, 0.0], [0.3, 0.2, -0.5]]
MATRICES = {
    "dense": [[-1.0, 0.4], [0.3, -0.8]],
    "pairs": np.kron(np.eye(3), ROTATING) + 0.05,
    "diagonal": -np.diag(np.linspace(0.5, 40.0, 9)),
    "defective": -np.eye(9) + np.eye(9, k=1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_solve_and_its_gradients(name: str) -> None:
    A = torch.tensor(np.array(MATRICES[name]), dtype=torch.float64, requires_grad=True)
    k, d, h = 8, len(A), 0.3
    integral = radau_nodes(k).integral
    R = torch.randn(k, 2, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def solve(A: torch.Tensor, R: torch.Tensor) -> torch.Tensor:
        return panel_operators(A, integral)(h)(R)

    S = solve(A, R)
    Q = torch.tensor(integral)
    back = S - h * torch.einsum("ij,jbd->ibd", Q, S @ A.T)
    torch.testing.assert_close(back, R, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(solve, (A, R), fast_mode=True)
    assert torch.autograd.gradgradcheck(solve, (A, R), fast_mode=True)


def tensors(d: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    rng = np.random.default_rng(d)
    arrays = (
        -np.eye(d) + 0.3 * rng.normal(size=(d, d)),
        0.6 * rng.normal(size=(d, d)) / np.sqrt(d),
        rng.normal(size=(d, 1)),
        0.1 * rng.normal(size=d),
        rng.normal(size=(2, d)),
    )
    return [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]


def state(A: torch.Tensor, B: torch.Tensor, C: torch.Tensor, phi: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
    model = AdditiveModel(state=[(A, 0.0), (0.1 * B, 0.6)], readout=[(B, 1.0)], input=[(C, 0.0)], phi=phi)
    return integrate(model, np.sin, t=np.array([0.0, 0.7, 2.5]), history=history, rtol=1e-10, atol=1e-12).s


@pytest.mark.parametrize("d", [2, 9])
def test_gradients_of_a_run_against_central_differences(d: int) -> None:
    assert torch.autograd.gradcheck(state, tensors(d), fast_mode=True)


@pytest.mark.parametrize("d", [3, 20])
def test_torch_agrees_with_numpy(d: int) -> None:
    A, B, C, phi, history = tensors(d)
    model = ContinuousRNN(A, B, C, phi, tau=1.0)
    twin = ContinuousRNN(*(v.detach().numpy() for v in (A, B, C, phi)), tau=1.0)  # type: ignore[misc]
    times = np.linspace(0, 10, 21)
    run = integrate(model, np.sin, t=times, history=history, rtol=1e-9)
    known = integrate(twin, np.sin, t=times, history=history.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(run.s.detach().numpy(), known.s, rtol=0, atol=1e-12 * np.abs(known.s).max())


def test_single_precision_is_not_driven_by_its_rounding() -> None:
    A, B, C, phi, history = tensors(60, torch.float32)
    run = integrate(ContinuousRNN(A, B, C, phi, tau=1.0), np.sin, t=(0, 10), history=history, rtol=1e-5, atol=1e-7)
    assert run.s.dtype == torch.float32
    assert run.stats.steps < 60


def test_gradients_keep_a_few_panels_of_memory_for_each_panel() -> None:
    """What the graph of a run holds on to, counted once where tensors share it, against the solution itself."""

    def kept(end: float) -> tuple[int, int]:
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        A, B, C, phi, _ = tensors(40)
        history = torch.zeros(8, 40, dtype=torch.float64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            run = integrate(ContinuousRNN(A, B, C, phi, tau=1.0), np.sin, t=(0, end), history=history)
        return sum(storages.values()), run.dense.values.nbytes  # type: ignore[union-attr]

    (short, panels_of_short), (long, panels_of_long) = kept(10), kept(40)
    assert long - short < 5 * (panels_of_long - panels_of_short)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_solution_and_gradients_there() -> None:
    results = []
    for device in ("cpu", "cuda"):
        moved = [v.detach().to(device).requires_grad_() for v in tensors(9)]
        s = state(*moved)
        assert s.device.type == device
        s.square().sum().backward()
        results.append([s.detach().cpu(), *(v.grad.cpu() for v in moved if v.grad is not None)])
    assert len(results[1]) == 6
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cuda, cpu, rtol=1e-9, atol=1e-10)
