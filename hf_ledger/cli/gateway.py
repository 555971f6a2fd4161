"""`hf-ledger gateway`: keys, limits, budgets and audit between your programs and Hugging Face."""

from __future__ import annotations

from typing import Annotated

import typer

Host = Annotated[str | None, typer.Option(help="Address to bind; the setting host by default.")]
Port = Annotated[int | None, typer.Option(help="Port to bind; 0 takes a free one.")]


def gateway(host: Host = None, port: Port = None) -> None:
    """A gateway of its own beside the server: own keys, limits, budgets and audit on every call.

    Any number of them may run; they lease money from `hf-ledger serve`, which runs on the same
    machine and has a gateway too, on its own port. The token: hf-ledger token encrypt.
    """
    from hf_ledger.gateway import serve_gateway
    from hf_ledger.ingest.places import Places
    from hf_ledger.listening import listen
    from hf_ledger.settings import Settings

    places = Places.default()
    settings = Settings.load(places, host=host, gateway_port=port)
    with listen(settings.host, settings.gateway_port) as listener:
        serve_gateway(settings, places, listener, typer.echo)
