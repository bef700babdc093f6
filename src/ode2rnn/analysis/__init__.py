"""What can be asked of a model and of its samples: how accurate and how stable they are, and where gradients go."""

from ode2rnn.analysis.attractors import Attractors
from ode2rnn.analysis.bifurcation import Bifurcation, bifurcation
from ode2rnn.analysis.branches import Branch, Equilibria
from ode2rnn.analysis.convergence import Convergence, convergence
from ode2rnn.analysis.equilibria import FixedPoint, FixedPoints, fixed_points
from ode2rnn.analysis.exponents import Lyapunov, lyapunov
from ode2rnn.analysis.gradient_flow import GradientFlow, gradient_flow
from ode2rnn.analysis.lstm_convergence import lstm_convergence
from ode2rnn.analysis.planes import PhasePlane, phase_plane
from ode2rnn.analysis.points import BifurcationPoint
from ode2rnn.analysis.radius import spectral_radius
from ode2rnn.analysis.retiming import Retiming, as_signal_of, retiming
from ode2rnn.analysis.sampling import Sampling
from ode2rnn.analysis.spectrum import characteristic_roots, discrete_roots, equilibrium, pole_image
from ode2rnn.analysis.stability import StabilityChart, stability_chart
from ode2rnn.analysis.step_sweep import StepSweep, sweep_steps
from ode2rnn.analysis.truncation import Truncation, squared_error, truncation
from ode2rnn.analysis.work_precision import WorkPrecision, WorkPrecisionRow, work_precision

__all__ = [
    "convergence",
    "Convergence",
    "sweep_steps",
    "StepSweep",
    "work_precision",
    "WorkPrecision",
    "WorkPrecisionRow",
    "equilibrium",
    "characteristic_roots",
    "discrete_roots",
    "pole_image",
    "fixed_points",
    "FixedPoint",
    "FixedPoints",
    "phase_plane",
    "PhasePlane",
    "lyapunov",
    "Lyapunov",
    "bifurcation",
    "Bifurcation",
    "Branch",
    "Attractors",
    "Equilibria",
    "Sampling",
    "BifurcationPoint",
    "stability_chart",
    "StabilityChart",
    "spectral_radius",
    "truncation",
    "Truncation",
    "squared_error",
    "gradient_flow",
    "GradientFlow",
    "lstm_convergence",
    "retiming",
    "Retiming",
    "as_signal_of",
]
