"""One simulation: a Flow that is integrated, or a System that is stepped.

Uses: C7, D1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.analysis.subject import Subject
from ode2rnn.cli.errors import named
from ode2rnn.cli.own_file import running
from ode2rnn.core.run import run
from ode2rnn.core.series import Series
from ode2rnn.core.signals.signal import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.integrate import integrate


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a config asks for.

    Attributes:
        model: the equation; or a System, from a file.
        x: its input, or None.
        t: (t0, t1), or the times to keep, in the model's unit of time (for a series, the unit of its own times).
        options: history, s0, method, rtol, atol, dt, as `integrate` takes them.
        output: file names by kind ("csv", "npz", "plot"), as the config gives them.
        series: the series behind the input, or None.
        sources: the files that were read, and that no output may overwrite.
        own: the Python file that the model comes from, or None.
    """

    model: Subject
    x: Signal | None
    t: tuple[float, float] | np.ndarray
    options: Mapping[str, Any]
    output: Mapping[str, Path]
    series: Series | None = None
    sources: tuple[Path, ...] = ()
    own: Path | None = None

    @property
    def span(self) -> tuple[float, float]:
        """(t0, t1)."""
        return float(self.t[0]), float(self.t[-1])

    def run(self, progress: bool = False) -> Trajectory:
        """Integrate a Flow; step a System from t0 on, x[n] being the input at the end of tick n (D1).

        Raises:
            ValueError: values that do not fit together; the message names ``section.key``.
            OwnCodeError: an exception from the user's own file.
            SimulationError: the solution diverges; the error carries the valid part.
        """
        others = {"x": "input", "model": "model", "f": f"{self.own}: f", "F": f"{self.own}: F"}
        with named("solver", others), running(self.own):
            if isinstance(self.model, Flow):
                return integrate(self.model, self.x, t=self.t, progress=progress, **self.options)
            t0, t1 = self.span
            dt, m = self.model.dt, self.model.input_width
            times = t0 + dt * np.arange(1, int(np.floor((t1 - t0) / dt + 1e-9)) + 1)
            x = np.zeros((len(times), m)) if self.x is None else self.x.left(times)
            try:
                return _later(run(self.model, x, self.options.get("s0", self.options["history"])), t0 + dt)
            except SimulationError as error:
                if error.trajectory is not None:
                    error.trajectory = _later(error.trajectory, t0 + dt)
                raise


def _later(ran: Trajectory, start: float) -> Trajectory:
    """A run whose first tick ends at ``start`` in place of 0."""
    assert ran.dense is not None
    dense, (first, last) = ran.dense, (ran.start, ran.end)
    return replace(ran, t=ran.t + start, dense=lambda t: dense(t - start), span=(first + start, last + start))
