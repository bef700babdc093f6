"""The Augmented LSTM cell: context windows, external gate, projection."""

from typing import Any

from figure_cells import augmented_cell, same_letters
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import augmented

SECTION = "Extensions to the Vanilla LSTM Network"
EQUATIONS = ("X1", "X2", "X3")
CLAIM = "The Augmented LSTM adds a context window to every input term, a gate on the input, and a projection."


def data(quick: bool = False) -> dict[str, Any]:
    """The graph of the computation, as arrays of text."""
    return cell_graph(augmented_cell()).bundled().arrays()


def draw(data: dict[str, Any]) -> Any:
    """The graph in the places of its layout."""
    layout = augmented(3)
    figure, (ax,) = diagram_figure([[layout]], inches=0.42)
    graph = CellGraph.of(data)
    draw_cell(ax, graph, layout)
    add_title(
        ax,
        layout,
        "The Augmented LSTM cell: a window of L = 3 inputs, the external gate $g_{cx}$, the projection $W_{qdr}$",
        graph,
    )
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every weight of the cell is in the picture, and no other."""
    return same_letters(augmented_cell(), CellGraph.of(data))
