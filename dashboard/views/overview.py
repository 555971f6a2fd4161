"""Overview: what the calls cost, by day, model and team, against the period before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from hf_ledger.analytics.endpoint_hours import summed, with_usage
from hf_ledger.analytics.periods import local_date
from hf_ledger.analytics.words import UNTESTED, dollars, list_age, refusals
from hf_ledger.dashboard import budgets, cards, charts, daily, filters, loaders, words
from hf_ledger.dashboard.budgets import Standing
from hf_ledger.dashboard.filters import View, nothing_here
from hf_ledger.dashboard.format import at_least, full
from hf_ledger.dashboard.headlines import headlines

Row = dict[str, Any]


def days_card(view: View, rows: list[Row], prior: list[Row], measure: str) -> None:
    """Stacked days by model; by calls where no price is known, and then it says so."""
    period = view.period
    days = daily.days_between(period.first, period.last)
    earlier = local_date(period.previous_since, period.zone)
    before = [earlier + timedelta(days=step) for step in range(len(days))]
    title = f"{'Cost' if measure == 'cost' else 'Calls'} per day by model"
    said = None if measure == "cost" else "No price is known for these calls, so they are counted."
    with cards.card(title, caption=said):
        drawn = charts.stacked_days(
            [day.isoformat() for day in days],
            daily.top_series(rows, days, "model", measure),
            daily.by_day(prior, before, measure) if prior else None,
            money=measure == "cost",
        )
        cards.chart(drawn, f"{title}, {period.label}", "by-day")
        cards.csv_button(view, "by-day", daily.day_table(rows))


def teams_card(view: View, rows: list[Row], measure: str) -> None:
    with cards.card("Cost by team" if measure == "cost" else "Calls by team"):
        shown = rows[:8]
        texts = [dollars(row["cost"]) if measure == "cost" else full(row["calls"]) for row in shown]
        names = [row["team"] or "(not set)" for row in shown]
        cards.chart(
            charts.ranked(names, [row[measure] for row in shown], texts),
            "; ".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True)),
            "by-team",
        )
        st.space("stretch")
        with st.container(horizontal=True, vertical_alignment="center"):
            cards.open_calls(view, "team", [row["team"] for row in rows])
            cards.csv_button(view, "by-team", rows)


def heat_card(view: View) -> None:
    rows = loaders.rows(view.book, "heat", view.scope)
    with cards.card("Peak hours", caption=f"Average calls per hour, {view.period.zone}"):
        drawn = charts.heat(daily.heat_cells(rows, "calls"), "calls an hour")
        cards.chart(drawn, "Average calls per hour by weekday", "heat")
        cards.csv_button(view, "heat", rows)


def savings_card(view: View) -> None:
    rows = loaders.rows(view.book, "savings", view.scope)
    with cards.card(UNTESTED, caption=words.UNTESTED_MEANS):
        if not rows:
            st.caption("No cheaper route is known for these calls.")
            return
        cards.savings_table(rows[:5])
        st.page_link("views/savings.py", label="All moves", query_params=view.link)


def endpoints_card(view: View, totals: Row) -> None:
    """Endpoint hours beside usage, idle ones on a line of their own; none, no card."""
    rows = loaders.rows(view.book, "endpoint_hours", view.scope)
    if not rows:
        return
    hours = summed(rows)
    with cards.card("Dedicated endpoints", caption="Billed by the hour, with calls or without"):
        for line in hours.words():
            st.markdown(line.replace("$", r"\$"))
        unknown = totals["unpriced_calls"] + hours.unpriced_minutes + hours.gap_minutes
        total = at_least(with_usage(totals["cost"], hours.cost), unknown)
        st.markdown(f"**Usage + endpoint hours: {total}**".replace("$", r"\$"))
        cards.csv_button(view, "endpoint-hours", rows)


def beside(view: View, totals: Row) -> None:
    """What is in these figures though no program asked for it, or no model answered it."""
    purposes = loaders.rows(view.book, "spend", view.scope, by=("purpose",))
    said = [words.side_work(purposes), refusals(totals["refused"])]
    if any(said):
        st.caption(" ".join(each for each in said if each).replace("$", r"\$"))


def losses(view: View) -> None:
    """Calls that no figure has, because their programs could not keep them."""
    rows = loaders.rows(view.book, "noticed", view.scope)
    said = words.not_kept({row["reason"]: row["count"] for row in rows})
    if said:
        st.warning(said, icon=":material/error:")


def budget_banner(standings: Sequence[Standing]) -> None:
    """Budgets that are spent past their limit, in red, and those that soon will be."""
    if over := budgets.listed(budgets.over(standings)):
        st.error(over, icon=":material/money_off:")
    if near := budgets.listed(budgets.near(standings)):
        st.warning(near, icon=":material/hourglass_bottom:")


def budgets_card(view: View, standings: Sequence[Standing]) -> None:
    """What every budget has come to; none, no card."""
    if not standings:
        return
    with cards.card("Budgets", caption=budgets.CAPTION):
        alt = "Budgets of the gateway, fullest first"
        cards.data_table(budgets.table(standings), alt, {"Budget": 150})
        cards.csv_button(view, "budgets", budgets.rows(standings))


view = filters.view()
losses(view)
standings = budgets.standings(view.book.budgets())
budget_banner(standings)
now = loaders.one(view.book, "totals", view.scope)
if not now["calls"]:
    nothing_here(view)
    budgets_card(view, standings)
    st.stop()

before = loaders.one(view.book, "totals", view.prior)
rows = loaders.rows(view.book, "spend", view.scope, by=("model",), grain="day")
prior = loaders.rows(view.book, "spend", view.prior, grain="day")
teams = loaders.rows(view.book, "spend", view.scope, by=("team",))
measure = "calls" if now["cost"] is None else "cost"
listed = list_age(now["price_list_at"], cards.now())[0]

days = daily.days_between(view.period.first, view.period.last)
cards.figures(view, headlines(now, before, rows, days, listed))
cards.honesty(now)
beside(view, now)
budgets_card(view, standings)
endpoints_card(view, now)
left, right = st.columns([2, 1])
with left:
    days_card(view, rows, prior, measure)
with right:
    teams_card(view, teams, measure)
left, right = st.columns(2)
with left:
    heat_card(view)
with right:
    savings_card(view)
