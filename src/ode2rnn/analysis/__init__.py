"""What can be asked of a model and of its samples: how accurate and how stable they are, and where gradients go."""

from ode2rnn.analysis.bifurcations.attractors import Attractors
from ode2rnn.analysis.bifurcations.branches import Branch, Equilibria
from ode2rnn.analysis.bifurcations.diagram import Bifurcation, bifurcation
from ode2rnn.analysis.bifurcations.points import BifurcationPoint
from ode2rnn.analysis.equilibria.fixed_points import FixedPoint, FixedPoints, fixed_points
from ode2rnn.analysis.equilibria.phase_plane import PhasePlane, phase_plane
from ode2rnn.analysis.memory.gradient_flow import GradientFlow, gradient_flow
from ode2rnn.analysis.memory.truncation import Truncation, squared_error, truncation
from ode2rnn.analysis.motion.lyapunov import Lyapunov, lyapunov
from ode2rnn.analysis.sampling import Sampling
from ode2rnn.analysis.spectra.radius import spectral_radius
from ode2rnn.analysis.spectra.spectrum import characteristic_roots, discrete_roots, equilibrium, pole_image
from ode2rnn.analysis.spectra.stability import StabilityChart, stability_chart
from ode2rnn.analysis.step_size.convergence import Convergence, convergence
from ode2rnn.analysis.step_size.retiming import Retiming, as_signal_of, retiming
from ode2rnn.analysis.step_size.step_sweep import StepSweep, sweep_steps
from ode2rnn.analysis.step_size.work_precision import WorkPrecision, WorkPrecisionRow, work_precision

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
    "retiming",
    "Retiming",
    "as_signal_of",
]
