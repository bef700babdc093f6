"""What is reached without a network: the scores to print beside any network's own."""

from __future__ import annotations

import numpy as np

from ode2rnn.core.arrays import check_array, check_count, check_shape, to_numpy
from ode2rnn.training.scores import rmse


def persistence(values: np.ndarray, start: int) -> np.ndarray:
    """The forecast that nothing changes: each value from ``start`` on is the one before it.

    Example:
        >>> persistence(np.array([1.0, 2.0, 4.0]), 1)
        array([1., 2.])
    """
    series = _series(values, start, 1)
    return series[start - 1 : -1].copy()


def autoregression(values: np.ndarray, order: int, start: int) -> np.ndarray:
    """One-step forecasts of AR(p) with a constant, fitted by least squares to the values before ``start``.

        x[n] ~ c + a_1 x[n-1] + ... + a_p x[n-p]

    Args:
        values: the series (N,).
        order: p.
        start: the first value to forecast; at least 2 p + 1 values come before it.

    Returns:
        The forecasts (N - start,), each from the p true values before it; the coefficients stay as fitted.

    Raises:
        ValueError: too few values before ``start`` to determine the p + 1 coefficients.

    Example:
        >>> n = np.arange(40)
        >>> abs(autoregression(np.sin(n), 2, 30) - np.sin(n[30:])).max() < 1e-12  # a sine obeys AR(2)
        np.True_
    """
    order = check_count("order", order)
    series = _series(values, start, 2 * order + 1)
    lags = [series[order - k : len(series) - k] for k in range(1, order + 1)]
    rows = np.stack([np.ones(len(series) - order), *lags], axis=1)
    known = start - order
    coefficients = np.linalg.lstsq(rows[:known], series[order:start], rcond=None)[0]
    return rows[known:] @ coefficients


def forecast_scores(values: np.ndarray, start: int, orders: tuple[int, ...] = (1, 2, 9)) -> dict[str, float]:
    """RMSE of persistence and of AR(p) on the values from ``start`` on, by name.

    An order for which too few values come before ``start`` is left out.
    """
    truth = _series(values, start, 1)[start:]
    scores = {"persistence": rmse(persistence(values, start), truth)}
    for order in orders:
        if start > 2 * order:
            scores[f"AR({order})"] = rmse(autoregression(values, order, start), truth)
    return scores


def _series(values: np.ndarray, start: int, least: int) -> np.ndarray:
    series = check_shape("values", to_numpy(check_array("values", values)), ("N",))
    if check_count("start", start, least) >= len(series):
        raise ValueError(f"start: expected fewer than the {len(series)} values of the series, got {start}")
    return series
