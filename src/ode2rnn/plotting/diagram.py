"""A graph of a cell as a picture: boxes, circles, lines with right angles, and the paper's letters.

What is drawn is the graph; a layout says only where. Every node of the graph must have its place. A layout may hold
places for more, those of an extension or a later step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from ode2rnn.analysis.cells.graph import CellGraph, Edge
from ode2rnn.plotting.axes import COLOURS

Point = tuple[float, float]
INCHES = 0.5  # of a unit of the layout
PAPER, CELL, HIGHLIGHT = "white", "#F4F4F1", "#FFE394"
STATE, UPDATE, GATE, READOUT, INPUT = COLOURS[0], COLOURS[1], COLOURS[2], "#A2528A", "#B77F00"
KEY = {"input": INPUT, "state": STATE, "update": UPDATE, "gate": GATE, "readout": READOUT}
CIRCLE = 0.32
WINDOW = (0.45, 1.45)


@dataclass(frozen=True)
class Layout:
    """Where the nodes and edges of a graph are drawn.

    Attributes:
        places: node -> centre. Edges are drawn in the order of their sources here, the later over the earlier.
        routes: (source, target) -> the points on the way, the last one a point of the target; straight without.
        exits: node -> the points of a line that leaves the cell, and bears the node's name at its end.
        tags: node -> where its name stands beside its centre (circles only).
        slots: node -> how far from its centre, to the right, its bias enters from below.
        frames: rectangles (x0, y0, x1, y1) of cells.
        box: half the width and half the height of a box.
        size: the rectangle that is shown.
        warps: what the warping functions are called.
    """

    places: Mapping[str, Point]
    size: tuple[float, float, float, float]
    routes: Mapping[tuple[str, str], Sequence[Point]] = field(default_factory=dict)
    exits: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    tags: Mapping[str, Point] = field(default_factory=dict)
    slots: Mapping[str, float] = field(default_factory=dict)
    frames: Sequence[tuple[float, float, float, float]] = ()
    box: Point = (1.0, 0.5)
    warps: Mapping[str, str] = field(default_factory=lambda: {"sigmoid": "G_c", "tanh": "G_d"})


def letters(name: str) -> str:
    """A name of the code in the paper's letters, for mathtext.

    Example:
        >>> letters("W_xcu"), letters("s[n-1]"), letters("theta_s"), letters("g_cs[n]")
        ('$W_{xcu}$', '$s[n\\\\!-\\\\!1]$', '$\\\\theta_{s}$', '$g_{cs}[n]$')
    """
    text = re.sub(r"_(\w+)", r"_{\1}", name)
    text = re.sub(r"\b(theta|xi|alpha)(?=_|\b)", r"\\\1", text)
    return "$" + re.sub(r"([+-])", r"\\!\1\\!", text) + "$"


def colour_of(name: str) -> str:
    """The colour of a quantity: state, update, gates, readout or input."""
    kinds = {
        "s[": STATE,
        "g_": GATE,
        "u[": UPDATE,
        "F_u": UPDATE,
        "r[": READOUT,
        "v[": READOUT,
        "q[": READOUT,
        "x": INPUT,
    }
    if " * " in name:  # a product has the colour of what the gate lets through
        name = next((part for part in name.split(" * ") if not part.startswith("g_")), name)
    return next((colour for start, colour in kinds.items() if name.startswith(start)), "0.3")


def draw_cell(
    ax: Axes, graph: CellGraph, layout: Layout, *, labels: bool = True, short: bool = False, new: Iterable[Any] = ()
) -> Axes:
    """Draw ``graph`` as ``layout`` has it.

    Args:
        ax: axes, whose limits and aspect are set.
        graph, layout: what is drawn, and where.
        labels: whether edges and biases bear the letters of their weights.
        short: whether boxes bear a name alone, g_cs for g_cs[n] = G_c(...).
        new: nodes and edges to be highlighted.

    Raises:
        ValueError: a node of the graph without a place or a name.
    """
    check_layout(graph, layout)
    marked = set(new)
    x0, y0, x1, y1 = layout.size
    ax.set(xlim=(x0, x1), ylim=(y0, y1))
    ax.axis("off")
    for a, b, c, d in layout.frames:
        _rectangle(ax, (a, b, c, d), 0.3, facecolor=CELL, edgecolor="0.75", lw=1.0, zorder=0)
    exits = {name: way for name, way in layout.exits.items() if name in graph.outputs}
    sources = {edge.source for edge in graph.edges} | exits.keys()
    for k, source in enumerate(name for name in layout.places if name in sources):
        lines: list[tuple[Edge | None, list[Point]]] = [
            (edge, _points(graph, layout, edge)) for edge in graph.edges if edge.source == source
        ]
        if source in exits:
            lines.append((None, [layout.places[source], *exits[source]]))
        _draw_lines(ax, graph, layout, source, lines, marked, 1 + 0.01 * k)
        if labels:
            for edge, points in lines:
                if edge is not None and edge.label:
                    _label_edge(ax, edge, points, _half(graph, layout, source)[0])
    for bias, target in graph.biases if labels else ():
        _draw_bias(ax, graph, layout, bias, target, (bias, target) in marked)
    for name in graph.nodes:
        _draw_node(ax, graph, layout, name, short, name in marked)
    for name, way in exits.items():
        (x, y), (before, _) = way[-1], ([layout.places[name], *way])[-2]
        where: Any = {"ha": "left", "va": "center"} if x > before else {"ha": "center", "va": "bottom"}
        ax.text(
            x + 0.15 * (x > before), y + 0.1 * (x == before), letters(name), color=colour_of(name), size=12, **where
        )
    return ax


def check_layout(graph: CellGraph, layout: Layout) -> None:
    """Refuse a layout that does not place this graph."""
    missing = sorted(graph.nodes.keys() - layout.places.keys())
    if missing:
        raise ValueError(f"layout: expected a place for every node, got none for {', '.join(missing)}")
    for name, kind in graph.nodes.items():
        if (
            kind in ("sum", "product")
            and not _is_box(graph, name)
            and " * " not in name
            and name not in {**layout.tags, **layout.exits}
        ):
            raise ValueError(f"layout: expected a tag or an exit for {name}")


def diagram_figure(
    rows: Sequence[Sequence[Layout]], inches: float | Sequence[float] = INCHES
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each layout, in rows, a unit of a row's layouts so many inches, and the axes."""
    units = [inches] * len(rows) if isinstance(inches, float) else list(inches)
    sizes = [
        [(unit * (x1 - x0), unit * (y1 - y0)) for x0, y0, x1, y1 in (layout.size for layout in row)]
        for row, unit in zip(rows, units, strict=True)
    ]
    width = max(sum(w for w, _ in row) for row in sizes)
    top = height = sum(max(h for _, h in row) for row in sizes)
    figure = Figure(figsize=(width, height))
    axes = []
    for row in sizes:
        left = 0.5 * (width - sum(w for w, _ in row))
        for w, h in row:
            axes.append(figure.add_axes((left / width, (top - h) / height, w / width, h / height)))
            left += w
        top -= max(h for _, h in row)
    return figure, axes


