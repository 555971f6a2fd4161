"""Which requests are looked at: the host filter, and the hosts that a program adds to it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import Aside, WireSettings
from hf_ledger.ingest.wire.hosts import known_host, without_port
from hf_ledger.ingest.wire.request import Chats, Way, way_of

KINDS = ("self_hosted", "router", "endpoint", "provider", "legacy", "hub")

#: Variables of Hugging Face's own client that name another host → what it is then.
CLIENT_VARIABLES = {"HF_ENDPOINT": "hub", "HF_INFERENCE_ENDPOINT": "legacy"}

REMEMBERED = 1024
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Url(Protocol):
    """What the filter needs of a client's URL."""

    @property
    def host(self) -> str: ...

    @property
    def netloc(self) -> bytes: ...


#: What a URL of httpx and httpx2 is made of: a tuple, while its text is put together each time.
PARTS = "_uri_reference"

Address = Hashable


class Watch:
    """Says within a microsecond whether a URL is none of ours."""

    def __init__(self, settings: WireSettings) -> None:
        self.settings = settings
        self._with_port = {bare(host) for host in settings.extra_hosts}
        self._known: dict[str | bytes, bool] = {}
        self._ways: dict[tuple[str, Address], Way | Aside | None] = {}
        self.chats: Chats = {}

    def sees(self, url: Url) -> bool:
        host = url.host
        known = self._known.get(host)
        return self._look(host, url) if known is None else known

    def way(self, method: str, url: Url) -> Way | Aside | None:
        """What method and address tell of a request, None for none of ours; each is read once."""
        address = address_of(url)
        way = self._ways.get((method, address))
        if way is None and self.sees(url):
            way = self._read(method, address, str(url))
        return way

    def _read(self, method: str, address: Address, url: str) -> Way | Aside | None:
        if len(self._ways) >= REMEMBERED:
            self._ways.clear()
            self.chats.clear()
        way = self._ways[method, address] = way_of(method, url, self.settings)
        return way

    def _look(self, host: str, url: Url) -> bool:
        if host not in self._with_port:
            return self._remember(host, host)
        # Another port of the same machine is another server: not remembered by name alone.
        netloc = url.netloc
        known = self._known.get(netloc)
        return self._remember(netloc, netloc.decode("ascii")) if known is None else known

    def _remember(self, key: str | bytes, host: str) -> bool:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        known = self._known[key] = known_host(host, self.settings) is not None
        return known


def address_of(url: Url) -> Address:
    """What tells one address from another, as cheaply as this client's URLs allow."""
    return getattr(url, PARTS, None) or str(url)


class Blind(Watch):
    """Sees nothing: recording is off, though somebody may still hold our wrappers."""

    def sees(self, url: Url) -> bool:
        return False


def bare(host: str) -> str:
    """The name by which a URL knows the host: no port, no brackets."""
    return without_port(host).strip("[]")


def named_hosts(given: str | Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """`host[:port]` → kind, of a mapping or of entries "host", "host=kind" or whole URLs.

    Without a kind it is `self_hosted`. Raises Usage for a kind that doesn't exist.
    """
    if isinstance(given, Mapping):
        return dict(_named(host, kind) for host, kind in given.items())
    entries = given.split(",") if isinstance(given, str) else given
    return dict(_entry(entry.strip()) for entry in entries if entry.strip())


def _entry(entry: str) -> tuple[str, str]:
    host, _, kind = entry.rpartition("=")
    return _named(host, kind) if host else _named(kind, "self_hosted")


def _named(host: str, kind: str) -> tuple[str, str]:
    if kind not in KINDS:
        raise Usage(f"{kind!r} is no kind of host; choose one of {', '.join(KINDS)}.")
    return netloc_of(host), kind


def netloc_of(address: str) -> str:
    """`host[:port]` of a URL or of a bare address, without user and default port."""
    split = urlsplit(address if "//" in address else f"//{address}")
    netloc = split.netloc.rpartition("@")[2].lower()
    return netloc.removesuffix(DEFAULT_PORTS.get(split.scheme, " "))


def settings_of(
    hosts: str | Iterable[str] | Mapping[str, str], places: Places, environment: Mapping[str, str]
) -> WireSettings:
    """The reader's settings: hosts given, from the environment, and targets of `hf-ledger.toml`."""
    file = configured(places)
    extra = dict(_targets(file))
    for variable, kind in CLIENT_VARIABLES.items():
        if address := environment.get(variable):
            extra.setdefault(netloc_of(address), kind)
    extra |= named_hosts(environment.get("HF_LEDGER_HOSTS", "")) | named_hosts(hosts)
    own = environment.get("HF_LEDGER_OWN_KEY_PROVIDERS", "")
    # The server reads this variable as JSON, so brackets and quotes may stand around the names.
    names = own.translate(str.maketrans("", "", "[]\"' ")).split(",")
    providers = {name for name in names if name} or file.get("own_key_providers", ())
    return WireSettings(own_key_providers=frozenset(providers), extra_hosts=extra)


def configured(places: Places) -> dict[str, Any]:
    """The settings file; of an absent or broken one nothing, the server is the one to complain."""
    try:
        text = places.config.read_text()
    except (OSError, ValueError):
        return {}
    # Loaded only where there is a file: most programs that record have none.
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _targets(file: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    targets = file.get("targets")
    for target in targets.values() if isinstance(targets, dict) else ():
        url, kind = (target.get("url"), target.get("kind", "endpoint"))
        if isinstance(url, str) and kind in KINDS:
            yield netloc_of(url), kind


def environment() -> Mapping[str, str]:
    """This process's environment, read when recording starts and never at import."""
    return os.environ
