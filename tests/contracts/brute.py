"""Answers found without the package: own loops over a tick, and differences of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn import System
from ode2rnn.core.systems import states

EPS = 1e-6


def plain(cell: System) -> System:
    return cell.plain()


def to_numpy(value: Any) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value, dtype=float)


def as_own(cell: System, value: np.ndarray) -> Any:
    """An array of the kind that the cell steps."""
    if isinstance(cell.like, np.ndarray):
        return value
    import torch

    return torch.as_tensor(np.array(value), dtype=cell.like.dtype)


def seen_by(cell: System, x: np.ndarray) -> list[np.ndarray]:
    """What each tick sees of x (N, m): x[n], or the window x[n-behind] .. x[n+ahead], zero outside."""
    behind, ahead = cell.window
    if not behind + ahead or cell.taps is not None:  # what has taps keeps the inputs before x[n] itself
        return list(x)
    zero = np.zeros(x.shape[1:])
    at = lambda n: x[n] if 0 <= n < len(x) else zero  # noqa: E731
    return [np.stack([at(n + k) for k in range(-behind, ahead + 1)]) for n in range(len(x))]


def ticks(cell: System, x: np.ndarray, state: Any) -> list[Any]:
    """The states after every tick, one after another."""
    found = []
    for seen in seen_by(cell, x):
        state = cell.step(state, as_own(cell, seen))
        found.append(state)
    return found


def start(cell: System, s0: np.ndarray | None = None) -> Any:
    return cell.init(as_own(cell, np.zeros(cell.width) if s0 is None else s0))


def loop(cell: System, x: np.ndarray, s0: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """s[n] and r[n] of an own loop."""
    shown = [cell.readout(state) for state in ticks(cell, x, start(cell, s0))]
    return np.array([to_numpy(s) for s, _ in shown]), np.array([to_numpy(r) for _, r in shown])


def vector(cell: System, state: Any) -> np.ndarray:
    return to_numpy(cell.flatten(state))


def one_tick(cell: System, v: np.ndarray, row: Any) -> np.ndarray:
    """The vector after a tick from the vector ``v``, ``row`` being a row of cell.driven."""
    state, _, seen = cell.unflatten(as_own(cell, v), None, row)
    return vector(cell, cell.step(state, seen))


def rows(cell: System, x: np.ndarray) -> Any:
    return cell.driven(as_own(cell, x))


def difference(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """The Jacobian, (outputs, inputs), by central differences."""
    columns = []
    for k in range(at.size):
        e = np.zeros(at.size)
        e[k] = EPS
        ahead, behind = (function((at.ravel() + sign * e).reshape(at.shape)) for sign in (1, -1))
        columns.append((ahead - behind).ravel() / (2 * EPS))
    return np.stack(columns, axis=-1)


def jacobian(cell: System, v: np.ndarray, row: Any) -> np.ndarray:
    return difference(lambda at: one_tick(cell, at, row), v)


def rest_of(cell: System, x: np.ndarray, count: int = 4000) -> np.ndarray:
    """The vector after many ticks under a constant input."""
    row = rows(cell, np.tile(x, (sum(cell.window) + 8, 1)))[cell.window[0] + 3]
    v = vector(cell, start(cell))
    for _ in range(count):
        v = one_tick(cell, v, row)
    return v


def mapped(function: Callable[[Any], Any], state: Any) -> Any:
    return states.mapped(function, state)
