"""Settings of an installation for measurements of the router."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_ledger.ingest.places import Places


def installed(folder: Path, targets: Mapping[str, Mapping[str, Any]], router: str = "") -> Places:
    """These targets and no others. Without a `router` nobody is asked what it serves."""
    lines = [f'router_url = "{router}"'] if router else []
    for name, facts in targets.items():
        lines += [f"[targets.{name}]", *(f"{key} = {toml(value)}" for key, value in facts.items())]
    places = Places(folder / "ledger")
    places.make()
    places.config.write_text("\n".join([*lines, ""]))
    return places


def toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