def add_title(ax: Axes, layout: Layout, title: str, graph: CellGraph | None = None) -> Axes:
    """A title above the first cell, and the key of the colours in ``graph`` at the right end of its line."""
    y = layout.size[3] - 0.65
    ax.text(min(frame[0] for frame in layout.frames), y, title, ha="left", va="center", size=13, color="0.1")
    x = max(frame[2] for frame in layout.frames)
    inch = float(np.ptp(ax.get_xlim())) / ax.get_window_extent().width * ax.figure.dpi
    seen = {colour_of(name) for name in graph.nodes} if graph is not None else set()
    for word, colour in reversed(KEY.items()):
        if colour in seen:
            ax.text(x, y, word, ha="right", va="center", size=11, color=colour, weight="bold")
            x -= (0.105 * len(word) + 0.16) * inch
    return ax


def _is_box(graph: CellGraph, name: str) -> bool:
    """Boxes are what warps, and sums of weighted terms; circles add or multiply what comes in."""
    kind = graph.nodes[name]
    weighted = any(edge.target == name and edge.label for edge in graph.edges)
    return kind not in ("given", "constant", "product", "window") and (kind != "sum" or weighted)


def _half(graph: CellGraph, layout: Layout, name: str) -> Point:
    if graph.nodes[name] == "window":
        return WINDOW
    return layout.box if _is_box(graph, name) else (CIRCLE, CIRCLE)


