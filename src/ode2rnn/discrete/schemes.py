"""Discretization: from the differential equation C9 to a recursion, and back.

Home of: D1, D2, D3, D4, D10, D11.  Source: "The Roots of RNN".

D1   backward Euler at t = n dT: (s[n] - s[n-1]) / dT = A s[n] + B r(n dT - tau_0) + C x[n] + phi
D2   with tau_0 = dT the readout term is B r[n-1] and the recursion is explicit
D3   (I - dT A) s[n] = s[n-1] + dT (B r[n-1] + C x[n] + phi)
D4   W_s = (I - dT A)^-1,  W_r = dT W_s B,  W_x = dT W_s C,  theta_s = dT W_s phi
D10  other rules for the same equation. With u the delayed terms, the input and the bias, each of them is
     s[n] = W_s s[n-1] + P_0 u[n] + P_1 u[n-1]
D11  the inverse of D4: A = (I - W_s^-1) / dT, B = W_s^-1 W_r / dT, C = W_s^-1 W_x / dT, phi = W_s^-1 theta_s / dT
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel, Term
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import (
    Array,
    as_like,
    check_divides,
    check_number,
    check_positive,
    is_torch,
    to_numpy,
)
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN

# beyond this the weights hold no correct digit
WORST_CONDITION = 1e14

Rule = Callable[[Array, float, float], tuple[Array, Array, Array | None]]


@dataclass(frozen=True)
class Scheme:
    """A rule that turns A, dT (and alpha) into W_s, P_0 and P_1 (None where it takes no earlier sample).

    Attributes:
        rule: (A, dT, alpha) -> (W_s, P_0, P_1).
        order: declared order of convergence (of gbt, where alpha is not 1/2).
        late: whether an undelayed readout is taken one sample late, which keeps the recursion explicit.
    """

    rule: Rule
    order: int
    late: bool = False


def _backward_euler(A: Array, dt: float, alpha: float) -> tuple[Array, Array, None]:
    W = _inverse(_eye(A) - dt * A, dt)
    return W, dt * W, None


def _forward_euler(A: Array, dt: float, alpha: float) -> tuple[Array, Array, Array]:
    return _eye(A) + dt * A, 0.0 * A, dt * _eye(A)


def _gbt(A: Array, dt: float, alpha: float) -> tuple[Array, Array, Array]:
    M = _inverse(_eye(A) - alpha * dt * A, dt)
    return M @ (_eye(A) + (1 - alpha) * dt * A), alpha * dt * M, (1 - alpha) * dt * M


def _tustin(A: Array, dt: float, alpha: float) -> tuple[Array, Array, Array]:
    return _gbt(A, dt, 0.5)


def _exponential(A: Array, dt: float, alpha: float) -> tuple[Array, Array, None]:
    W_s, phi_1, _ = _phi_functions(dt * A)
    return W_s, dt * phi_1, None


def _foh(A: Array, dt: float, alpha: float) -> tuple[Array, Array, Array]:
    W_s, phi_1, phi_2 = _phi_functions(dt * A)
    return W_s, dt * phi_2, dt * (phi_1 - phi_2)


SCHEMES: dict[str, Scheme] = {
    "backward_euler": Scheme(_backward_euler, order=1),
    "implicit_linear": Scheme(_backward_euler, order=1, late=True),
    "forward_euler": Scheme(_forward_euler, order=1),
    "gbt": Scheme(_gbt, order=1),
    "tustin": Scheme(_tustin, order=2),
    "exponential": Scheme(_exponential, order=1, late=True),
    "foh": Scheme(_foh, order=2),
}
ALIASES: dict[str, str] = {
    "backward_diff": "backward_euler",
    "euler": "forward_euler",
    "forward_diff": "forward_euler",
    "bilinear": "tustin",
    "trapezoidal": "tustin",
    "zoh": "exponential",
}


def discretize(
    model: AdditiveModel, dt: float, scheme: str = "backward_euler", alpha: float | None = None
) -> CanonicalRNN | TappedRNN:
    """The recursion that samples ``model`` with step dt (D4; D10 for the other schemes).

    Args:
        model: a ContinuousRNN or any AdditiveModel.
        dt: sampling step, in the model's unit of time; it must divide every delay.
        scheme: "backward_euler" (the paper's), "implicit_linear", "forward_euler", "gbt" (with alpha), "tustin",
            "exponential", "foh"; scipy.signal's names "backward_diff", "euler", "forward_diff", "bilinear", "zoh".
            x[n] is the input on (t[n-1], t[n]]: a held input goes into "exponential" at the end of its interval,
            where scipy's zoh has it at the start.
        alpha: the weight of the new sample in "gbt": 0 forward Euler, 1/2 tustin, 1 backward Euler.

    With an undelayed readout (tau = 0) "implicit_linear" and "exponential" take it one sample late; the others
    solve for it at every tick ("forward_euler" needs none).

    Returns:
        A CanonicalRNN where there is one tap of each kind, else a TappedRNN with matrices by lag.

    Raises:
        ValueError: dt <= 0, a dt that does not divide a delay (the message names the nearest that does), an
            unknown scheme, a missing alpha, a singular I - dT A.

    Example:
        >>> cell = discretize(ContinuousRNN(A=-1.0, B=2.0, C=4.0, phi=6.0, tau=1.0), dt=1.0)
        >>> [float(W.squeeze()) for W in (cell.W_s, cell.W_r, cell.W_x, cell.theta_s)]
        [0.5, 1.0, 2.0, 3.0]
    """
    if not isinstance(model, AdditiveModel):
        raise ValueError(f"model: expected an AdditiveModel or ContinuousRNN, got {type(model).__name__}")
    dt = check_positive("dt", dt)
    name = _scheme_name(scheme)
    weight = _check_alpha(name, alpha)
    lags = _delays_in_ticks(model, dt)
    rule = SCHEMES[name]
    undelayed = model.undelayed("state")
    zero = as_like(np.zeros((model.width, model.width)), model.phi)
    A = zero if undelayed is None else undelayed.dense()
    W_s, P_0, P_1 = rule.rule(A, dt, weight)
    if name == "forward_euler":
        P_0 = None
    taps: dict[str, dict[int, Array]] = {"state": {1: W_s}, "readout": {}, "input": {}}
    for kind, by_lag in taps.items():
        for term in getattr(model, kind):
            if kind == "state" and term.delay == 0:
                continue
            lag = lags[term.delay]
            if kind == "readout" and rule.late:
                lag = max(lag, 1)
            for shift, P in ((0, P_0), (1, P_1)):
                if P is not None:
                    _add(by_lag, lag + shift, P @ term.dense())
    theta = sum(P @ model.phi for P in (P_0, P_1) if P is not None)
    return _cell(taps["state"], taps["readout"], taps["input"], theta, dt, model)


def undiscretize(cell: CanonicalRNN) -> ContinuousRNN:
    """The delay equation whose backward-Euler samples are ``cell`` (D11), with tau = lag dt.

    It is the exact inverse of ``discretize(model, dt)``. A cell that "implicit_linear" made of a model with
    tau = 0 comes back as the model with tau = dt, which has the same samples.

    Raises:
        ValueError: no CanonicalRNN, or a singular W_s (such as that of a standard RNN).

    Example:
        >>> model = ContinuousRNN(A=-1.0, B=2.0, C=4.0, phi=6.0, tau=1.0)
        >>> undiscretize(discretize(model, dt=0.5)).A
        array([[-1.]])
    """
    if not isinstance(cell, CanonicalRNN):
        raise ValueError(
            f"cell: expected a CanonicalRNN, got {type(cell).__name__}; only the one-tap form of D4 has the inverse D11"
        )
    condition = np.linalg.cond(to_numpy(cell.W_s))
    if not condition < WORST_CONDITION:
        raise ValueError(
            "W_s: expected an invertible matrix, got a singular one: this cell is no sampled delay equation"
        )
    solve = _solver(cell.W_s)
    A = (_eye(cell.W_s) - solve(_eye(cell.W_s))) / cell.dt
    C = None if cell.W_x is None else solve(cell.W_x) / cell.dt
    phi = solve(cell.theta_s[:, None])[:, 0] / cell.dt
    return ContinuousRNN(A, solve(cell.W_r) / cell.dt, C, phi, tau=cell.lag * cell.dt, activation=cell.activation)


def retime(cell: CanonicalRNN, dt: float) -> CanonicalRNN:
    """The cell for another sampling step: the same delay equation, sampled with step dt (D11).

    The delay stays lag * cell.dt, so the new cell has the lag lag * cell.dt / dt, which must be whole.

    Example:
        >>> cell = CanonicalRNN(W_s=0.5, W_r=1.0, W_x=2.0, theta_s=3.0, dt=1.0)
        >>> retime(cell, 0.25).lag
        4
    """
    retimed = discretize(undiscretize(cell), dt)
    assert isinstance(retimed, CanonicalRNN)
    return retimed


def _cell(
    state: dict[int, Array],
    readout: dict[int, Array],
    inputs: dict[int, Array],
    theta: Array,
    dt: float,
    model: AdditiveModel,
) -> CanonicalRNN | TappedRNN:
    one_tap = set(state) == {1} and len(readout) == 1 and 0 not in readout and set(inputs) <= {0}
    if not one_tap:
        return TappedRNN(state, readout, inputs, theta, dt, model.activation)
    ((lag, W_r),) = readout.items()
    return CanonicalRNN(state[1], W_r, inputs.get(0), theta, dt, model.activation, lag)


def _add(by_lag: dict[int, Array], lag: int, matrix: Array) -> None:
    by_lag[lag] = by_lag[lag] + matrix if lag in by_lag else matrix


def _scheme_name(scheme: Any) -> str:
    name = ALIASES.get(scheme, scheme) if isinstance(scheme, str) else scheme
    if name in SCHEMES:
        return name
    known = sorted([*SCHEMES, *ALIASES])
    near = difflib.get_close_matches(str(scheme).lower(), known, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"scheme: expected one of {', '.join(known)}; got {scheme!r}{hint}")


def _check_alpha(name: str, alpha: Any) -> float:
    if (name == "gbt") != (alpha is not None):
        wanted = "alpha in [0, 1]" if name == "gbt" else f"no alpha with scheme {name!r}"
        raise ValueError(f"alpha: expected {wanted}, got {alpha!r}")
    if alpha is None:
        return 0.5
    weight = check_number("alpha", alpha)
    if not 0 <= weight <= 1:
        raise ValueError(f"alpha: expected a number in [0, 1], got {weight:g}")
    return weight


def _delays_in_ticks(model: AdditiveModel, dt: float) -> dict[float, int]:
    lags = {}
    terms: tuple[Term, ...] = (*model.state, *model.readout, *model.input)
    for delay in sorted({term.delay for term in terms}):
        lags[delay] = check_divides(dt, delay)
    return lags


def _eye(A: Array) -> Array:
    return as_like(np.eye(A.shape[0]), A)


def _solver(M: Array) -> Callable[[Array], Array]:
    if is_torch(M):
        import torch

        return lambda right: torch.linalg.solve(M, right)
    return lambda right: np.linalg.solve(M, right)


def _inverse(M: Array, dt: float) -> Array:
    if not np.linalg.cond(to_numpy(M)) < WORST_CONDITION:
        raise ValueError(
            f"dt: I - dT A is singular at dT = {dt:g}: 1 / dT is an eigenvalue of A; try a smaller dt, or 'exponential'"
        )
    return _solver(M)(_eye(M))


def _phi_functions(Z: Array) -> tuple[Array, Array, Array]:
    """e^Z, phi_1(Z) = (e^Z - I) Z^-1 and phi_2(Z) = (phi_1(Z) - I) Z^-1 for every Z, by one block exponential."""
    d = Z.shape[0]
    block = as_like(np.eye(3 * d, k=d), Z)
    if is_torch(Z):
        import torch

        exponential = torch.linalg.matrix_exp(block + torch.block_diag(Z, 0.0 * Z, 0.0 * Z))
    else:
        from scipy.linalg import expm

        block[:d, :d] = Z
        exponential = expm(block)
    return exponential[:d, :d], exponential[:d, d : 2 * d], exponential[:d, 2 * d :]
