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

__all__ = [
    "COLOURS",
    "STYLE",
    "add_legend",
    "new_axes",
    "plot_errors",
    "plot_moduli",
    "plot_plane",
    "plot_samples",
    "plot_states",
    "save_figure",
]
