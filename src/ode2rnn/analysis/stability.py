"""Where a network is stable, over any two of its parameters.

Uses: C10, D6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.convergence import tied_model
from ode2rnn.analysis.lstm_roots import lstm_equilibrium
from ode2rnn.analysis.many_roots import equilibria, largest_modulus, largest_real_part
from ode2rnn.analysis.parameters import STEP, parameter, value_of
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.radius import SMALL, spectral_radius
from ode2rnn.analysis.spectrum import check_model, companion, linear_taps, linearized, resting
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import brief, check_array, check_choice, check_shape, to_numpy
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.continuous import ContinuousLSTM

Axis = tuple[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class StabilityChart:
    """The largest growth of small deviations from rest, on a grid of two parameters.

    Attributes:
        names: of the two parameters.
        first, second: their values, (K,) and (L,).
        values: (K, L): the largest real part of a characteristic root, per unit of time, of the equation; or the
            largest modulus of a multiplier, per tick, of its samples. NaN where no equilibrium was found, or where the
            work was interrupted.
        limit: what of ``values`` is stable is below it: 0 of a real part, 1 of a modulus.
        rest: the equilibrium at each point, (K, L, d).
        scheme: of the samples; "" for the equation.
    """

    names: tuple[str, str]
    first: np.ndarray
    second: np.ndarray
    values: np.ndarray
    limit: float
    rest: np.ndarray
    scheme: str

    @property
    def stable(self) -> np.ndarray:
        """Where the equilibrium is stable, (K, L) of bool."""
        return self.values < self.limit

    @property
    def unknown(self) -> int:
        """At how many points there is no value."""
        return int(np.isnan(self.values).sum())

    def boundary(self) -> list[np.ndarray]:
        """Where stability changes: linear interpolation along the rows of the grid, one array (Q, 2) a row."""
        lines = []
        for k, row in enumerate(self.values - self.limit):
            at = np.flatnonzero(np.sign(row[1:]) * np.sign(row[:-1]) < 0)
            part = row[at] / (row[at] - row[at + 1])
            crossing = self.second[at] + part * (self.second[at + 1] - self.second[at])
            lines.append(np.stack([np.full(len(at), self.first[k]), crossing], axis=1))
        return lines


def stability_chart(
    model: AdditiveModel | ContinuousLSTM,
    first: Axis,
    second: Axis,
    scheme: str | None = None,
    *,
    delay: str = "fixed",
    dt: float | None = None,
    alpha: float | None = None,
    at: Any = None,
    x: Any = None,
) -> StabilityChart:
    """The largest real part of the equation's roots, or the largest modulus of its samples', over two parameters.

    The equilibrium is followed over the grid by Newton's method, from that of the model as it is.

    Args:
        model: an AdditiveModel; or a ContinuousLSTM, with "dT", "tau", "gain" and entries as "W_vdu[0, 1]".
        first, second: (name, values): "dT", the step of the samples; "tau", "tau[k]", "gain", "A[i, j]", "B[i, j]",
            "phi[i]" and the other names of :func:`parameter`; the values increase.
        scheme: as `discretize` takes it; None for the equation itself.
        delay: "fixed", or "tied": tau_0 = dT at every point, as in the paper, for a model with tau = 0.
        dt: the step of the samples where neither parameter is "dT".
        alpha: for the scheme "gbt".
        at: the equilibrium to start from, (d,); by default the one found from 0.
        x: the constant input (m,).

    An interrupt (Ctrl-C) ends the work; what is done is returned.

    Raises:
        ValueError: an unknown name, values that do not increase, the same name twice, a dT without a scheme or the
            reverse, a dT that does not divide the delay.
        SimulationError: no equilibrium to start from.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> loop = ContinuousRNN(A=-1.0, B=-2.0, C=None, phi=None, tau=1.0)
        >>> chart = stability_chart(loop, ("gain", [0.25, 1.0]), ("tau", [1.0, 1.2, 1.22]))
        >>> chart.stable  # with w = -2 it oscillates beyond tau = 1.2092
        array([[ True,  True,  True],
               [ True,  True, False]])
    """
    if not isinstance(model, ContinuousLSTM):
        check_model(model)
    axes = [_axis("first", first), _axis("second", second)]
    (name_1, values_1), (name_2, values_2) = axes
    if name_1 == name_2:
        raise ValueError(f"second: expected another parameter than {name_1!r}, got it twice")
    check_choice("delay", delay, ("fixed", "tied"))
    steps = _steps(scheme, dt, [name for name, _ in axes])
    held = None if x is None else check_shape("x", to_numpy(check_array("x", x)), (model.input_width,))
    if isinstance(model, ContinuousLSTM):
        return _lstm_chart(model, axes, steps, scheme, delay == "tied", alpha, at, held)
    plain = model.like(np.zeros(1))
    base = resting(plain, at, held)
    models = _grid(plain, axes)
    origin = [0 if name == STEP else int(np.abs(axis - value_of(plain, name)).argmin()) for name, axis in axes]
    rest = equilibria(models, base, held, (origin[0], origin[1]))
    values = np.full((len(values_1), len(values_2)), np.nan)
    chart = StabilityChart((name_1, name_2), values_1, values_2, values, 1.0 if scheme else 0.0, rest, scheme or "")
    if scheme is None:
        linear = [linearized(m, s) for m, s in zip(models.ravel(), rest.reshape((-1, model.width)), strict=True)]
        largest_real_part(linear, values.reshape(-1))
        return chart

    def moduli(k: int) -> None:
        """Row k: the largest multipliers of its cells."""
        matrices: list[np.ndarray | None] = []
        for n, own in enumerate(models[k]):
            step = steps({name_1: values_1[k], name_2: values_2[n]})
            cell = discretize(tied_model(own, step) if delay == "tied" else own, step, scheme, alpha)
            taps = linear_taps(cell, rest[k, n]) if np.isfinite(rest[k, n]).all() else None
            matrices.append(companion(taps) if taps and max(taps) * model.width <= SMALL else None)
            if taps and matrices[-1] is None:
                values[k, n] = _radius(cell, rest[k, n])
        largest_modulus(matrices, values[k])

    try:
        with progress(len(values), "stability chart", "row") as bar:
            for k in range(len(values)):
                moduli(k)
                bar.update(1)
    except KeyboardInterrupt:
        pass
    return chart


def _lstm_chart(
    model: ContinuousLSTM, axes: Any, steps: Any, scheme: Any, tied: bool, alpha: Any, at: Any, x: Any
) -> StabilityChart:
    from ode2rnn.analysis.lstm_chart import changed_lstm, fill_chart

    if alpha is not None:
        raise ValueError(f"alpha: expected none for a ContinuousLSTM, got {brief(alpha)}")
    (name_1, values_1), (name_2, values_2) = axes
    for name in (name_1, name_2):
        if name != STEP:
            changed_lstm(model, name)  # a name that is wrong is told of at once
    start = (
        lstm_equilibrium(model, x) if at is None else check_shape("at", to_numpy(check_array("at", at)), (model.width,))
    )
    shape = (len(values_1), len(values_2))
    values, rest = np.full(shape, np.nan), np.full((*shape, model.width), np.nan)
    fill_chart(model, axes, steps, scheme, tied, start, x, values, rest)
    return StabilityChart((name_1, name_2), values_1, values_2, values, 1.0 if scheme else 0.0, rest, scheme or "")


def _radius(cell: Any, at: np.ndarray) -> float:
    try:
        return spectral_radius(cell, at)
    except SimulationError:
        return float("nan")


def _axis(name: str, axis: Any) -> tuple[str, np.ndarray]:
    try:
        label, values = axis
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a pair (name, values), got {brief(axis)}") from None
    array = to_numpy(check_array(f"{name}, values", values))
    if array.ndim != 1 or len(array) < 1 or (np.diff(array) <= 0).any():
        raise ValueError(f"{name}, values: expected increasing numbers, got {brief(values)}")
    return str(label), array


def _steps(scheme: str | None, dt: float | None, names: list[str]) -> Callable[[dict[str, float]], float]:
    """The step at a point of the grid."""
    if scheme is None:
        if STEP in names or dt is not None:
            raise ValueError("scheme: expected the name of a scheme, since a step was given, got None")
        return lambda point: 0.0
    if (STEP in names) == (dt is not None):
        raise ValueError(f"dt: expected the step either here or as the parameter {STEP!r}, got {dt!r}")
    return lambda point: float(point[STEP] if STEP in names else dt)  # type: ignore[arg-type]


def _grid(model: AdditiveModel, axes: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """The models at the points of the grid, (K, L) of object."""
    models = np.empty([len(values) for _, values in axes], dtype=object)
    (name_1, values_1), (name_2, values_2) = axes
    one = (lambda value: model) if name_1 == STEP else parameter(model, name_1)
    if name_2 != STEP:
        parameter(model, name_2)  # a name that is wrong is told of at once
    for k, value in enumerate(values_1):
        own = one(value)
        two = (lambda value, own=own: own) if name_2 == STEP else parameter(own, name_2)
        for n, other in enumerate(values_2):
            models[k, n] = two(other)
    return models
