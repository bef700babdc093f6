"""Scores of a network's output: plain functions of arrays, each with the direction that is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """A name for tables, whether lower or higher is better, and the function (output, truth) -> number."""

    title: str
    better: str
    of: Callable[[np.ndarray, np.ndarray], float]


def rmse(output: np.ndarray, truth: np.ndarray) -> float:
    """The root of the mean squared error.

    Example:
        >>> rmse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        1.4142135623730951
    """
    return float(np.sqrt(np.mean((output - truth) ** 2)))


def mse(output: np.ndarray, truth: np.ndarray) -> float:
    """The mean squared error."""
    return float(np.mean((output - truth) ** 2))


def accuracy(output: np.ndarray, truth: np.ndarray) -> float:
    """The share of right classes: the largest of the outputs (..., classes) is the class that is named.

    Example:
        >>> accuracy(np.array([[0.1, 2.0], [3.0, 0.2]]), np.array([1, 1]))
        0.5
    """
    return float(np.mean(np.argmax(output, axis=-1) == truth))


SCORES = {
    "rmse": Score("RMSE", "lower", rmse),
    "mse": Score("mean squared error", "lower", mse),
    "accuracy": Score("accuracy", "higher", accuracy),
}
