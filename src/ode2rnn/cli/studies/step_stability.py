"""Where a scheme's verdict on stability leaves that of the equation: dT*, and the multipliers on the way there.

Uses: C10, D6.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path
from typing import Any

import numpy as np

from ode2rnn.analysis.spectra.radius import SMALL, spectral_radius
from ode2rnn.analysis.spectra.spectrum import discrete_roots
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import SimulationError, write_whole
from ode2rnn.discrete.schemes import discretize

BEYOND = 10.0  # coarser steps than those of the study, that stability is followed to
CANDIDATES = 120
FIGURES = 24  # steps at which the multipliers are kept
LEADING = 6
NEUTRAL = 1e-9  # a modulus this near to 1 is on neither side
CHANGES = ("scheme", "dt_star", "dt_low", "dt_high", "beyond_it", "by", "multiplier_real", "multiplier_imag")
MULTIPLIERS = ("scheme", "dt", "rank", "real", "imag", "modulus")


@dataclass(frozen=True)
class Change:
    """A step at which a scheme becomes stable or unstable.

    Attributes:
        dt: dT*; the middle of ``between`` where steps must divide a delay.
        between: the neighbouring steps; equal to dt where it was located.
        stable: whether coarser steps are stable.
        by: "flip", "fold" or "Neimark-Sacker", after the multiplier that crosses; "" if it is not known.
        multiplier: that one; NaN if it is not known.
    """

    dt: float
    between: tuple[float, float]
    stable: bool
    by: str
    multiplier: complex


@dataclass(frozen=True, eq=False)
class StepStability:
    """What sampling does to stability, by scheme.

    Attributes:
        stable: the equation's own verdict.
        changes: by scheme, the steps dT* in the range, from fine to coarse.
        finest: by scheme, whether the finest step is stable; None where it is not known.
        span: the range of steps that was searched.
        dts: steps at which the multipliers were taken, (K,).
        multipliers: by scheme, for each of these the leading ones, (K, <= 6); NaN beyond how many there are, or where
            the recursion remembers too much.
    """

    stable: bool
    changes: Mapping[str, tuple[Change, ...]]
    finest: Mapping[str, bool | None]
    span: tuple[float, float]
    dts: np.ndarray
    multipliers: Mapping[str, np.ndarray]

    def table(self) -> str:
        """A line per change of verdict."""
        word = {True: "stable", False: "unstable", None: "not known"}
        width = max(len(scheme) for scheme in self.changes) + 2
        lines = [
            f"Stability for dT from {self.span[0]:.4g} to {self.span[1]:.4g}; the equation itself is"
            f" {word[self.stable]} there:"
        ]
        for scheme, changes in self.changes.items():
            if not changes:
                same = "" if self.finest[scheme] is None else (
                    ", as the equation" if self.finest[scheme] == self.stable else ", unlike the equation"
                )  # fmt: skip
                lines.append(f"  {scheme:<{width}}{word[self.finest[scheme]]} for every dT{same}")
            for change in changes:
                exact = change.between[0] == change.between[1]
                where = (
                    f"dT* = {change.dt:.8g}"
                    if exact
                    else f"dT* from {change.between[0]:.6g} to {change.between[1]:.6g}"
                )
                what = "gains stability" if change.stable else "loses stability"
                right = "as the equation" if change.stable == self.stable else "unlike the equation"
                z = change.multiplier
                pair = f" +- {abs(z.imag):.4g}i" if abs(z.imag) > NEUTRAL else ""
                by = f", by a {change.by} (z = {z.real:.4g}{pair})" if change.by else ""
                lines.append(f"  {scheme:<{width}}{where}: {what} beyond it, {right}{by}")
        return "\n".join(lines)

    def save(self, folder: Path) -> list[Path]:
        """Write stability.csv and multipliers.csv into a folder, each whole or not at all."""
        changes = [
            (scheme, c.dt, *c.between, "stable" if c.stable else "unstable", c.by, c.multiplier.real, c.multiplier.imag)
            for scheme, of in self.changes.items()
            for c in of
        ]
        values = [
            (scheme, float(dt), k + 1, float(z.real), float(z.imag), float(abs(z)))
            for scheme, rows in self.multipliers.items()
            for dt, row in zip(self.dts, rows, strict=True)
            for k, z in enumerate(row)
            if np.isfinite(z)
        ]
        files = [folder / "stability.csv", folder / "multipliers.csv"]
        _write(files[0], CHANGES, changes)
        _write(files[1], MULTIPLIERS, values)
        return files


def step_stability(
    model: Flow,
    rest: np.ndarray,
    growth: float,
    dts: Sequence[float],
    rules: Mapping[str, tuple[str, float | None]],
) -> StepStability:
    """Where each scheme gains or loses stability, from the finest of ``dts`` to ten times the coarsest.

    Without delays dT* is located to rounding. With them, which every dT must divide, it lies between two of the steps
    that do; all of these are tried, or 120 of very many.

    Args:
        model: the equation.
        rest: its equilibrium (d,).
        growth: the real part of its leading root there.
        dts: the steps of the study.
        rules: by the name of a scheme, `discretize`'s own and alpha.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> loop = ContinuousRNN(A=-1.0, B=-3.0, C=None, phi=None)
        >>> found = step_stability(loop, np.zeros(1), -4.0, [0.5, 0.25], {"forward_euler": ("forward_euler", None)})
        >>> [(change.dt, change.by) for change in found.changes["forward_euler"]]  # |1 - 4 dT| = 1
        [(0.5, 'flip')]
    """
    low, high = float(min(dts)), BEYOND * float(max(dts))
    delays = [delay for delay in (*model.delays, *model.input_delays) if delay > 0]
    steps = _candidates(delays, low, high)
    kept = np.sort(np.asarray(dts, dtype=float))[::-1]
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), FIGURES)).round().astype(int))]
    changes, finest, multipliers = {}, {}, {}
    for scheme, (name, alpha) in rules.items():

        def excess(dt: float, name: str = name, alpha: float | None = alpha) -> float:
            try:
                return spectral_radius(discretize(model, dt, name, alpha), rest) - 1.0
            except (SimulationError, ValueError):  # too long a memory; I - dT A singular at this very step
                return float("nan")

        def leading(dt: float, name: str = name, alpha: float | None = alpha) -> np.ndarray:
            cell = discretize(model, dt, name, alpha)
            row = np.full(LEADING, np.nan + 0j)
            if cell.depth * model.width <= 3 * SMALL:
                found = discrete_roots(cell, rest, LEADING)
                row[: len(found)] = found
            return row

        values = np.array([excess(dt) for dt in steps])
        known = np.flatnonzero(np.abs(values) > NEUTRAL)
        changes[scheme] = tuple(
            _change(excess, leading, float(steps[a]), float(steps[b]), bool(values[b] < 0), not delays)
            for a, b in zip(known[:-1], known[1:], strict=True)
            if values[a] * values[b] < 0
        )
        finest[scheme] = bool(values[known[0]] < 0) if len(known) else None
        multipliers[scheme] = np.array([leading(dt) for dt in kept])
    return StepStability(growth < 0, changes, finest, (float(steps[0]), float(steps[-1])), kept, multipliers)


def _change(
    excess: Callable[[float], float],
    leading: Callable[[float], np.ndarray],
    a: float,
    b: float,
    stable: bool,
    smooth: bool,
) -> Change:
    from scipy.optimize import brentq

    dt, between = 0.5 * (a + b), (a, b)
    if smooth:
        dt = float(brentq(excess, a, b, xtol=1e-15 * b, rtol=1e-14))
        between = (dt, dt)
    row = leading(dt if smooth else a if stable else b)
    z = complex(row[0])
    by = "" if np.isnan(row[0]) else "Neimark-Sacker" if abs(z.imag) > 1e-6 else "flip" if z.real < 0 else "fold"
    return Change(dt, between, stable, by, complex(z.real, abs(z.imag)))


def _candidates(delays: Sequence[float], low: float, high: float) -> np.ndarray:
    """Steps to try, increasing; those that divide all the delays."""
    if not delays:
        return np.geomspace(low, high, CANDIDATES)
    parts = [Fraction(delay).limit_denominator(10**6) for delay in delays]
    common = float(Fraction(gcd(*(f.numerator for f in parts)), lcm(*(f.denominator for f in parts))))
    first, last = max(1, int(np.ceil(common / high - 1e-9))), max(1, int(np.floor(common / low + 1e-9)))
    numbers = np.unique(np.geomspace(first, last, CANDIDATES).round().astype(int))
    return common / numbers[::-1]


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            writer.writerows([repr(v) if isinstance(v, float) else v for v in row] for row in rows)

    write_whole(path, write)
