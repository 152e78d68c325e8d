"""Curves as text: two by four dots a letter in braille, or one mark a letter where only ASCII can be written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hyperherd.results.curves.curves import Drawing, Line, PlotOptions
from hyperherd.results.text.format import display_width, duration, escaped, measure, pad
from hyperherd.results.text.layout import BOLD, DIM, Screen, page, paint

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_COLOURS = (34, 33, 32, 31, 35, 36, 94, 93, 92, 91)
_MARKS = "*o+x#@%&=~"
_MOST_FALLS = 3
_HEIGHT = 18
_WIDTH = 80

Scale = Callable[[float], float]


def render_curves(drawing: Drawing, screen: Screen) -> str:
    """Return the drawing as text that ends in a newline; of two metrics, one below the other."""
    options = drawing.options
    lines = [*_panel(options.metric, drawing.lines, options, screen)]
    if drawing.right:
        order = {line.label: place for place, line in enumerate(drawing.lines)}
        second = sorted(drawing.right, key=lambda line: order[line.label])
        lines += ["", *_panel(options.right or "", second, replace(options, y_range=None), screen)]
    lines += ["", *_legend(drawing, screen)]
    return page(lines, screen)


@dataclass(frozen=True)
class _Frame:
    """Where a point of the data lies on the canvas, in dots from the top left."""

    x: tuple[float, float]
    y: tuple[float, float]
    columns: int
    rows: int
    scale_x: Scale
    scale_y: Scale

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = _share(self.scale_x(x), *map(self.scale_x, self.x))
        # What lies beyond the range that was asked for leaves the canvas, but not by much.
        up = min(1.5, max(-0.5, _share(self.scale_y(y), *map(self.scale_y, self.y))))
        return across * (self.columns - 1), (1 - up) * (self.rows - 1)


class _Canvas:
    """Cells of a grid, each with its dots and the colour of the line that drew there last."""

    def __init__(self, width: int, height: int, screen: Screen) -> None:
        self._screen = screen
        self._across, self._down = (2, 4) if screen.unicode else (1, 1)
        self.columns, self.rows = width * self._across, height * self._down
        self._dots = [[0] * width for _ in range(height)]
        self._owner = [[0] * width for _ in range(height)]

    def line(self, points: Sequence[tuple[float, float]], owner: int) -> None:
        """Draw straight lines from point to point; a single point is a dot."""
        for (x0, y0), (x1, y1) in zip(points, points[1:] or points, strict=False):
            length = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
            for part in range(length + 1):
                self._dot(x0 + (x1 - x0) * part / length, y0 + (y1 - y0) * part / length, owner)

    def _dot(self, x: float, y: float, owner: int) -> None:
        column, row = round(x), round(y)
        if not 0 <= row < self.rows:
            return
        cell_row, cell_column = row // self._down, column // self._across
        mark = _DOTS[row % 4][column % 2] if self._screen.unicode else 1
        self._dots[cell_row][cell_column] |= mark
        self._owner[cell_row][cell_column] = owner

    def text(self) -> list[str]:
        """Return the rows, coloured by line."""
        return ["".join(map(self._cell, dots, owners)) for dots, owners in zip(self._dots, self._owner, strict=True)]

    def _cell(self, dots: int, owner: int) -> str:
        if not dots:
            return " "
        mark = chr(0x2800 + dots) if self._screen.unicode else _MARKS[owner % len(_MARKS)]
        return paint(mark, _colour(owner), self._screen)


def _panel(metric: str, lines: Sequence[Line], options: PlotOptions, screen: Screen) -> Iterator[str]:
    shown = [_points(line, options) for line in lines]
    every = [point for points in shown for run in points for point in run]
    yield paint(escaped(metric), BOLD, screen)
    if not every:
        yield "  no finite value" + (" above zero" if options.log_x or options.log_y else "")
        return
    xs, ys = _bounds(point[0] for point in every), options.y_range or _bounds(point[1] for point in every)
    labels = [measure(float(value)) for value in (ys[1], _middle(*ys, options.log_y), ys[0])]
    margin = max(map(len, labels))
    width = max(20, min(screen.width or _WIDTH, 160) - margin - 3)
    height = max(6, min(_HEIGHT, (screen.rows or _HEIGHT)))
    canvas = _Canvas(width, height, screen)
    frame = _Frame(xs, ys, canvas.columns, canvas.rows, _scale(options.log_x), _scale(options.log_y))
    for owner in reversed(range(len(lines))):  # The best line is drawn last, over the others.
        for run in shown[owner]:
            canvas.line([frame.place(*point) for point in run], owner)
    told = {0: labels[0], height // 2: labels[1], height - 1: labels[2]}
    for row, text in enumerate(canvas.text()):
        tick = ("┤" if row in told else "│") if screen.unicode else ("+" if row in told else "|")
        yield f"{told.get(row, ''):>{margin}} {tick}{text}"
    yield _x_axis(xs, options.x, margin, width)


def _x_axis(xs: tuple[float, float], x: str, margin: int, width: int) -> str:
    ends = [duration(value) if x == "time" else measure(_whole(value)) for value in xs]
    name = pad(x, max(0, (width + len(x)) // 2 - len(ends[0])), right=True)
    return " " * (margin + 2) + ends[0] + name + ends[1].rjust(width - len(ends[0]) - display_width(name))


def _legend(drawing: Drawing, screen: Screen) -> Iterator[str]:
    for owner, line in enumerate(drawing.lines):
        mark = "━━" if screen.unicode else _MARKS[owner % len(_MARKS)]
        count = counts_text(line, drawing.options.x)
        star = "★" if screen.unicode else "best"
        at = (
            ""
            if line.best is None
            else f"  {star} {measure(float(line.best[1]))} at {_at(line.best[0], drawing.options.x)}"
        )
        yield f"{paint(mark, _colour(owner), screen)} {escaped(line.label)}{paint(count + at, DIM, screen)}"


def counts_text(line: Line, axis: str) -> str:
    """Return over how many trials a line is, from where on over fewer, and how many of them did not succeed."""
    falls = "".join(f", {count} after {_at(x, axis)}" for x, count in line.falls[:_MOST_FALLS])
    more = ", ..." if len(line.falls) > _MOST_FALLS else ""
    died = f"  {len(line.deaths)} died" if line.deaths else ""
    return (f"  n={len(line.trials)}{falls}{more}" if len(line.trials) > 1 else "") + died


def _at(x: float, axis: str) -> str:
    return duration(x) if axis == "time" else measure(_whole(x))


def _points(line: Line, options: PlotOptions) -> list[list[tuple[float, float]]]:
    """Return the stretches of a line between its gaps; a logarithmic axis has no place for zero and below."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.xs, line.ys, strict=True):
        if math.isfinite(y) and (not options.log_y or y > 0):
            if not options.log_x or x > 0:
                runs[-1].append((float(x), y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _bounds(values: Iterable[float]) -> tuple[float, float]:
    every = list(values)
    return min(every), max(every)


def _middle(low: float, high: float, log: bool) -> float:
    return math.exp((math.log(low) + math.log(high)) / 2) if log else (low + high) / 2


def _scale(log: bool) -> Scale:
    return math.log if log else float


def _share(value: float, low: float, high: float) -> float:
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _colour(owner: int) -> int:
    return _COLOURS[owner % len(_COLOURS)]
