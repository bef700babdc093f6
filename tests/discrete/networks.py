"""Random networks for the tests of this folder, and the rule of a scheme written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import expm, inv

from ode2rnn import AdditiveModel, ContinuousRNN


def random_network(seed: int, tau: float = 0.0, d: int = 3, m: int = 2, activation: Any = "tanh") -> ContinuousRNN:
    """A stable network of d states and m inputs."""
    rng = np.random.default_rng(seed)
    A = -1.5 * np.eye(d) + 0.4 * rng.standard_normal((d, d))
    B = 0.8 * rng.standard_normal((d, d))
    return ContinuousRNN(A, B, rng.standard_normal((d, m)), 0.3 * rng.standard_normal(d), tau, activation)


def several_delays(seed: int, dt: float) -> AdditiveModel:
    """A network with delays of 0 to 4 steps of each kind."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, size: float) -> np.ndarray:
        return size * rng.standard_normal((rows, columns))

    return AdditiveModel(
        state=[(-np.eye(3) + matrix(3, 3, 0.2), 0.0), (matrix(3, 3, 0.2), 2 * dt)],
        readout=[(matrix(3, 3, 0.4), 0.0), (matrix(3, 3, 0.4), dt), (matrix(3, 3, 0.4), 4 * dt)],
        input=[(matrix(3, 2, 1.0), 0.0), (matrix(3, 2, 1.0), 3 * dt)],
        phi=matrix(3, 1, 0.3)[:, 0],
    )


def weights_by_hand(name: str, A: np.ndarray, dt: float, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W_s, P_0, P_1 of D10 from the textbook formulas; A must be invertible."""
    eye = np.eye(len(A))
    if name in ("exponential", "foh"):
        W = expm(dt * A)
        phi_1 = (W - eye) @ inv(dt * A)
        phi_2 = (phi_1 - eye) @ inv(dt * A)
        return (W, dt * phi_1, 0 * eye) if name == "exponential" else (W, dt * phi_2, dt * (phi_1 - phi_2))
    new = {"backward_euler": 1.0, "implicit_linear": 1.0, "forward_euler": 0.0, "tustin": 0.5, "gbt": alpha}[name]
    M = inv(eye - new * dt * A)
    return M @ (eye + (1 - new) * dt * A), new * dt * M, (1 - new) * dt * M
