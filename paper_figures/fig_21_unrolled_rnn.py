"""The canonical RNN unrolled over K = 4 samples."""

from typing import Any

from figure_cells import canonical_cell, same_letters
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import unrolled_rnn

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U3",)
CLAIM = "The unrolled network is the same cell, with the same weights, K times."


def data(quick: bool = False) -> dict[str, Any]:
    """The graph of the computation, as arrays of text."""
    return cell_graph(canonical_cell(), ticks=4).arrays()


def draw(data: dict[str, Any]) -> Any:
    """The graph in the places of its layout."""
    layout = unrolled_rnn(4)
    figure, (ax,) = diagram_figure([[layout]], inches=0.42)
    graph = CellGraph.of(data)
    draw_cell(ax, graph, layout)
    add_title(ax, layout, "The RNN unrolled over K = 4 samples; every cell has the same weights", graph)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every weight of the cell is in the picture, and no other."""
    return same_letters(canonical_cell(), CellGraph.of(data))
