"""The dashboard's entry script: navigation, the book that is open, and the page asked for."""

from __future__ import annotations

import streamlit as st

from hf_ledger.dashboard import filters, sidebar

st.set_page_config(page_title="hf-ledger", page_icon=":material/receipt_long:", layout="wide")

PAGES = {
    "Analyze": [
        st.Page("views/overview.py", title="Overview", icon=":material/dashboard:", default=True,
                help="What the calls cost, by day, model and team, against the period before."),
        st.Page("views/calls.py", title="Calls", icon=":material/list_alt:",
                help="Every call behind a figure, and how each was priced."),
        st.Page("views/peaks.py", title="Peaks", icon=":material/bar_chart:",
                help="The busiest hours, and hour by weekday."),
        st.Page("views/models.py", title="Models", icon=":material/tune:",
                help="Which size classes do the work, and where a model is too big for it."),
        st.Page("views/savings.py", title="Savings", icon=":material/savings:",
                help="What the same tokens would cost elsewhere: untested price differences."),
    ],
    "Share": [
        st.Page("views/reports.py", title="Reports", icon=":material/description:",
                help="One week as HTML and XLSX."),
    ],
    "Build": [
        st.Page("views/console.py", title="Console", icon=":material/terminal:",
                help="One question to several models at once, with what each took and cost."),
        st.Page("views/connect.py", title="Connect", icon=":material/cable:",
                help="Three lines that make your program keep a ledger."),
    ],
}  # fmt: skip

page = st.navigation(PAGES)
sidebar.show()
if page in PAGES["Analyze"] and (book := sidebar.book()):
    filters.show(page.title, book)
page.run()