def _points(graph: CellGraph, layout: Layout, edge: Edge) -> list[Point]:
    """The way of an edge from centre to border: its last piece ends where the target's shape begins."""
    way = [layout.places[edge.source], *layout.routes.get((edge.source, edge.target), [layout.places[edge.target]])]
    centre = np.array(layout.places[edge.target])
    last, before = np.array(way[-1], float), np.array(way[-2], float)
    unit = (last - before) / np.linalg.norm(last - before)
    half = np.array(_half(graph, layout, edge.target))
    if half[0] > CIRCLE:
        steps = [(centre[k] - np.sign(unit[k]) * half[k] - before[k]) / unit[k] for k in (0, 1) if abs(unit[k]) > 1e-9]
        end = before + max(steps) * unit
    else:
        end = centre - CIRCLE * unit
    return [*way[:-1], (float(end[0]), float(end[1]))]


def _rounded(points: Sequence[Point], radius: float = 0.22) -> Path:
    """A path through the points with round corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for a, b, c in zip(points[:-2], points[1:-1], points[2:], strict=True):
        into, out = np.subtract(b, a), np.subtract(c, b)
        r = min(radius, 0.5 * np.linalg.norm(into), 0.5 * np.linalg.norm(out))
        vertices += [tuple(b - r * into / np.linalg.norm(into)), b, tuple(b + r * out / np.linalg.norm(out))]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _draw_lines(
    ax: Axes,
    graph: CellGraph,
    layout: Layout,
    source: str,
    lines: Sequence[tuple[Edge | None, list[Point]]],
    marked: set[Any],
    depth: float,
) -> None:
    """All lines from one node: first a halo that parts them from what they cross, then the lines over it."""
    colour = colour_of(source)
    for edge, points in lines:
        width, halo = (9.0, HIGHLIGHT) if edge in marked else (5.0, CELL if layout.frames else PAPER)
        ax.add_patch(PathPatch(_rounded(points), fill=False, ec=halo, lw=width, capstyle="butt", zorder=depth))
    for edge, points in lines:
        tip, unit = np.array(points[-1]), np.subtract(points[-1], points[-2])
        unit = unit / np.linalg.norm(unit)
        side = 0.11 * np.array([-unit[1], unit[0]])
        stop = tip - 0.2 * unit
        body = [*points[:-1], (float(stop[0]), float(stop[1]))]
        carried = colour == STATE and (edge is None or not edge.label) and len(points) == 2
        style = {
            "fill": False,
            "ec": colour,
            "lw": 2.8 if carried else 1.6,
            "capstyle": "round",
            "zorder": depth + 0.004,
        }
        ax.add_patch(PathPatch(_rounded(body), gid=f"{source}|{edge.target if edge else ''}", **style))
        ax.add_patch(
            Polygon([tip, tip - 0.3 * unit + side, tip - 0.3 * unit - side], color=colour, lw=0, zorder=depth + 0.005)
        )


def _label_edge(ax: Axes, edge: Edge, points: Sequence[Point], half: float) -> None:
    """The weight beside the last piece of a line, on its right or above it."""
    (a, b), (x, y) = points[-2], points[-1]
    style: Any = {"color": colour_of(edge.source), "size": 10.5, "zorder": 4}
    if abs(x - a) < 1e-9:
        ax.text(x + 0.1, y - np.sign(y - b) * 0.5, letters(edge.label), ha="left", va="center", **style)
    else:
        a += half * np.sign(x - a) if len(points) <= 3 else 0.0  # what its source covers of a line is not seen
        ax.text((a + x) / 2, (b + y) / 2 + 0.12, letters(edge.label), ha="center", va="bottom", **style)


def _draw_bias(ax: Axes, graph: CellGraph, layout: Layout, bias: str, target: str, marked: bool) -> None:
    x, y = layout.places[target]
    x, top = x + layout.slots.get(target, 0.0), y - _half(graph, layout, target)[1]
    if marked:
        ax.add_patch(PathPatch(Path([(x, top - 0.7), (x, top)]), fill=False, ec=HIGHLIGHT, lw=9, zorder=1))
    ax.add_patch(
        PathPatch(
            Path([(x, top - 0.65), (x, top - 0.2)]), gid=f"{bias}|{target}", fill=False, ec="0.35", lw=1.4, zorder=2
        )
    )
    ax.add_patch(Polygon([(x, top), (x - 0.11, top - 0.3), (x + 0.11, top - 0.3)], color="0.35", lw=0, zorder=2))
    ax.text(x, top - 0.75, letters(bias), ha="center", va="top", color="0.25", size=10.5, zorder=4)


def _rectangle(ax: Axes, corners: tuple[float, float, float, float], radius: float, **style: Any) -> None:
    a, b, c, d = corners
    shape = f"round,pad=0,rounding_size={radius}"
    ax.add_patch(FancyBboxPatch((a, b), c - a, d - b, boxstyle=shape, **style))


def _draw_node(ax: Axes, graph: CellGraph, layout: Layout, name: str, short: bool, marked: bool) -> None:
    (x, y), (w, h) = layout.places[name], _half(graph, layout, name)
    kind, colour, face = graph.nodes[name], colour_of(name), HIGHLIGHT if marked else PAPER
    written: Any = {"ha": "center", "va": "center", "color": colour, "size": 12, "zorder": 5, "gid": name}
    if kind in ("given", "constant"):
        frame = {"boxstyle": "round,pad=0.25", "fc": face, "ec": colour, "lw": 1.2}
        ax.text(x, y, letters(name), bbox=frame, **written)
    elif w > CIRCLE:
        _rectangle(ax, (x - w, y - h, x + w, y + h), 0.15, facecolor=face, edgecolor=colour, lw=1.8, zorder=3)
        if kind == "window":
            ax.text(x, y, "window", rotation=90, **written | {"size": 10})
        else:
            ax.text(x, y, letters(name.split("[")[0]) if short else _equation(graph, layout, name), **written)
    else:
        ax.add_patch(Circle((x, y), CIRCLE, facecolor=face, edgecolor=colour, lw=1.8, zorder=3))
        ax.text(x, y, r"$\odot$" if kind == "product" else "$+$", **written | {"size": 14})
        if name in layout.tags:
            dx, dy = layout.tags[name]
            ax.text(x + dx, y + dy, letters(name), **written | {"gid": None})


def _equation(graph: CellGraph, layout: Layout, name: str) -> str:
    """What a box computes: its name, the warping function, and the one thing that comes in, or a sum."""
    kind, sources = graph.nodes[name], [edge for edge in graph.edges if edge.target == name]
    inner = r"$\Sigma$" if any(edge.label for edge in sources) else letters(sources[0].source)
    return (
        f"{letters(name)} = {inner}" if kind == "sum" else f"{letters(name)} = {letters(layout.warps[kind])}({inner})"
    )
