"""T7: the error that flows along the carousel is the product of the state gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.gated.cells import augmented_cell, in_torch, leaves, numbers, vanilla_cell

from ode2rnn import VanillaLSTM, bptt, carousel_flow


def deaf(cell: VanillaLSTM) -> VanillaLSTM:
    """The cell whose gates and update listen to the input alone."""
    off = {name: 0 * W for name, W in leaves(cell).items() if name.startswith("W_v")}
    return replace(cell, **off, W_scu=None, W_scs=None, W_scr=None)


def test_it_is_the_product_of_the_state_gates() -> None:
    g = np.random.default_rng(0).random((9, 2, 3))
    flow = carousel_flow(g)
    for n in range(9):
        np.testing.assert_allclose(flow[n], np.prod(g[n + 1 :], axis=0), rtol=1e-14)
    np.testing.assert_allclose(carousel_flow(torch.tensor(g)), flow, rtol=1e-14)
    np.testing.assert_array_equal(carousel_flow(g[:1]), np.ones((1, 2, 3)))


@pytest.mark.parametrize("cell", [vanilla_cell(), augmented_cell()], ids=["vanilla", "augmented"])
def test_it_is_the_product_of_jacobians_along_the_state_alone(cell: VanillaLSTM) -> None:
    """torch's Jacobian of s[N-1] by s[l], with gates and updates held at their values."""
    x, s0, _, _ = numbers(cell, batch=())
    gates = cell.gates(x, s0)
    g_cs, update = torch.tensor(gates.g_cs), torch.tensor(gates.g_cu * gates.u)

    def last(s: torch.Tensor, after: int) -> torch.Tensor:
        for n in range(after + 1, len(x)):
            s = g_cs[n] * s + update[n]
        return s

    flow = carousel_flow(gates)
    for n in (0, 4, len(x) - 1):
        J = torch.autograd.functional.jacobian(lambda s, n=n: last(s, n), torch.tensor(gates.s[n]))
        np.testing.assert_allclose(J, np.diag(flow[n]), rtol=1e-13, atol=1e-15)


def test_it_is_all_of_psi_where_gates_and_update_listen_to_the_input_alone() -> None:
    cell = deaf(vanilla_cell())
    x, s0, of_v, of_s = numbers(cell)
    s_bar = np.zeros_like(of_s)
    s_bar[-1] = of_s[-1]
    back = bptt(cell, x, np.zeros_like(of_v), s0, s_bar=s_bar)
    flow = carousel_flow(cell.gates(x, s0))
    np.testing.assert_allclose(back.psi, flow * of_s[-1], rtol=1e-13)
    whole = bptt(vanilla_cell(), x, np.zeros_like(of_v), s0, s_bar=s_bar)  # else it is one way of many
    assert np.abs(whole.psi - carousel_flow(vanilla_cell().gates(x, s0)) * of_s[-1])[0].max() > 1e-3


def test_it_neither_vanishes_nor_explodes_while_the_state_gate_is_near_one() -> None:
    x = np.random.default_rng(2).standard_normal((1000, 3))
    open_, half = (replace(deaf(vanilla_cell()), W_xcs=np.zeros((5, 3)), b_cs=np.full(5, b)) for b in (9.0, 0.0))
    assert (carousel_flow(open_.gates(x))[0] > 0.88).all()
    assert (carousel_flow(open_.gates(x)) <= 1).all()
    assert (carousel_flow(half.gates(x))[0] < 1e-300).all()


def test_it_is_differentiable_in_torch() -> None:
    cell = in_torch(vanilla_cell(), grad=True)
    x, s0, _, _ = numbers(vanilla_cell())
    carousel_flow(cell.gates(torch.tensor(x), cell.State(*map(torch.tensor, s0)))).sum().backward()
    assert cell.b_cs.grad.abs().max() > 0


@pytest.mark.parametrize("bad", [None, 1.0, [], [[np.nan]]])
def test_bad_input_is_refused_by_name(bad: object) -> None:
    with pytest.raises(ValueError, match="g_cs: expected"):
        carousel_flow(bad)
