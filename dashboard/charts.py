"""Figures from rows; nothing here knows Streamlit, a ledger or a period.

Colours are places in the page theme's palette ("#000001" is its first chart colour, "#000011" the
palest of its scale, "#000036" its quiet grey): the browser puts in those of light or dark. Every
figure carries one small template instead of Plotly's 7 kB.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

PALETTE = tuple(f"#{place:06d}" for place in range(1, 11))
OTHER = PALETTE[4]
ACCENT = PALETTE[0]
GREY = PALETTE[5]
SCALE = tuple((step / 9, f"#{11 + step:06d}") for step in range(10))

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

TEMPLATE: dict[str, Any] = {
    "layout": {
        "colorway": list(PALETTE[:6]),
        "bargap": 0.28,
        "barmode": "stack",
        "dragmode": False,
        "hovermode": "closest",
        "margin": {"t": 8, "b": 28, "l": 8, "r": 8},
        "legend": {
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
        },
        "xaxis": {"fixedrange": True},
        "yaxis": {"fixedrange": True, "rangemode": "tozero", "nticks": 6},
    }
}

#: No mode bar: pages have their own export; a double click must not lose the picture.
CONFIG: dict[str, Any] = {"displayModeBar": False, "doubleClick": False, "scrollZoom": False}

Row = dict[str, Any]

#: A Plotly figure as plain data; Plotly checks it where it is drawn.
Chart = dict[str, Any]


def number(value: Decimal | float | int | None) -> float | None:
    """A chart coordinate with six digits that matter: charts draw, tables tell."""
    return None if value is None else float(f"{float(value):.6g}")


def label(text: str) -> str:
    """A name as a chart shall show it: Plotly would read tags and %{places} in it."""
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%&#123;")):
        text = text.replace(mark, entity)
    return text


def figure(traces: Sequence[Any], height: int, **layout: Any) -> Chart:
    return {"data": list(traces), "layout": {"template": TEMPLATE, "height": height, **layout}}


def dollars(largest: float) -> dict[str, Any]:
    """Tick format of a money axis: cents only where dollars would repeat."""
    return {
        "tickprefix": "$",
        "tickformat": ",.0f" if largest >= 6 else ",.2~f" if largest >= 0.05 else ".2~g",
    }


def stacked_days(
    days: Sequence[str],
    series: Sequence[tuple[str, Sequence[Decimal | int | None]]],
    prior: Sequence[Decimal | int | None] | None,
    *,
    money: bool,
) -> Chart:
    """One stacked bar a day, largest series at the bottom; the previous period dashed over it.

    Each series is (name, one value a day); the last may be called "Other".
    """
    unit = "$%{y:,.2f}" if money else "%{y:,} calls"
    traces: list[Any] = [
        {
            "type": "bar",
            "name": label(name),
            "x": list(days),
            "y": [number(value) for value in values],
            "marker": {"color": OTHER if name == "Other" else PALETTE[place % 4]},
            "hovertemplate": f"%{{x|%a %-d %b}}<br>{label(name)}: {unit}<extra></extra>",
        }
        for place, (name, values) in enumerate(series)
    ]
    if prior is not None:
        traces.append(dashed(days, prior, unit))
    axis = dollars(tallest(series)) if money else {"tickformat": ",~s"}
    return figure(
        traces, 330, yaxis=axis, xaxis={"type": "date", "tickformat": "%-d %b", "nticks": 10}
    )


def dashed(days: Sequence[str], values: Sequence[Decimal | int | None], unit: str) -> Row:
    return {
        "type": "scatter",
        "name": "Previous period",
        "x": list(days),
        "y": [number(value) for value in values],
        "mode": "lines",
        "line": {"dash": "dash", "width": 1.5, "color": GREY},
        "hovertemplate": f"Previous period: {unit}<extra></extra>",
    }


def tallest(series: Sequence[tuple[str, Sequence[Decimal | int | None]]]) -> float:
    """Height of the tallest stack."""
    stacks = zip(*(values for _, values in series), strict=True)
    return max((sum(float(part or 0) for part in stack) for stack in stacks), default=0.0)


def ranked(
    names: Sequence[str], values: Sequence[Decimal | int | None], texts: Sequence[str]
) -> Chart:
    """Horizontal bars in one colour, the value at the bar's end, the first row on top."""
    bars = {
        "type": "bar",
        "x": [number(value) or 0 for value in values],
        "y": [label(name) for name in names],
        "text": list(texts),
        "orientation": "h",
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": ACCENT, "cornerradius": 3},
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    room = 1.28 * max([number(value) or 0 for value in values] or [0]) or 1
    return figure(
        [bars],
        max(120, 44 * len(names) + 24),
        bargap=0.55,
        xaxis={"visible": False, "range": [0, room]},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )


def heat(cells: Sequence[Sequence[float | None]], unit: str) -> Chart:
    """Weekday by hour: 7 rows from Monday, 24 columns, one tint a cell."""
    drawn = {
        "type": "heatmap",
        "z": [[number(cell) for cell in row] for row in cells],
        "x": [f"{hour:02d}" for hour in range(24)],
        "y": list(WEEKDAYS),
        "colorscale": [list(step) for step in SCALE],
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "hovertemplate": f"%{{y}} %{{x}}:00 – %{{z:,.4~g}} {unit}<extra></extra>",
        "colorbar": {
            "orientation": "h",
            "y": -0.32,
            "yanchor": "bottom",
            "x": 1,
            "xanchor": "right",
            "len": 0.4,
            "thickness": 9,
            "nticks": 4,
            "outlinewidth": 0,
        },
    }
    return figure(
        [drawn],
        280,
        margin={"t": 8, "b": 8, "l": 8, "r": 8},
        yaxis={"autorange": "reversed", "showgrid": False, "dtick": 1},
        xaxis={"type": "category", "showgrid": False, "dtick": 2},
    )


def columns(
    names: Sequence[str],
    values: Sequence[Decimal | int | None],
    texts: Sequence[str],
    height: int = 260,
) -> Chart:
    """Upright bars for an order that means something, such as size classes or hours."""
    bars = {
        "type": "bar",
        "x": [label(name) for name in names],
        "y": [number(value) for value in values],
        "text": list(texts),
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": ACCENT, "cornerradius": 3},
        "hovertemplate": "%{x}: %{text}<extra></extra>",
    }
    return figure(
        [bars],
        height,
        margin={"t": 24, "b": 28, "l": 8, "r": 8},
        yaxis={"visible": False},
        xaxis={"type": "category"},
    )
