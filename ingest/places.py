"""Where everything lives: one default folder for recorders, server and commands alike."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


def data_home() -> Path:
    """The platform's folder for application data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


@dataclass(frozen=True)
class Places:
    """Paths of one ledger; nothing is created until somebody writes."""

    root: Path

    @classmethod
    def default(cls) -> Places:
        """`HF_LEDGER_DIR`, else `hf-ledger` in the platform's data folder."""
        named = os.environ.get("HF_LEDGER_DIR")
        return cls(Path(named).expanduser() if named else data_home() / "hf-ledger")

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.duckdb"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def config(self) -> Path:
        return self.root / "hf-ledger.toml"

    @property
    def owner(self) -> Path:
        """Who owns the DuckDB file just now: pid, address and socket, as JSON."""
        return self.root / "owner.json"

    @property
    def gateway_state(self) -> Path:
        """What every gateway process must know, as the owner last wrote it."""
        return self.root / "run" / "gateway.json"

    @property
    def discovered_targets(self) -> Path:
        """What routers and servers said of the models they serve, as it was last told."""
        return self.root / "run" / "targets.json"

    @property
    def sample(self) -> Places:
        """The sample is a ledger of its own beside the user's."""
        return Places(self.root / "sample")

    def make(self, folder: Path | None = None) -> Path:
        """Create the ledger's root (and `folder` in it) readable by its user only."""
        for each in (self.root, folder or self.root):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder or self.root
