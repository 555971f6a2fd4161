"""`hf-ledger practice`: the practice server on loopback."""

from __future__ import annotations

from typing import Annotated

import typer


def practice(
    port: Annotated[
        int, typer.Option(help="Loopback port; 0 takes a free one.", min=0, max=65535)
    ] = 8790,
) -> None:
    """Run a server that speaks Hugging Face's wire format; no model runs, no token is needed."""
    from hf_ledger.practice import TITLE
    from hf_ledger.practice.serving import bound, server

    listener = bound(port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    typer.echo(f"{TITLE}: {address}/v1  (stop with Ctrl-C)")
    typer.echo(f"Recorded from programs that run with HF_LEDGER_HOSTS={address}=router")
    server().run(sockets=[listener])
