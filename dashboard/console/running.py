"""The engine of this process: begun with the first question, ended with the server."""

from __future__ import annotations

import threading

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from hf_ledger.dashboard.books import Shelf, shelf
from hf_ledger.dashboard.console.engine import Engine
from hf_ledger.dashboard.console.sending import opened

_lock = threading.Lock()
_engines: list[tuple[Shelf, Engine]] = []


def engine() -> Engine:
    """The engine for the books that are on the shelf now."""
    current = shelf()
    with _lock:
        if not _engines or _engines[0][0] is not current:
            _close()
            _engines[:] = [(current, Engine(lambda: opened(current), is_looked_at))]
        return _engines[0][1]


def close() -> None:
    """Stop what runs; the next question would begin another engine."""
    with _lock:
        _close()


def _close() -> None:
    for _, running in _engines:
        running.close()
    _engines.clear()


def session() -> str:
    """The browser session whose script is running."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def is_looked_at(name: str) -> bool:
    """Whether a browser is connected to the session; a page without a server has no way to tell."""
    return not runtime.exists() or runtime.get_instance().is_active_session(name)
