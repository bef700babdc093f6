"""Pictures: the only place that imports matplotlib."""

from ode2rnn.plotting.axes import (
    COLOURS,
    STYLE,
    add_legend,
    new_axes,
    plot_errors,
    plot_moduli,
    plot_plane,
    plot_samples,
    plot_states,
    save_figure,
)
from ode2rnn.plotting.bifurcation import plot_bifurcation
from ode2rnn.plotting.dynamics import plot_fixed_points, plot_lyapunov, plot_phase_plane
from ode2rnn.plotting.gating import draw_gradient_flows, plot_errors_back, plot_flows, plot_gates, plot_lengths
from ode2rnn.plotting.stability import plot_multipliers, plot_roots, plot_stability_chart
from ode2rnn.plotting.training import plot_forecast, plot_learning, plot_scores

__all__ = [
    "COLOURS",
    "STYLE",
    "add_legend",
    "draw_gradient_flows",
    "new_axes",
    "plot_bifurcation",
    "plot_errors",
    "plot_errors_back",
    "plot_flows",
    "plot_fixed_points",
    "plot_forecast",
    "plot_gates",
    "plot_learning",
    "plot_lengths",
    "plot_lyapunov",
    "plot_moduli",
    "plot_multipliers",
    "plot_phase_plane",
    "plot_plane",
    "plot_roots",
    "plot_samples",
    "plot_scores",
    "plot_stability_chart",
    "plot_states",
    "save_figure",
]
