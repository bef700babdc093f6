"""What the sampling step does: error, order and stability of each scheme, for each dT.

Uses: D6, D9, D10.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.analysis.spectra.radius import spectral_radius
from ode2rnn.analysis.spectra.spectrum import characteristic_roots, equilibrium
from ode2rnn.analysis.step_size.convergence import Convergence, check_steps, convergence
from ode2rnn.cli.studies.step_stability import StepStability, step_stability
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import check_number
from ode2rnn.core.signals import Signal
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.system import System
from ode2rnn.core.trajectory import SimulationError, write_whole
from ode2rnn.discrete.sampled import METHOD_OF
from ode2rnn.discrete.schemes import discretize

SCHEMES = ("backward_euler", "forward_euler", "tustin", "exponential", "foh")
HALVINGS = 8
MOST_ROWS, SHOWN = 24, 12  # of a scheme, in the printed table; all others are left to the file
MOST_TICKS = 1_000_000
MIDPOINTS = 4096
COLUMNS = ("scheme", "dt", "error_final", "error_maximum", "error_dense", "fitted", "order", "modulus", "stable")


@dataclass(frozen=True, eq=False)
class StepStudy:
    """What came of a step-size study.

    Attributes:
        dts: the steps dT (K,), decreasing, in the model's unit of time.
        errors: by scheme, the errors against the solution of the equation, their fitted order, and its range.
        moduli: by scheme, the largest |z| of the recursion linearized at rest, (K,); NaN where it is not known.
        rest: the equilibrium (d,) for the mean input; None if none was found.
        growth: the largest real part of the characteristic roots there: e^(growth dT) is the equation's own |z|.
        stability: where the schemes' verdicts leave that of the equation; None where that is not known.
    """

    dts: np.ndarray
    errors: Mapping[str, Convergence]
    moduli: Mapping[str, np.ndarray]
    rest: np.ndarray | None
    growth: float
    stability: StepStability | None = None

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """A row of COLUMNS for each scheme and dT."""
        for scheme, study in self.errors.items():
            for k, dt in enumerate(self.dts):
                errors = (float(study.errors[kind][k]) for kind in ("final", "maximum", "dense"))
                modulus = float(self.moduli[scheme][k])
                stable = "unknown" if np.isnan(modulus) else _yes(modulus < 1)
                fitted = _yes(bool(study.used["maximum"][k]))
                yield (scheme, float(dt), *errors, fitted, float(study.order["maximum"]), modulus, stable)

    def table(self) -> str:
        """The rows as aligned text; a star marks the errors that the order was fitted on.

        Of more than 24 steps twelve are shown, evenly spread over log dT, and how many are stable and diverge.
        """
        K = len(self.dts)
        shown = set(range(K))
        if K > MOST_ROWS:
            wanted = np.geomspace(self.dts[0], self.dts[-1], SHOWN)
            shown = {int(np.abs(np.log(self.dts / dt)).argmin()) for dt in wanted}
        width = max(len(scheme) for scheme in self.errors) + 2
        lines = [f"{'scheme':<{width}}{'dT':>12}{'error':>12} {'|z|':>9}  stable"]
        for n, (scheme, dt, _, error, _, fitted, _, modulus, stable) in enumerate(self.rows()):
            if n % K == 0:
                lines.append("")
            if n % K not in shown:
                continue
            told = f"{error:.3e}" if np.isfinite(error) else "diverges"
            star = "*" if fitted == "yes" else " "
            lines.append(f"{scheme:<{width}}{dt:>12.6g}{told:>12}{star}{modulus:>9.4f}  {stable}")
            if n % K == K - 1:
                study = self.errors[scheme]
                order, (coarse, fine) = study.order["maximum"], study.range["maximum"]
                text = (
                    f"{order:.2f} (dT from {coarse:g} to {fine:g})" if np.isfinite(order) else "no range to fit it on"
                )
                lines.append(f"{scheme:<{width}}order {text}")
                if len(shown) < K:
                    stable_count, lost = int((self.moduli[scheme] < 1).sum()), np.isinf(study.errors["maximum"]).sum()
                    lines.append(f"{scheme:<{width}}of {K} dT {stable_count} are stable, {lost} diverge")
        stability = [] if self.stability is None else ["", self.stability.table()]
        return "\n".join([*lines, "", *self.notes(), *stability])

    def notes(self) -> list[str]:
        """What the columns mean, and what is missing."""
        reference = next(iter(self.errors.values())).reference
        few = len(self.dts) <= MOST_ROWS
        notes = [] if few else [f"Shown are some of {len(self.dts)} steps for each scheme; the file has all."]
        notes += [f"error: the largest over the samples, against the solution of the equation ({reference})."]
        if self.rest is None:
            return [*notes, "|z|: not known, because no equilibrium was found for the mean input."]
        about = "about the equilibrium for the mean input"
        notes.append(f"|z|: the largest multiplier of the recursion {about}; stable below 1.")
        if any(np.isnan(moduli).any() for moduli in self.moduli.values()):
            notes.append("|z| is left out where the recursion remembers so much that it was not found.")
        if np.isnan(self.growth):
            notes.append("The equation's own growth there is not known: its characteristic roots were not found.")
        else:
            notes.append(f"The equation itself changes there like e^({self.growth:.4g} t): {_state(self.growth < 0)}.")
        return notes

    def save(self, path: Path) -> Path:
        """Write the rows as CSV, whole or not at all."""

        def write(temporary: Path) -> None:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows([repr(v) if isinstance(v, float) else v for v in row] for row in self.rows())

        write_whole(path, write)
        return path


def step_study(
    model: Flow,
    x: Signal | None = None,
    *,
    t: tuple[float, float],
    history: object,
    s0: object = None,
    dts: Sequence[float] | None = None,
    schemes: Sequence[str] = SCHEMES,
    on_scheme: Callable[[str], None] = lambda scheme: None,
) -> StepStudy:
    """Error, order and stability of every scheme at every dT, the delays of the model held fixed.

    Args:
        model, x, t, history, s0: as `integrate` takes them.
        dts: at least two steps, in the model's unit of time; each divides t1 - t0 and every delay. By default
            :func:`default_steps`.
        schemes: names `discretize` knows; "gbt:ALPHA" gives alpha.
        on_scheme: told the name of each scheme that is done.

    Raises:
        ValueError: a dT that does not divide (the message names the nearest that does), an unknown or repeated
            scheme, arguments that do not fit.
        SimulationError: the equation itself diverges.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> model = ContinuousRNN(A=-1.0, B=-2.0, C=None, phi=None, tau=0.5)
        >>> study = step_study(model, t=(0, 2), history=1.0, schemes=["tustin"], dts=0.5 ** np.arange(3, 7))
        >>> round(study.errors["tustin"].order["maximum"], 1), bool((study.moduli["tustin"] < 1).all())
        (2.0, True)
    """
    steps = check_steps(sorted(set(dts), reverse=True) if dts is not None else default_steps(model, t))
    if (t[1] - t[0]) / steps[-1] > MOST_TICKS:
        raise ValueError(f"dts: expected at most {MOST_TICKS} steps in t1 - t0, got dT = {steps[-1]:g}")
    rules = [_rule(scheme) for scheme in schemes]
    if not rules or len(set(rules)) < len(rules):
        raise ValueError(f"schemes: expected distinct schemes, got {', '.join(schemes) or 'none'}")
    cells = {
        scheme: [discretize(model, float(dt), *rule) for dt in steps]
        for scheme, rule in zip(schemes, rules, strict=True)
    }
    rest, growth = _rest(model, x, t)
    errors, moduli = {}, {}
    for scheme, (name, alpha) in zip(schemes, rules, strict=True):
        errors[scheme] = convergence(
            model, x, t=t, history=history, s0=s0, dts=steps.tolist(), scheme=name, alpha=alpha
        )
        moduli[scheme] = np.array([_modulus(cell, rest) for cell in cells[scheme]])
        on_scheme(scheme)
    stability = None
    if rest is not None and np.isfinite(growth):
        stability = step_stability(model, rest, growth, steps.tolist(), dict(zip(schemes, rules, strict=True)))
    return StepStudy(steps, errors, moduli, rest, growth, stability)


def usual_schemes(model: Flow) -> tuple[str, ...]:
    """The schemes that are studied where none is given: a flow of one's own takes two, a network more."""
    return SCHEMES if isinstance(model, AdditiveModel) else tuple(METHOD_OF)


