"""Charts as plain data: small, coloured by the theme, checked by Plotly."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard import charts

DAYS = [f"2026-11-{day:02d}" for day in range(1, 29)]
HALF: list[Decimal | int | None] = [Decimal("0.5")] * 28


def drawn(chart: charts.Chart) -> Any:
    """Plotly accepts it with validation."""
    return go.Figure(chart)


def test_charts_import_neither_streamlit_nor_plotly() -> None:
    heavy = "sorted({'streamlit', 'plotly'} & set(sys.modules))"
    code = f"import sys, hf_ledger.dashboard.charts; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_colours_are_the_places_that_streamlit_fills_by_theme() -> None:
    from streamlit.elements.lib import streamlit_plotly_theme as theme

    assert charts.PALETTE[0] == theme.CATEGORY_0
    assert charts.PALETTE[9] == theme.CATEGORY_9
    assert charts.SCALE[0][1] == theme.SEQUENTIAL_0
    assert charts.SCALE[9][1] == theme.SEQUENTIAL_9


def test_stacked_days_with_the_period_before() -> None:
    series = [("A", HALF), ("B", HALF), ("Other", HALF)]
    figure = drawn(charts.stacked_days(DAYS, series, HALF, money=True))
    assert [trace.name for trace in figure.data] == ["A", "B", "Other", "Previous period"]
    assert figure.data[2].marker.color == charts.OTHER
    assert figure.data[3].line.dash == "dash"
    assert figure.data[0].marker.color != figure.data[1].marker.color


def test_without_a_period_before_nothing_is_dashed() -> None:
    figure = drawn(charts.stacked_days(DAYS, [("A", HALF)], None, money=False))
    assert len(figure.data) == 1
    assert "calls" in figure.data[0].hovertemplate


def test_a_four_week_chart_is_a_few_kilobytes() -> None:
    series = [(name, HALF) for name in ("A", "B", "C", "D", "Other")]
    chart = charts.stacked_days(DAYS, series, HALF, money=True)
    assert len(json.dumps(chart)) < 9_000


def test_an_unknown_day_leaves_a_gap() -> None:
    chart = charts.stacked_days(DAYS[:2], [("A", [None, Decimal(1)])], None, money=True)
    assert chart["data"][0]["y"] == [None, 1.0]


@pytest.mark.parametrize(
    ("largest", "form"), [(300.0, ",.0f"), (6.0, ",.0f"), (1.0, ",.2~f"), (0.01, ".2~g")]
)
def test_money_axes_show_cents_only_where_dollars_would_repeat(largest: float, form: str) -> None:
    assert charts.dollars(largest) == {"tickprefix": "$", "tickformat": form}


def test_ranked_bars_keep_their_order_and_room_for_the_value() -> None:
    figure = drawn(charts.ranked(["a", "b"], [Decimal(10), Decimal(5)], ["$10.00", "$5.00"]))
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.xaxis.range[1] > 10
    assert list(figure.data[0].text) == ["$10.00", "$5.00"]


def test_ranked_bars_of_nothing_still_draw() -> None:
    figure = drawn(charts.ranked(["a"], [None], ["price unknown"]))
    assert figure.layout.xaxis.range[1] > 0


def test_the_heat_map_has_seven_days_from_monday() -> None:
    cells: list[list[float | None]] = [
        [float(day * hour) for hour in range(24)] for day in range(7)
    ]
    figure = drawn(charts.heat(cells, "calls an hour"))
    assert list(figure.data[0].y) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert len(figure.data[0].x) == 24
    assert figure.data[0].z[6][23] == 138.0


def test_columns_keep_the_order_given() -> None:
    figure = drawn(charts.columns(["small", "xl"], [3, 1], ["75 %", "25 %"]))
    assert list(figure.data[0].x) == ["small", "xl"]


@given(st.decimals("0", "1000000", places=9))
def test_a_coordinate_has_six_digits_that_matter(value: Decimal) -> None:
    shown = charts.number(value)
    assert shown is not None
    assert shown == pytest.approx(float(value), rel=1e-5)
    assert charts.number(None) is None


def test_the_tallest_stack() -> None:
    assert charts.tallest([("A", [1, None]), ("B", [2, 5])]) == 5.0
    assert charts.tallest([]) == 0.0


# -- names that Plotly would read ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain/name-1", "plain/name-1"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("a&lt;b", "a&amp;lt;b"),
        ("100%{y}", "100%&#123;y}"),
    ],
)
def test_a_name_is_shown_and_not_run(name: str, text: str) -> None:
    assert charts.label(name) == text


@given(st.lists(st.text("a<>&%{}#12;", max_size=8), unique=True))
def test_names_that_differ_are_shown_apart(names: list[str]) -> None:
    assert len({charts.label(name) for name in names}) == len(names)


@given(st.text(max_size=30))
def test_no_name_brings_a_tag_or_a_place_into_a_figure(name: str) -> None:
    trace = charts.stacked_days(["2026-11-09"], [(name, [1])], None, money=True)["data"][0]
    shown = charts.label(name)
    assert trace["hovertemplate"] == f"%{{x|%a %-d %b}}<br>{shown}: $%{{y:,.2f}}<extra></extra>"
    assert "%{" not in shown
    for chart in (charts.ranked([name], [1], ["1"]), charts.columns([name], [1], ["1"])):
        bars = chart["data"][0]
        assert not {"<", ">"} & {*bars["x" if "orientation" not in bars else "y"][0]}


# -- any figures ---------------------------------------------------------------------------------

amounts = st.none() | st.decimals(0, 10**6, places=9)


@given(st.lists(amounts, min_size=1, max_size=12))
def test_bars_are_as_long_as_their_values_and_stay_in_their_room(values: list[Any]) -> None:
    names = [str(place) for place in range(len(values))]
    chart = charts.ranked(names, values, names)
    drawn_at = chart["data"][0]["x"]
    low, high = chart["layout"]["xaxis"]["range"]
    assert low == 0 < high
    assert all(0 <= each <= high for each in drawn_at)
    assert drawn_at == pytest.approx([float(value or 0) for value in values], rel=1e-5)


def test_unpriced_columns_are_gaps_and_not_bars_of_zero() -> None:
    assert charts.columns(["a", "b"], [None, 0], ["", ""])["data"][0]["y"] == [None, 0.0]


def test_the_heat_map_has_a_cell_for_every_hour_even_without_calls() -> None:
    cells = charts.heat([[0.0] * 24 for _ in range(7)], "calls an hour")["data"][0]["z"]
    assert [cell for line in cells for cell in line] == [0.0] * 168


def test_a_very_long_name_is_whole_in_the_figure() -> None:
    name = "m" * 5_000
    assert charts.ranked([name], [1], ["1"])["data"][0]["y"] == [name]


@given(st.lists(st.lists(amounts, min_size=3, max_size=3), max_size=5))
def test_the_tallest_stack_is_the_largest_day(values: list[list[Any]]) -> None:
    series = [(str(place), each) for place, each in enumerate(values)]
    days = [sum(float(each[day] or 0) for each in values) for day in range(3)]
    assert charts.tallest(series) == pytest.approx(max(days))
