"""The Vanilla LSTM cell with its gates and peepholes."""

from typing import Any

from figure_cells import same_letters, vanilla_cell
from ode2rnn.analysis.cells.graph import CellGraph, cell_graph
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting.diagram import add_title, diagram_figure, draw_cell
from ode2rnn.plotting.layouts import VANILLA

SECTION = "The Vanilla LSTM Network Mechanism in Detail"
EQUATIONS = ("L1", "L2", "L3", "L4", "L5", "L6")
CLAIM = "The Vanilla LSTM: fifteen groups of weights, three gates, one state that is only multiplied and added to."


def data(quick: bool = False) -> dict[str, Any]:
    """The graph of the computation, as arrays of text."""
    return cell_graph(vanilla_cell()).arrays()


def draw(data: dict[str, Any]) -> Any:
    """The graph in the places of its layout."""
    layout = VANILLA
    figure, (ax,) = diagram_figure([[layout]], inches=0.48)
    graph = CellGraph.of(data)
    draw_cell(ax, graph, layout)
    add_title(
        ax,
        layout,
        "The Vanilla LSTM cell: its gates see the state through the peepholes $W_{scu}$, $W_{scs}$, $W_{scr}$",
        graph,
    )
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """Whether every weight of the cell is in the picture, and no other."""
    return same_letters(vanilla_cell(), CellGraph.of(data))
