"""The canonical RNN cell."""

from typing import Any

from figure_cells import canonical_cell, same_letters
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import CANONICAL

SECTION = "The Roots of RNN"
EQUATIONS = ("D5",)
CLAIM = "The canonical RNN: one weighted sum of state, readout and input, then the warping."


def data(quick: bool = False) -> dict[str, Any]:
    """The graph of the computation, as arrays of text."""
    return cell_graph(canonical_cell()).arrays()


def draw(data: dict[str, Any]) -> Any:
    """The graph in the places of its layout."""
    layout = CANONICAL
    figure, (ax,) = diagram_figure([[layout]], inches=0.5)
    graph = CellGraph.of(data)
    draw_cell(ax, graph, layout)
    add_title(ax, layout, "The canonical RNN cell", graph)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every weight of the cell is in the picture, and no other."""
    return same_letters(canonical_cell(), CellGraph.of(data))
