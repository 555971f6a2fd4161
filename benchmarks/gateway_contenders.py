"""The gateways that are compared, and how each is started: as its own documentation says to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway_load import Address
from benchmarks.gateway_processes import (
    GATEWAY_CORE,
    LOAD_CORE,
    ROOT,
    NotMeasured,
    Running,
    clean,
    free_port,
)
from benchmarks.gateway_upstream import MODEL
from benchmarks.peer_client import QUIET, USD_PER_TOKEN

LITELLM_VERSION = "from importlib.metadata import version; print(version('litellm'))"
LITELLM = ROOT / ".venv-proxy" / "bin" / "litellm"
PORTKEY = ROOT / ".node-portkey/node_modules/@portkey-ai/gateway/build/start-server.js"

# All that is known here of how ours is run and told what.
HF_LEDGER = (sys.executable, "-m", "hf_ledger.cli")
OURS_SERVE = (*HF_LEDGER, "serve", "--port", "0")
OURS_GATEWAY = (*HF_LEDGER, "gateway", "--port")
OURS_KEY = (
    *(*HF_LEDGER, "key", "create", "--name", "bench", "--role", "call", "--user", "bench"),
    # All that is counted is counted, and nothing refused.
    *("--rpm", "100000000", "--burst", "100000000", "--concurrent", "10000"),
    *("--budget", "1000000"),
)


@dataclass
class Setting:
    """Where a contender is started: the stub's port, its own, a folder, and who ends it all."""

    upstream: int
    port: int
    folder: Path
    stack: ExitStack
    core: int | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}"

    def start(self, *command: str | Path, environment: Mapping[str, str] | None = None) -> Running:
        return Running(list(map(str, command)), environment or {}, self.core, self.stack)


@dataclass
class Started:
    """A contender that runs; `owner` is a process beside it that isn't its own tree."""

    address: Address
    running: Running | None = None
    owner: Running | None = None
    version: str = ""


def direct(setting: Setting) -> Started:
    return Started(Address(setting.upstream))


def floor(kind: str) -> Callable[[Setting], Started]:
    def start(setting: Setting) -> Started:
        command = (sys.executable, "-m", "benchmarks.gateway_floor", kind, str(setting.port))
        record = setting.folder / "record.ndjson"
        return Started(Address(setting.port), setting.start(*command, setting.url, record))

    return start


def litellm(setting: Setting) -> Started:
    """One worker, production settings, no database; with prices, so that it counts money too."""
    if not LITELLM.exists():
        raise NotMeasured("not installed: run `make .venv-proxy/stamp`")
    key = "sk-bench"
    parameters = {
        "model": f"openai/{MODEL}",
        "api_base": f"{setting.url}/v1",
        "api_key": "none",
        **USD_PER_TOKEN,
    }
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": key, "proxy_batch_write_at": 60},
        "litellm_settings": {"json_logs": True, "set_verbose": False, "request_timeout": 600},
    }
    path = setting.folder / "litellm.yaml"
    path.write_text(json.dumps(config))  # YAML, too
    running = setting.start(
        LITELLM,
        *("--config", path, "--host", "127.0.0.1", "--port", str(setting.port)),
        *("--num_workers", "1", "--telemetry", "False"),
        environment={**QUIET, "DISABLE_ADMIN_UI": "True"},
    )
    version = told(LITELLM.with_name("python"), "-c", LITELLM_VERSION)
    address = Address(setting.port, headers=(("authorization", f"Bearer {key}"),))
    return Started(address, running, version=version)


def portkey(setting: Setting) -> Started:
    """Records no cost: it passes requests on."""
    node = shutil.which("node")
    if not node or not PORTKEY.exists():
        raise NotMeasured("not installed: run `make .node-portkey/stamp` (needs Node and npm)")
    running = setting.start(
        *(node, PORTKEY, f"--port={setting.port}", "--headless"),
        environment={"NODE_ENV": "production"},
    )
    headers = (
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"{setting.url}/v1"),
        ("authorization", "Bearer none"),
    )
    version = json.loads((PORTKEY.parents[1] / "package.json").read_text())["version"]
    return Started(Address(setting.port, headers=headers), running, version=version)


def ours(setting: Setting) -> Started:
    """Recording, limits, budgets and audit on; the ledger's owner on the load's core."""
    environment = ours_environment(setting)
    key = told(*OURS_KEY, environment=environment)
    owner = Running(OURS_SERVE, environment, LOAD_CORE, setting.stack)
    owner.until_saying("http://")
    running = setting.start(*OURS_GATEWAY, str(setting.port), environment=environment)
    address = Address(setting.port, headers=(("authorization", f"Bearer {key}"),))
    return Started(address, running, owner)


def ours_environment(setting: Setting) -> dict[str, str]:
    from cryptography.fernet import Fernet

    secret = Fernet.generate_key()
    return {
        "HF_LEDGER_DIR": str(setting.folder / "ledger"),
        "HF_LEDGER_ROUTER_URL": setting.url,
        "HF_API_TOKEN_ENCRYPTED": Fernet(secret).encrypt(b"hf_bench").decode(),
        "ENCRYPTION_KEY": secret.decode(),
    }


def told(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """The first word that a command printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean(environment or {}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if any(map(str.isalpha, line))]
        what = " ".join(map(str, command[2:5]))
        raise NotMeasured(f"{what} failed: {said[-1].strip(' │') if said else done.returncode}")
    return done.stdout.split()[0] if done.stdout.split() else ""


@dataclass(frozen=True)
class Contender:
    name: str
    group: str  # what --only names
    begin: Callable[[Setting], Started]

    def started(
        self, upstream: int, folder: Path, stack: ExitStack, core: int | None = GATEWAY_CORE
    ) -> Started:
        """It runs, or `NotMeasured` says why not."""
        folder.mkdir()
        return self.begin(Setting(upstream, free_port(), folder, stack, core))


CONTENDERS = (
    Contender("direct", "direct", direct),
    Contender("floor: aiohttp server and client", "floor", floor("aiohttp")),
    Contender("floor: Starlette, uvicorn, aiohttp client", "floor", floor("starlette")),
    Contender("floor: the same, one recorded line", "floor", floor("recorded")),
    Contender("LiteLLM's proxy", "litellm", litellm),
    Contender("Portkey's gateway", "portkey", portkey),
    Contender("hf-ledger", "ours", ours),
)
