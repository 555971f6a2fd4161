"""Charts of the report as SVG text: no script, colours by CSS class, so they follow the page.

Charts draw rounded figures; the tables beside them tell exact ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Bar:
    """A column of a bar chart, with the figure of the period before as a line across it."""

    label: str
    value: float | None
    before: float | None
    text: str


def tag(name: str, body: str = "", **attributes: str | float) -> str:
    """An element; attribute names take "_" for "-", numbers one decimal place."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


def number(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def picture(width: float, height: float, label: str, *parts: str) -> str:
    """A drawing that scales with its column; `label` is what a screen reader says."""
    return tag(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, body: str, *, anchor: str = "middle", class_: str = "t") -> str:
    return tag("text", escape(body), x=x, y=y, text_anchor=anchor, class_=class_)


def nice_top(highest: float) -> float:
    """The end of an axis: 1, 2, 2.5 or 5 times a power of ten, at or above the highest value."""
    if highest <= 0:
        return 1.0
    least = max(highest, 1e-9)  # the smallest amount a ledger holds
    power = 10.0 ** math.floor(math.log10(least))
    return next((step * power for step in (1, 2, 2.5, 5) if step * power >= least), 10 * power)


def columns(bars: Sequence[Bar], label: str) -> str:
    """Columns with their text above and a dashed mark where the period before stood."""
    width, height, base = 760.0, 230.0, 196.0
    known = [v for bar in bars for v in (bar.value, bar.before) if v is not None]
    scale = 160.0 / nice_top(max(known, default=0.0))
    step = width / max(1, len(bars))
    parts = [tag("line", x1=0.0, y1=base, x2=width, y2=base, class_="axis")]
    for place, bar in enumerate(bars):
        parts += column(bar, place * step + step / 2, step * 0.56, base, scale)
    return picture(width, height, label, *parts)


def column(bar: Bar, middle: float, wide: float, base: float, scale: float) -> list[str]:
    """One column, or its label alone where the value is unknown."""
    tall = (bar.value or 0.0) * scale
    left = middle - wide / 2
    parts = [text(middle, base + 22, bar.label)]
    if bar.value is not None:
        parts.append(
            tag("rect", x=left, y=base - tall, width=wide, height=tall, class_="bar", rx=2)
        )
    if bar.before is not None:
        mark = base - bar.before * scale
        parts.append(
            tag("line", x1=left - 8, y1=mark, x2=left + wide + 8, y2=mark, class_="before")
        )
    top = min(base - tall, base - (bar.before or 0.0) * scale)
    parts.append(text(middle, top - 7, bar.text, class_="v"))
    return parts


def meter(share: float | None) -> str:
    """A share as a thin bar, for a table cell; empty where unknown."""
    full = max(0.0, min(1.0, share or 0.0)) * 100
    track = tag("rect", x=0, y=0, width=100, height=8, class_="track", rx=2)
    filled = tag("rect", x=0, y=0, width=full, height=8, class_="bar", rx=2) if full else ""
    return tag("svg", track + filled, viewBox="0 0 100 8", class_="meter", aria_hidden="true")


def heat(cells: Sequence[tuple[int, int, float | None, str]], label: str) -> str:
    """Weekday × hour: (weekday 1–7, hour, calls an hour, what to say), palest to strongest."""
    highest = max((value for _, _, value, _ in cells if value is not None), default=0.0)
    parts = [text(34, 18 + day * 24, name, anchor="end") for day, name in enumerate(WEEKDAYS)]
    parts += [text(56 + hour * 29.3, 184, f"{hour:02d}") for hour in range(24)]
    parts += [heat_cell(*cell, highest) for cell in cells]
    return picture(760, 190, label, *parts)


def heat_cell(weekday: int, hour: int, value: float | None, said: str, highest: float) -> str:
    place = {"x": 43 + hour * 29.3, "y": 2 + (weekday - 1) * 24.0, "width": 27.0, "height": 22.0}
    title = tag("title", escape(said))
    if value is None:
        return tag("rect", title, class_="none", rx=3, **place)
    strength = 0.06 + 0.94 * (value / highest) if highest else 0.06
    return tag("rect", title, class_="heat", rx=3, fill_opacity=f"{strength:.2f}", **place)
