"""What the page is about: book, period and filters, all of them in the URL.

The period and the filters are bound to query parameters, so they survive a change of page, a
reload and a shared link; a value that this period does not know is kept and simply finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from hf_ledger.analytics.periods import Period, between, local_date, named
from hf_ledger.analytics.scope import Scope
from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import Book, shelf
from hf_ledger.dashboard.format import full, plain

#: Name of a period → what the control says, and so the URL; a link may give the name as well.
PERIODS = {
    "7d": "7d",
    "28d": "28d",
    "last-week": "Last week",
    "mtd": "Month",
    "last-month": "Last month",
    "custom": "Custom",
}
DEFAULT = "28d"

#: Dimension in the URL → label of its filter.
FILTERS = {
    "team": "Team",
    "app": "App",
    "model": "Model",
    "provider": "Provider",
    "task": "Task",
    "size_class": "Size class",
    "suitable_class": "Suitable class",
    "outcome": "Outcome",
    "cost_basis": "Cost basis",
    "project": "Project",
    "user_id": "User",
    "host_kind": "Served by",
    "source": "Recorded by",
}
NOT_SET = "(not set)"


@dataclass(frozen=True)
class View:
    """What every loader of a page is asked about."""

    book: Book
    period: Period
    where: dict[str, tuple[str, ...]]

    @property
    def scope(self) -> Scope:
        return self.period.scope(origins=self.book.origins, where=self.where)

    @property
    def prior(self) -> Scope:
        return self.period.previous(origins=self.book.origins, where=self.where)

    @property
    def link(self) -> dict[str, str | list[str]]:
        """Query parameters that open another page on the same calls."""
        return self.link_to()

    def link_to(self, **where: str | Sequence[str]) -> dict[str, str | list[str]]:
        """The same, narrowed to these values of further dimensions."""
        period = PERIODS.get(self.period.name, PERIODS["custom"])
        asked: dict[str, str | list[str]] = {"book": self.book.label, "period": period}
        if period == PERIODS["custom"]:
            asked["days"] = [self.period.first.isoformat(), self.period.last.isoformat()]
        for name, values in {**self.where, **where}.items():
            accepted = [values] if isinstance(values, str) else values
            asked[name] = [value or NOT_SET for value in accepted]
        return asked

    @property
    def file_stem(self) -> str:
        """Name of a download: book, period, and nothing a user typed."""
        return f"hf-ledger-{self.book.name}-{self.period.first}-{self.period.last}"


def show(title: str, book: Book) -> None:
    """Title, period and filters in one row; the caption below says what is shown.

    The entry script calls this, not the pages: only its widgets keep their state from page to page.
    """
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.title(title, width="content", anchor=False)
        with st.container(
            horizontal=True, width="content", vertical_alignment="center", key="controls"
        ):
            period = chosen_period(book)
            where = chosen_filters(book, period)
    shown = View(book, period, where)
    st.caption(caption(shown))
    if book.banner:
        st.info(book.banner, icon=":material/science:")
    st.session_state["view"] = shown


def view() -> View:
    """What this page is about; without an open ledger the page ends here with a sentence."""
    shown = st.session_state.get("view")
    if not isinstance(shown, View) or not shelf().books:
        st.warning("No ledger is open. Start the dashboard with hf-ledger serve.")
        st.stop()
    return shown


def chosen_period(book: Book) -> Period:
    now, zone = quarter(shelf().clock()), shelf().zone
    seeded = seed("period", PERIODS)
    name = st.segmented_control(
        "Period",
        list(PERIODS),
        default=None if seeded else DEFAULT,
        format_func=PERIODS.__getitem__,
        required=True,
        key="period",
        bind="query-params",
        label_visibility="collapsed",
    )
    if name != "custom":
        return named(name or DEFAULT, now, zone)
    today = local_date(now, zone)
    picked = st.date_input(
        "Days",
        value=(today - timedelta(days=27), today),
        key="days",
        bind="query-params",
        format="YYYY-MM-DD",
        label_visibility="collapsed",
        width=240,
    )
    return between(*ends(picked, today), now, zone)


def seed(key: str, names: Mapping[str, str]) -> bool:
    """Let a link say "last-week" where the control, bound to the URL, says "Last week".

    True where the session holds a value, so that the control must not name a default.
    """
    asked = st.query_params.get(key)
    if key not in st.session_state and asked in names and asked not in names.values():
        st.session_state[key] = asked
    return key in st.session_state


def quarter(now: datetime) -> datetime:
    """The quarter of an hour just begun.

    The comparable part of the period before ends at this time of day: with a clock that runs on,
    every rerun would be a new question.
    """
    return now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)


def ends(picked: object, today: date) -> tuple[date, date]:
    """First and last day of a date range that may be half chosen."""
    days = [day for day in picked if isinstance(day, date)] if isinstance(picked, tuple) else []
    return (min(days), max(days)) if days else (today, today)


def chosen_filters(book: Book, period: Period) -> dict[str, tuple[str, ...]]:
    """Values accepted, by dimension; dimensions without a choice are left out."""
    scope = period.scope(origins=book.origins)
    chosen: dict[str, tuple[str, ...]] = {}
    count = sum(bool(st.session_state.get(name)) for name in FILTERS)
    found = loaders.values(book, scope, tuple(FILTERS))
    with st.popover(f"Filters ({count})" if count else "Filters", icon=":material/filter_list:"):
        for name, label in FILTERS.items():
            values = st.multiselect(
                label,
                [value or NOT_SET for value in found[name]],
                key=name,
                bind="query-params",
                accept_new_options=True,
                placeholder="All",
            )
            if values:
                chosen[name] = tuple("" if value == NOT_SET else value for value in values)
    return chosen


def caption(view: View) -> str:
    """Range, zone, comparison and filters in one line."""
    period = view.period
    said = f"{period.label} {period.zone}, compared with {period.previous_label}"
    for name, values in view.where.items():
        said += f" · {FILTERS[name]}: {plain(', '.join(value or NOT_SET for value in values))}"
    return said


def show_days(first: date, last: date) -> None:
    """Callback: put these days into the period control, and so into the URL."""
    st.session_state["period"] = "custom"
    st.session_state["days"] = (first, last)


def nothing_here(view: View) -> None:
    """A period without calls: say so, and offer the way to where the calls are."""
    calls, _, last = loaders.extent(view.book)
    with st.container(horizontal_alignment="center", border=True):
        st.space("small")
        st.subheader("No calls in this period", anchor=False, text_alignment="center")
        if not calls or last is None:
            st.markdown("This ledger is empty.", text_alignment="center")
            st.page_link("views/connect.py", label="Connect a program", icon=":material/cable:")
        else:
            st.markdown(latest_words(calls, last, view), text_alignment="center")
            st.button(
                "Go to latest data",
                icon=":material/history:",
                on_click=show_days,
                args=latest_days(last, view.period.zone),
            )
        st.space("small")


def latest_words(calls: int, last: datetime, view: View) -> str:
    local = last.astimezone(ZoneInfo(view.period.zone))
    return f"The ledger holds {full(calls)} calls; the latest is of {local.day} {local:%b %Y}."


def latest_days(last: datetime, zone: str) -> tuple[date, date]:
    """The 28 days that end with the last call."""
    day = local_date(last, zone)
    return day - timedelta(days=27), day
