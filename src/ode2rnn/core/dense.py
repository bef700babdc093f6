"""Dense output: a solution that can be evaluated anywhere, as polynomials on consecutive intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ode2rnn.core.arrays import Array, as_like, concatenate, einsum, is_torch


def barycentric_weights(theta: np.ndarray) -> np.ndarray:
    """Weights of the barycentric interpolation formula for distinct nodes (Berrut and Trefethen 2004)."""
    differences = theta[:, None] - theta[None, :]
    np.fill_diagonal(differences, 1.0)
    # scaled by the capacity of [0, 1] so that no product under- or overflows
    weights = 1.0 / np.prod(4.0 * differences, axis=1)
    return weights / np.abs(weights).max()


def interpolation_matrix(theta: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Matrix (T, K) that takes values at the nodes ``theta`` to values at the points ``at``.

    A point that is a node gives a row of the identity, so a node's value comes back to the last bit.
    """
    differences = at[:, None] - theta[None, :]
    hit = np.abs(differences) <= np.finfo(np.float64).tiny  # closer, and the quotient would overflow
    differences[hit] = 1.0
    terms = weights / differences
    rows = hit.any(axis=1)
    terms[rows] = hit[rows]
    return terms / terms.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Piecewise:
    """Polynomials on consecutive intervals, each held by its values at the same relative nodes.

    Args:
        breaks: ends of the intervals, (P + 1,), increasing, in the caller's unit of time.
        theta: relative nodes in [0, 1], first 0 and last 1, (K,).
        values: the polynomials at the nodes, (P, K, ..., d), NumPy or torch.

    Both ends of an interval are nodes, so the function is continuous where the values are.
    """

    breaks: np.ndarray
    theta: np.ndarray
    values: Array

    @cached_property
    def _weights(self) -> np.ndarray:
        return barycentric_weights(self.theta)

    def __call__(self, t: np.ndarray) -> Array:
        """Values at the times ``t`` (T,), as (T, ..., d); the last polynomial serves past the ends."""
        index = np.clip(np.searchsorted(self.breaks, t, side="right") - 1, 0, len(self.breaks) - 2)
        left, right = self.breaks[index], self.breaks[index + 1]
        at = (t - left) / (right - left)
        matrix = interpolation_matrix(self.theta, self._weights, at)
        # a time that was handed out by `nodes` is that node, whatever rounding makes of it here
        near = np.abs(at[:, None] - self.theta) <= 4e-16 * np.maximum(1.0, np.abs(t) / (right - left))[:, None]
        rows = near.any(axis=1)
        matrix[rows] = near[rows] / near[rows].sum(axis=1, keepdims=True)
        if len(t) and is_torch(self.values) and (np.diff(index) >= 0).all():
            return self._panel_by_panel(index, as_like(matrix, self.values))
        return einsum("tk,tk...->t...", as_like(matrix, self.values), self.values[index])

    def _panel_by_panel(self, index: np.ndarray, matrix: Array) -> Array:
        """A product for each interval: to gather its nodes for every time costs more, and more again backwards."""
        panels = self.values.reshape((*self.values.shape[:2], -1)).unbind()
        counts = np.bincount(index, minlength=len(panels))
        rows = matrix.split(counts.tolist())
        parts = [rows[n] @ panels[n] for n in np.flatnonzero(counts).tolist()]
        return concatenate(parts).reshape((len(index), *self.values.shape[2:]))

    def nodes(self) -> tuple[np.ndarray, Array]:
        """Every distinct node, times (N,) and values (N, ..., d)."""
        left, right = self.breaks[:-1, None], self.breaks[1:, None]
        times = (left + (right - left) * self.theta)[:, 1:]
        times[:, -1] = self.breaks[1:]
        inner = self.values[:, 1:]
        flat = inner.reshape((inner.shape[0] * inner.shape[1], *inner.shape[2:]))
        return np.concatenate([self.breaks[:1], times.ravel()]), concatenate([self.values[0, :1], flat])
