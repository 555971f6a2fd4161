"""`hf-ledger serve`: dashboard, collector and API on one loopback port."""

from __future__ import annotations

import typer

from hf_ledger.ingest.places import Places


def serve(
    port: int | None = typer.Option(None, help="Port to bind (8501); 0 takes a free one."),
    host: str | None = typer.Option(None, help="Address to bind (127.0.0.1)."),
    practice: bool | None = typer.Option(
        None, "--practice", help="Start the practice server too, for a console without a token."
    ),
    insecure: bool | None = typer.Option(
        None, "--insecure", help="Bind another address than loopback without a login."
    ),
    zone: str | None = typer.Option(None, help="Time zone of days and hours (UTC)."),
) -> None:
    """Dashboard, collector and API on one loopback port, until Ctrl-C."""
    from hf_ledger import serve as server
    from hf_ledger.settings import Settings

    places = Places.default()
    settings = Settings.load(
        places, port=port, host=host, practice=practice, insecure=insecure, zone=zone
    )
    server.serve(settings, places, say=lambda text: print(text, flush=True))