def default_steps(model: Flow, t: tuple[float, float], count: int = 0) -> list[float]:
    """Eight halvings of the largest step that divides t1 - t0 and every delay, from (t1 - t0) / 8 or less.

    With a ``count``: that step divided by 1, 2, 3, ... up to the count.

    Raises:
        ValueError: no such step is long enough; a count below 2.

    Example:
        >>> from ode2rnn import AdditiveModel
        >>> default_steps(AdditiveModel(state=[(-1.0, 0.3), (-1.0, 0.2)]), (0, 6))[:3]
        [0.1, 0.05, 0.025]
    """
    length = float(t[1]) - float(t[0])
    delays = [delay for delay in (*model.delays, *model.input_delays) if delay > 0]
    common = Fraction(length).limit_denominator(10**6)
    for delay in delays:
        part = Fraction(delay).limit_denominator(10**6)
        both = common.denominator * part.denominator
        common = Fraction(gcd(common.numerator * part.denominator, part.numerator * common.denominator), both)
    step = float(common)
    if count and count < 2:
        raise ValueError(f"count: expected at least 2 steps, got {count}")
    if step <= 0 or length / step * (count or 2.0**HALVINGS) > MOST_TICKS:
        raise ValueError(
            f"dts: expected a range t1 - t0 = {length:g} and delays {delays} with a common step; give the steps,"
            " or a range that is a multiple of the delays"
        )
    while step > length / 8:
        step /= 2
    return [step / n for n in range(1, count + 1)] if count else [step / 2**k for k in range(HALVINGS)]


def _rule(scheme: str) -> tuple[str, float | None]:
    name, colon, alpha = scheme.partition(":")
    if not colon:
        if name == "gbt":
            raise ValueError("schemes: expected alpha with 'gbt', as in 'gbt:0.7', got none")
        return name, None
    try:
        return name, check_number("schemes", float(alpha))
    except ValueError:
        raise ValueError(f"schemes: expected a number after the colon, as in 'gbt:0.7', got {scheme!r}") from None


def _rest(model: Flow, x: Signal | None, t: tuple[float, float]) -> tuple[np.ndarray | None, float]:
    """The equilibrium for the mean input, and the growth rate about it."""
    middle = t[0] + (t[1] - t[0]) * (np.arange(MIDPOINTS) + 0.5) / MIDPOINTS
    try:
        rest = equilibrium(model, None if x is None else x(middle).mean(axis=0))
    except SimulationError:
        return None, float("nan")
    try:
        return rest, float(characteristic_roots(model, rest, count=1)[0].real)
    except SimulationError:
        return rest, float("nan")


def _modulus(cell: System, rest: np.ndarray | None) -> float:
    """The largest |z| at rest; NaN where it is not known."""
    try:
        return float("nan") if rest is None else spectral_radius(cell, rest)
    except SimulationError:
        return float("nan")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _state(stable: bool) -> str:
    return "stable" if stable else "unstable"
