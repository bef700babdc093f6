"""The Vanilla LSTM unrolled over K = 3 samples."""

from typing import Any

from figure_cells import same_letters, vanilla_cell
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import unrolled_lstm

SECTION = "RNN Unfolding/Unrolling"
EQUATIONS = ("U3", "L4", "L6")
CLAIM = "Along the unrolled LSTM the state passes from cell to cell through one product and one sum."


def data(quick: bool = False) -> dict[str, Any]:
    """The graph of the computation, as arrays of text."""
    return cell_graph(vanilla_cell(), ticks=3).arrays()


def draw(data: dict[str, Any]) -> Any:
    """The graph in the places of its layout."""
    layout = unrolled_lstm(3)
    figure, (ax,) = diagram_figure([[layout]], inches=0.36)
    graph = CellGraph.of(data)
    draw_cell(ax, graph, layout, labels=False, short=True)
    add_title(ax, layout, "The Vanilla LSTM unrolled over K = 3 samples; every cell has the same weights", graph)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every weight of the cell is in the picture, and no other."""
    return same_letters(vanilla_cell(), CellGraph.of(data))
