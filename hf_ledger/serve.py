"""The one server: pages, collector and socket in one process on one port.

It takes the DuckDB lock and the port before anything else, so a second owner and a port in use end
in one sentence. Only this machine reaches it unless `--insecure` is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.listening import address_of, host_names, listen
from hf_ledger.settings import Settings

if TYPE_CHECKING:
    from hf_ledger.dashboard.console.allowing import Allowance
    from hf_ledger.ingest.doors.gateway.limits.bank import Bank
    from hf_ledger.ingest.ledger.ledger import Ledger
    from hf_ledger.ingest.spool.collector import Collected

NOT_LOOPBACK = (
    "{host} can be reached by others and nobody has to log in: bind 127.0.0.1, or say --insecure."
)

#: What the first page needs; imported before the first visitor, then frozen out of the collector.
WARM = (
    "duckdb",
    "pyarrow",
    "pandas",
    "plotly.graph_objects",
    "streamlit.elements.plotly_chart",
    "streamlit.elements.arrow",
    "streamlit.runtime.scriptrunner.magic_funcs",
    "hf_ledger.dashboard.cards",
    "hf_ledger.dashboard.sidebar",
    "hf_ledger.dashboard.headlines",
)


@dataclass
class Desk:
    """What is open while the server runs."""

    settings: Settings
    places: Places
    own: Ledger
    sample: Ledger | None
    address: str
    practice_url: str | None = None
    bank: Bank | None = None  # there while the owner's socket answers
    collected: int = 0  # grows whenever the collector has taken something


def serve(settings: Settings, places: Places, say: Callable[[str], None] = print) -> None:
    """Run until SIGTERM or Ctrl-C. Raises `Unusable` or `Owned` before anything is started."""
    if not (settings.loopback or settings.insecure):
        raise Unusable(NOT_LOOPBACK.format(host=settings.host))
    from hf_ledger.ingest.ledger.ledger import Ledger

    # DuckDB makes its log and its temporary files as the umask says, again and again.
    os.umask(0o077)
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(Ledger.open(places))
        listener = stack.enter_context(listen(settings.host, settings.port))
        sample = stack.enter_context(Ledger.open(places.sample)) if has_sample(places) else None
        desk = Desk(settings, places, own, sample, address_of(listener, settings.host))
        run(desk, listener, say)


def has_sample(places: Places) -> bool:
    return places.sample.ledger.exists()


def run(desk: Desk, listener: socket.socket, say: Callable[[str], None]) -> None:
    import uvicorn

    from hf_ledger.dashboard.web import application
    from hf_ledger.ingest.doors.api.door import Door
    from hf_ledger.ingest.doors.api.routes import api_routes
    from hf_ledger.ingest.doors.gateway.admin_routes import Administration
    from hf_ledger.ingest.doors.gateway.listening import Patient
    from hf_ledger.ingest.doors.gateway.opening import prefixes, routes
    from hf_ledger.mounted import Mounted, calling

    door, mounted = Door(desk.own, desk.places), Mounted()

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[dict[str, Any]]:
        async with open_desk(desk), calling(desk, mounted) as off:
            with contextlib.closing(door):
                say(welcome(desk, off))
                yield {"desk": desk}

    def health() -> dict[str, Any]:
        return {"status": "ok", "calls": count_of(desk.own)}

    hosts = host_names(desk.settings)
    administration = Administration(desk.own, desk.places)
    paths = [*api_routes(door), *administration.routes(), *routes(mounted)]
    app = application(lifespan, health, desk.address, hosts, paths, plain=prefixes())
    config = uvicorn.Config(
        app,
        http=Patient,
        ws="websockets-sansio",
        log_level="warning",
        access_log=False,
        use_colors=False,
        timeout_graceful_shutdown=3,
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how one stops it, no failure
        uvicorn.Server(config).run(sockets=[listener])


COUNT = """
select count(*)
from calls
"""


def count_of(ledger: Ledger) -> int:
    """Rows in the ledger; DuckDB knows them without a scan."""
    with contextlib.closing(ledger.cursor()) as cursor:
        (count,) = cursor.execute(COUNT).fetchone() or (0,)
    return int(count)


@contextlib.asynccontextmanager
async def open_desk(desk: Desk) -> AsyncIterator[None]:
    """Everything that runs beside the pages: collector, socket, practice server."""
    from hf_ledger.mounted import telling_gateways, telling_routers, witnessing

    await asyncio.to_thread(warm)
    with contextlib.ExitStack() as stack:
        if desk.settings.practice:
            desk.practice_url = stack.enter_context(practising())
        stack.enter_context(collecting(desk))
        stack.enter_context(telling_gateways(desk))
        stack.enter_context(telling_routers(desk))
        stack.enter_context(owning(desk))
        stack.enter_context(witnessing(desk))
        stack.enter_context(running_errands(desk))
        stack.enter_context(talking())
        lay_out(desk)
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            # Frozen objects are never freed, and DuckDB complains about each at exit.
            gc.unfreeze()


def warm() -> None:
    """The first visitor must not pay for imports."""
    for name in WARM:
        import_module(name)


def lay_out(desk: Desk) -> None:
    """Give the pages their books."""
    from hf_ledger.dashboard.books import Book, Shelf, book_origins, shelve
    from hf_ledger.ingest.doors.gateway.limits.budgets import shown

    def own_version() -> tuple[int, int]:
        return count_of(desk.own), desk.collected + desk.own.changes

    def budgets() -> list[dict[str, Any]]:
        return shown(desk.own, desk.places, desk.bank)

    ask = asking(desk.own)
    books = {
        "yours": Book("yours", book_origins("yours"), ask, own_version, budgets),
        "practice": Book("practice", book_origins("practice"), ask, own_version),
    }
    if desk.sample:
        sample = desk.sample
        books["sample"] = Book(
            "sample", book_origins("sample"), asking(sample), lambda: (count_of(sample), 0)
        )
    shelve(
        Shelf(
            books,
            zone=desk.settings.zone,
            practice_url=desk.practice_url,
            targets=tuple(sorted(desk.settings.targets)),
            places=desk.places,
            checkout=checkout(),
            allowance=lambda: allowance_of(desk),
        )
    )


def allowance_of(desk: Desk) -> Allowance:
    """Budgets and limits of teams for the console's calls, from this process's own bank."""
    from hf_ledger.dashboard.console.allowing import Allowance
    from hf_ledger.ingest.doors.gateway.limits.leases import Purse
    from hf_ledger.ingest.doors.gateway.limits.transports import Direct
    from hf_ledger.ingest.doors.gateway.state_file import Watched

    assert desk.bank is not None
    purse = Purse(Direct(desk.bank), owner_lost=desk.settings.owner_lost)
    state = Watched(desk.places.gateway_state).now
    return Allowance(purse, state, desk.settings.gateway_max_tokens)


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """The console may call models for as long as the block runs."""
    try:
        yield
    finally:
        from hf_ledger.dashboard.console import running

        running.close()


def asking(ledger: Ledger) -> Any:
    """An `ask` over a ledger, with a cursor of its own for each question."""
    from hf_ledger.analytics.questions import answer

    def ask(question: str, scope: Any = None, /, **params: Any) -> Any:
        with contextlib.closing(ledger.cursor()) as cursor:
            return answer(cursor, question, scope, params)

    return ask


def checkout() -> str | None:
    """The folder that `pip install -e` takes, when this is a checkout."""
    root = Path(__file__).resolve().parent.parent
    return str(root) if (root / "pyproject.toml").exists() else None


@contextlib.contextmanager
def practising() -> Iterator[str]:
    """A practice server on a free loopback port for as long as the block runs; gives its URL."""
    from hf_ledger.practice.serving import bound, server

    listener, practice = bound(0), server()
    thread = threading.Thread(
        target=practice.run, kwargs={"sockets": [listener]}, name="practice", daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        practice.should_exit = True
        thread.join(3)


@contextlib.contextmanager
def collecting(desk: Desk) -> Iterator[None]:
    """Take what recorders have written, again and again, in a thread of its own."""
    from hf_ledger.ingest.spool.polling import CollectorThread

    def taken(brought: Collected) -> None:
        desk.collected += brought.new + brought.lost + brought.noticed

    collector = CollectorThread(desk.own, desk.places, taken)
    collector.start()
    try:
        yield
    finally:
        collector.stop()


@contextlib.contextmanager
def running_errands(desk: Desk) -> Iterator[None]:
    """Refresh prices and poll endpoints where the settings ask for it; nothing by default."""
    settings = desk.settings
    if not (settings.refresh_prices or settings.endpoint_namespace):
        yield
        return
    from hf_ledger.ingest.catalogue.daily import Errands

    routed = settings.refresh_prices and (settings.targets or settings.routes)
    errands = Errands(
        desk.own,
        settings.addresses(),
        prices=settings.refresh_prices,
        targets=desk.places if routed else None,
    )
    errands.start()
    try:
        yield
    finally:
        errands.stop()


@contextlib.contextmanager
def owning(desk: Desk) -> Iterator[None]:
    """Answer commands, notebooks and gateways over the owner's socket, for both ledgers."""
    from hf_ledger.analytics.connect import responder
    from hf_ledger.ingest.doors.gateway.limits.bank import Bank
    from hf_ledger.ingest.doors.gateway.state_file import Watched
    from hf_ledger.ingest.ledger.socket import Listener

    with contextlib.ExitStack() as stack:
        bank = Bank(desk.places, Watched(desk.places.gateway_state).now())
        desk.bank = stack.enter_context(contextlib.closing(bank))
        for ledger, places in opened(desk):
            listener = Listener(places, responder(ledger, places), desk.address)
            stack.callback(listener.close)
        yield


def opened(desk: Desk) -> list[tuple[Ledger, Places]]:
    sample = [(desk.sample, desk.places.sample)] if desk.sample else []
    return [(desk.own, desk.places), *sample]


def welcome(desk: Desk, gateway_off: str | None = None) -> str:
    """What the terminal shows: the address, and the three lines that connect a program."""
    from hf_ledger.dashboard.connecting import lines

    parts = [
        f"\nhf-ledger is at {desk.address}",
        "Connect a program:\n" + "\n".join(f"  {line}" for line in lines(checkout())),
        "Stop with Ctrl-C.",
    ]
    if gateway_off:
        parts.insert(1, f"The gateway is off: {gateway_off}")
    if desk.practice_url:
        parts.insert(1, f"Practice server, no model runs: {desk.practice_url}/v1")
    return "\n\n".join(parts)
