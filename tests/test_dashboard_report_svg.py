"""Charts as SVG: well formed, to scale, and harmless whatever a label says."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.report import svg

HOSTILE = "<script>alert(1)</script>\"'&"
numbers = st.one_of(st.none(), st.floats(0, 1e9))


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)


def classed(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if each.get("class") == name]


def bar(value: float | None, before: float | None = None, label: str = "Mon") -> svg.Bar:
    return svg.Bar(label, value, before, "text")


def heights(*bars: svg.Bar) -> list[float]:
    root = parsed(svg.columns(list(bars), "label"))
    return [float(each.get("height", "")) for each in classed(root, "bar")]


def test_columns_are_to_scale() -> None:
    one, two, nothing = heights(bar(10), bar(20), bar(0))
    assert two == pytest.approx(2 * one, abs=0.1)
    assert nothing == 0
    assert two <= 160


def test_an_unknown_value_has_no_column_but_keeps_its_label() -> None:
    root = parsed(svg.columns([bar(None, 5, "Tue")], "label"))
    assert classed(root, "bar") == []
    assert "Tue" in [each.text for each in root.iter()]
    assert len(classed(root, "before")) == 1


def test_the_period_before_is_a_mark_on_the_same_scale() -> None:
    root = parsed(svg.columns([bar(10, 10)], "label"))
    (column,), (mark,) = classed(root, "bar"), classed(root, "before")
    assert mark.get("y1") == mark.get("y2") == column.get("y")


@given(st.lists(st.tuples(numbers, numbers), max_size=7))
def test_any_values_make_a_picture_that_stays_in_its_frame(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    root = parsed(svg.columns([bar(value, before) for value, before in pairs], "label"))
    height = float(root.get("viewBox", "").split()[3])
    for each in root.iter():
        for name in ("y", "y1", "y2"):
            assert 0 <= float(each.get(name, "0")) <= height


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (2.2, 2.5), (3, 5), (7, 10), (99, 100), (2600, 5000)],
)
def test_axes_end_at_a_round_number(highest: float, top: float) -> None:
    assert svg.nice_top(highest) == pytest.approx(top)


@given(st.floats(1e-9, 1e12))
def test_an_axis_reaches_its_highest_value_and_not_far_beyond(highest: float) -> None:
    assert highest <= svg.nice_top(highest) * (1 + 1e-9)
    assert svg.nice_top(highest) <= highest * 10 * (1 + 1e-9)


def test_text_is_text() -> None:
    drawn = svg.columns([svg.Bar(HOSTILE, 1, None, HOSTILE)], HOSTILE)
    assert "<script" not in drawn
    assert HOSTILE in [each.text for each in parsed(drawn).iter()]
    assert parsed(drawn).get("aria-label") == HOSTILE


def test_meters_are_shares() -> None:
    def width(share: float | None) -> list[str | None]:
        return [each.get("width") for each in classed(parsed(svg.meter(share)), "bar")]

    assert width(0.25) == ["25"]
    assert width(1.0) == width(7.0) == ["100"]
    assert width(0.0) == width(None) == width(-1.0) == []


def cells(value: float | None = 1.0) -> list[tuple[int, int, float | None, str]]:
    return [(day, hour, value, f"{day} {hour}") for day in range(1, 8) for hour in range(24)]


def test_a_heat_map_has_a_cell_for_each_hour_of_the_week() -> None:
    root = parsed(svg.heat(cells(), "label"))
    found = classed(root, "heat")
    assert len(found) == 168
    assert len({(each.get("x"), each.get("y")) for each in found}) == 168
    assert root.get("role") == "img"


def test_the_busiest_cell_is_the_strongest() -> None:
    drawn = svg.heat([(1, 0, 0.0, "none"), (1, 1, 5.0, "some"), (1, 2, 10.0, "most")], "label")
    strengths = [float(e.get("fill-opacity", "")) for e in classed(parsed(drawn), "heat")]
    assert strengths == [0.06, 0.53, 1.0]


def test_an_hour_that_never_was_is_empty() -> None:
    root = parsed(svg.heat([(7, 2, None, "no such hour"), (7, 3, 4.0, "4 calls")], "label"))
    (empty,) = classed(root, "none")
    assert [child.text for child in empty] == ["no such hour"]
    assert len(classed(root, "heat")) == 1


def test_a_week_without_calls_is_pale_everywhere() -> None:
    root = parsed(svg.heat(cells(0.0), "label"))
    assert {each.get("fill-opacity") for each in classed(root, "heat")} == {"0.06"}
