"""The derivation as a table: a row for each home of equations, with its functions, its tests and its figures.

Equations and homes are read from the docstrings ("Home of: ..."), figures from what their scripts say they show.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from ode2rnn.derivation.figure_scripts import find_scripts, load_script

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ode2rnn"
FIGURES = ROOT / "paper_figures"
SECTIONS = "CDUBTLXK"  # in the order of the derivation

# What the docstrings do not say: home -> (the step in words, its public names, its tests below tests/)
STEPS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "continuous/additive": (
        "the additive model: leaks, delays, inputs",
        ("AdditiveModel",),
        "continuous/test_additive",
    ),
    "continuous/circulant": ("weights that are a convolution", ("Circulant",), "continuous/test_circulant"),
    "continuous/rnn": (
        "the delay equation behind the RNN, solved",
        ("ContinuousRNN", "integrate"),
        "continuous/test_additive solvers/test_every_method",
    ),
    "analysis/spectra/spectrum": (
        "stability: characteristic roots, and where sampling takes them",
        ("analysis.characteristic_roots", "analysis.pole_image", "analysis.stability_chart", "analysis.bifurcation"),
        "analysis/test_spectrum analysis/test_stability analysis/test_bifurcation",
    ),
    "discrete/schemes": (
        "sampling by backward Euler, and back",
        ("discretize", "Sampled", "undiscretize", "retime"),
        "discrete/test_schemes discrete/test_sampled discrete/test_inverse",
    ),
    "discrete/canonical": ("the canonical RNN, the standard RNN", ("CanonicalRNN", "run"), "discrete/test_canonical"),
    "discrete/limits": ("the limit of long steps", ("quasi_static",), "discrete/test_sampled"),
    "analysis/step_size/convergence": (
        "the RNN converges to the equation",
        ("analysis.convergence",),
        "analysis/test_convergence",
    ),
    "discrete/rules": ("other rules than backward Euler", ("SCHEMES",), "discrete/test_order"),
    "discrete/unroll": (
        "the unrolled network, its impulse response",
        ("unroll", "impulse_response", "fir"),
        "discrete/test_unroll",
    ),
    "analysis/memory/truncation": (
        "how long a segment must be, and when none is long enough",
        ("analysis.truncation",),
        "analysis/test_truncation",
    ),
    "training/bptt": (
        "back-propagation through time, whole or truncated",
        ("bptt", "clip"),
        "training/test_bptt training/test_clipping",
    ),
    "analysis/memory/gradient_flow": (
        "gradients that vanish and explode",
        ("analysis.gradient_flow", "analysis.lyapunov"),
        "analysis/test_gradient_flow analysis/test_lyapunov",
    ),
    "training/adjoint": ("the same in continuous time", ("adjoint",), "training/test_adjoint"),
    "gated/transition": (
        "from the RNN to the LSTM, one idea at a time",
        ("SplitRNN", "Carousel", "GatedCarousel", "WarpedUpdate", "GatedReadout", "ComputedGates"),
        "gated/test_transition",
    ),
    "gated/error_flow": ("the error flow along the carousel", ("carousel_flow",), "gated/test_error_flow"),
    "gated/vanilla": ("the Vanilla LSTM", ("VanillaLSTM",), "gated/test_lstm"),
    "gated/lstm": ("a tick of it, augmented or not, and its back-propagation", ("bptt",), "gated/test_backward"),
    "gated/augmented": (
        "the Augmented LSTM: context window, external gate, projection",
        ("AugmentedLSTM",),
        "gated/test_lstm",
    ),
    "gated/continuous": ("the LSTM as a delay equation (our own)", ("ContinuousLSTM",), "gated/test_flow"),
    "gated/sampled": ("that equation sampled at any step (our own)", ("SampledLSTM",), "gated/test_sampled_lstm"),
    "analysis/step_size/feedback_convergence": (
        "the LSTM converges to it (our own)",
        ("analysis.convergence", "analysis.retiming"),
        "analysis/test_lstm_convergence analysis/test_retiming",
    ),
}


@dataclass(frozen=True)
class Step:
    """A row: what the step is, its equations, where it is implemented, its tests and its figures."""

    home: str
    words: str
    equations: tuple[str, ...]
    names: tuple[str, ...]
    tests: tuple[str, ...]
    figures: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """The row in Markdown."""
        home = f"src/ode2rnn/{self.home}.py"
        names = ", ".join(f"`{name}`" for name in self.names)
        figures = ", ".join(f"[{name[4:6]}](paper_figures/{name}.png)" for name in self.figures)
        tests = ", ".join(f"[{test.split('/')[1]}](tests/{test}.py)" for test in self.tests)
        return f"[{self.words}]({home})", ranges(self.equations), names, tests, figures


def homes() -> dict[str, tuple[str, ...]]:
    """Home -> the equations that it says it is the home of."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if match := re.search(r"Home of:([^.]*)\.", text):
            home = path.relative_to(PACKAGE).with_suffix("").as_posix()
            found[home] = tuple(sorted((e.strip() for e in match[1].split(",")), key=place))
    return found


def shown() -> dict[str, tuple[str, ...]]:
    """Figure -> the equations that its script says it shows."""
    return {path.stem: tuple(load_script(path).module.EQUATIONS) for path in find_scripts(FIGURES)}


def place(equation: str) -> tuple[int, int]:
    """Where an equation stands in the derivation."""
    return SECTIONS.index(equation[0]), int(equation[1:])


def ranges(equations: tuple[str, ...]) -> str:
    """Equations in words, three and more in a row as a range.

    Example:
        >>> ranges(("D1", "D2", "D3", "D11", "L1", "L2"))
        'D1-D3, D11, L1, L2'
    """
    runs: list[list[str]] = []
    for equation in equations:
        last = runs[-1][-1] if runs else ""
        if last[:1] == equation[0] and int(last[1:]) + 1 == int(equation[1:]):
            runs[-1].append(equation)
        else:
            runs.append([equation])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def steps() -> list[Step]:
    """The rows, in the order of the derivation."""
    figures, rows = shown(), []
    for home, equations in homes().items():
        if home not in STEPS:
            raise ValueError(f"STEPS: expected a line for the home {home} of {ranges(equations)}, got none")
        words, names, tests = STEPS[home]
        seen = tuple(name for name, of in figures.items() if set(of) & set(equations))
        rows.append(Step(home, words, equations, names, tuple(tests.split()), seen))
    return sorted(rows, key=lambda row: place(row.equations[0]))


def table() -> str:
    """The table in Markdown."""
    head = ("step, its home", "equations", "functions", "tests", "figures")
    lines = [head, ("---",) * len(head), *(row.cells() for row in steps())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
