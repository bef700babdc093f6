"""The linear solve of a collocation panel in torch, with its adjoint solve as gradient.  Imported where torch is used.

S - h Q S A' = R is solved for a whole batch by matrix products with operators that are computed once for a length h.
Gradients: R_bar solves the transposed equation for S_bar, and A_bar = h sum (Q' R_bar)' S.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ode2rnn.core.arrays import as_like, to_numpy
from ode2rnn.solvers.spectral.modes import real_modes

# Up to this many unknowns one dense operator is cheaper than the basis of the modes.
DENSE_UNKNOWNS = 64


class PanelOperator:
    """(I - h Q (x) A)^-1 for one A and h, and its transpose, acting on tensors (K, ..., d)."""

    def __init__(
        self, A: torch.Tensor, h: float, integral: np.ndarray, modes: tuple[np.ndarray, np.ndarray | None] | None
    ) -> None:
        self.h, k, d = h, len(integral), A.shape[0]
        self.integral = as_like(integral, A)
        self.whole: torch.Tensor | None = None
        if modes is None:
            self.whole = torch.linalg.inv(
                torch.eye(k * d, dtype=A.dtype, device=A.device) - h * torch.kron(self.integral, A.detach())
            )
            return
        values, basis = modes
        self.basis = None if basis is None else as_like(basis, A)
        self.inverse = None if basis is None else as_like(np.linalg.inv(basis), A)
        reals, pairs = values[values.imag == 0].real, values[values.imag > 0]
        self.split = len(reals), len(pairs)
        eye = np.eye(k)
        self.real = as_like(np.linalg.inv(eye - h * reals[:, None, None] * integral), A)
        turned = np.linalg.inv(eye - h * pairs.conj()[:, None, None] * integral)
        # a pair as one real matrix (2 K, 2 K) on its two members
        rotation = np.concatenate(
            [np.concatenate([turned.real, -turned.imag], axis=2), np.concatenate([turned.imag, turned.real], axis=2)],
            axis=1,
        )
        self.pairs = as_like(rotation, A)

    def apply(self, R: torch.Tensor, transposed: bool) -> torch.Tensor:
        k, d = R.shape[0], R.shape[-1]
        if self.whole is not None:
            columns = R.reshape((k, -1, d)).transpose(0, 1).reshape((-1, k * d))
            solved = columns @ (self.whole if transposed else self.whole.T)
            return solved.reshape((-1, k, d)).transpose(0, 1).reshape(R.shape)
        # R @ inverse' into the modes and @ basis' back, or the transposes of both in the other order
        first, last = (self.basis, self.inverse) if transposed else (self.inverse, self.basis)
        modes = R.reshape((-1, d))
        if first is not None:
            modes = modes @ (first if transposed else first.T)
        rows = modes.reshape((k, -1, d)).permute(2, 0, 1)  # (d, K, batch)
        real, pair = (op.mT if transposed else op for op in (self.real, self.pairs))
        reals, pairs = self.split
        parts = [torch.bmm(real, rows[:reals])]
        if pairs:
            joined = torch.cat([rows[reals : reals + pairs], rows[reals + pairs :]], dim=1)
            solved = torch.bmm(pair, joined)
            parts += [solved[:, :k], solved[:, k:]]
        back = (torch.cat(parts) if pairs else parts[0]).permute(1, 2, 0).reshape((-1, d))
        if last is not None:
            back = back @ (last if transposed else last.T)
        return back.reshape(R.shape)


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, R: torch.Tensor, A: torch.Tensor, operator: PanelOperator, transposed: bool) -> torch.Tensor:
        S = operator.apply(R, transposed)
        ctx.save_for_backward(A, S)
        ctx.operator, ctx.transposed = operator, transposed
        return S

    @staticmethod
    def backward(ctx: Any, S_bar: torch.Tensor) -> tuple[Any, ...]:
        A, S = ctx.saved_tensors
        operator, d = ctx.operator, A.shape[0]
        R_bar = solve(S_bar, A, operator, not ctx.transposed)
        A_bar = None
        if ctx.needs_input_grad[1]:
            k = S.shape[0]
            Q = operator.integral
            left = (Q.T @ (S if ctx.transposed else R_bar).reshape((k, -1))).reshape((-1, d))
            right = (R_bar if ctx.transposed else S).reshape((-1, d))
            A_bar = operator.h * left.T @ right
        return R_bar, A_bar, None, None


def solve(R: torch.Tensor, A: torch.Tensor, operator: PanelOperator, transposed: bool = False) -> torch.Tensor:
    """S with S - h Q S A' = R for R (K, ..., d), differentiable, also twice; transposed: S - h Q' S A = R."""
    return _Solve.apply(R, A, operator, transposed)


def panel_operators(A: torch.Tensor, integral: np.ndarray) -> Callable[[float], Callable[[torch.Tensor], torch.Tensor]]:
    """For a length h, the solution S of S - h Q S A' = R as a function of R."""
    modes = real_modes(to_numpy(A)) if len(integral) * A.shape[0] > DENSE_UNKNOWNS else None

    def of_length(h: float) -> Callable[[torch.Tensor], torch.Tensor]:
        operator = PanelOperator(A, h, integral, modes)
        return lambda R: solve(R, A, operator)

    return of_length
