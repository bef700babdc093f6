"""Dense output of a run that kept its samples alone: elsewhere it is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ode2rnn.core.arrays import to_numpy


@dataclass(eq=False)
class SampledDense:
    """States at the samples (T, ..., d), and elsewhere what ``resolve`` gives when first asked."""

    samples: np.ndarray
    states: np.ndarray
    resolve: Callable[[], Any]
    _elsewhere: Any = field(default=None, repr=False)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """s at the times ``t`` (T,), as (T, ..., d)."""
        at = np.minimum(np.searchsorted(self.samples, t), len(self.samples) - 1)
        if np.array_equal(self.samples[at], t):
            return self.states if np.array_equal(at, np.arange(len(self.samples))) else self.states[at]
        values = np.array(to_numpy(self._everywhere()(t)))
        exact = self.samples[at] == t
        values[exact] = self.states[at[exact]]
        return values

    def _everywhere(self) -> Any:
        if self._elsewhere is None:
            self._elsewhere = self.resolve()
        return self._elsewhere

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "resolve": None, "_elsewhere": self._everywhere()}


@dataclass(eq=False)
class SampledSteps(SampledDense):
    """Of one trajectory, with the time it reached and the number of its steps."""

    end: float = 0.0
    steps: int = 0
