"""Which hosts speak Hugging Face inference: the first and cheapest question about a request."""

from __future__ import annotations

from hf_ledger.ingest.wire.exchange import WireSettings

#: Hosts with a fixed name. "hub" answers look-ups, "asset" serves results; neither does work.
HOSTS: dict[str, str] = {
    "router.huggingface.co": "router",
    "api-inference.huggingface.co": "legacy",
    "api.endpoints.huggingface.cloud": "hub",
    "endpoints.huggingface.co": "hub",
    "huggingface.co": "hub",
    "www.huggingface.co": "hub",
    "hf.co": "hub",
    "cdn-lfs.huggingface.co": "asset",
    "fal.media": "asset",
    "replicate.delivery": "asset",
}

#: A provider's own host → Hugging Face's name of the provider. Billed by the provider.
PROVIDER_HOSTS: dict[str, str] = {
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.groq.com": "groq",
    "api.fireworks.ai": "fireworks-ai",
    "api.cerebras.ai": "cerebras",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.deepinfra.com": "deepinfra",
    "api.novita.ai": "novita",
    "inference.api.nscale.com": "nscale",
    "api.featherless.ai": "featherless-ai",
    "inference.baseten.co": "baseten",
    "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "api.publicai.co": "publicai",
    "api.scaleway.ai": "scaleway",
    "api.z.ai": "zai-org",
    "api.openai.com": "openai",
    "fal.run": "fal-ai",
    "queue.fal.run": "fal-ai",
    "api.replicate.com": "replicate",
    "api.wavespeed.ai": "wavespeed",
    # No longer routed to since 2026-07, but their recordings and own customers remain.
    "api.sambanova.ai": "sambanova",
    "api.studio.nebius.ai": "nebius",
    "api.studio.nebius.com": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.clarifai.com": "clarifai",
    "integrate.api.nvidia.com": "nvidia",
    "api.bfl.ai": "black-forest-labs",
    "api.bfl.ml": "black-forest-labs",
}

#: Families of hosts, by the end of the name; the first that fits wins.
_ENDINGS: tuple[tuple[str, str], ...] = (
    (".endpoints.huggingface.cloud", "endpoint"),
    (".endpoints.huggingface.co", "endpoint"),
    (".huggingface.co", "hub"),
    (".hf.co", "asset"),
    (".fal.media", "asset"),
    (".replicate.delivery", "asset"),
    (".bfl.ai", "provider"),
    (".endpoints.kepler.ai.cloud.ovh.net", "provider"),
)
#: Providers that name a host for each region or model.
_PROVIDER_ENDINGS = {
    ".bfl.ai": "black-forest-labs",
    ".endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
}
_FAMILIES = tuple(ending for ending, _ in _ENDINGS)


def known_host(host: str, settings: WireSettings) -> str | None:
    """The kind of host, or None for one that is none of ours.

    `host` may carry a port. Kinds: router, endpoint, provider, self_hosted, legacy, hub, asset.
    """
    name = host.lower().rstrip(".")
    if settings.extra_hosts:
        extra = settings.extra_hosts.get(name) or settings.extra_hosts.get(without_port(name))
        if extra is not None:
            return extra
    return _named(name) or (_named(without_port(name)) if ":" in name else None)


def _named(name: str) -> str | None:
    kind = HOSTS.get(name)
    if kind is not None:
        return kind
    if name in PROVIDER_HOSTS:
        return "provider"
    # Every request of the caller's program comes by here: one test for all families first.
    if not name.endswith(_FAMILIES):
        return None
    return next(kind for ending, kind in _ENDINGS if name.endswith(ending))


def provider_of_host(host: str) -> str | None:
    """Hugging Face's name of the provider that owns this host."""
    name = without_port(host.lower())
    known = PROVIDER_HOSTS.get(name)
    if known is not None:
        return known
    return next((who for end, who in _PROVIDER_ENDINGS.items() if name.endswith(end)), None)


def without_port(host: str) -> str:
    """The host name alone; an IPv6 literal keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host
