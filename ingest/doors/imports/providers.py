"""Whose name is whose: other ledgers' names of providers and tasks in Hugging Face's words."""

from __future__ import annotations

from urllib.parse import urlsplit

from hf_ledger.ingest.call import Call, HostKind, Routing
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.ingest.wire.hosts import known_host, provider_of_host, without_port

#: Names that differ in more than case, spaces and underscores.
ALIASES = {
    "cohere-chat": "cohere",
    "deep-infra": "deepinfra",
    "fal": "fal-ai",
    "featherless": "featherless-ai",
    "fireworks": "fireworks-ai",
    "hf": "huggingface",
    "hugging-face": "huggingface",
    "hf-inference-api": "hf-inference",
    "hyperbolic-labs": "hyperbolic",
    "nebius-ai-studio": "nebius",
    "nebius-token-factory": "nebius",
    "novita-ai": "novita",
    "novitaai": "novita",
    "ovhcloud-ai-endpoints": "ovhcloud",
    "sambanova-cloud": "sambanova",
    "together-ai": "together",
    "togetherai": "together",
    "z-ai": "zai-org",
    "zai": "zai-org",
}

#: Operations of LiteLLM (without a leading "a" for async) and of OpenTelemetry.
TASKS = {
    "completion": "chat-completion",
    "chat": "chat-completion",
    "chat_completion": "chat-completion",
    "responses": "chat-completion",
    "anthropic_messages": "chat-completion",
    "generate_content": "chat-completion",
    "text_completion": "text-generation",
    "embedding": "feature-extraction",
    "embeddings": "feature-extraction",
    "image_generation": "text-to-image",
    "transcription": "automatic-speech-recognition",
    "speech": "text-to-speech",
    "rerank": "text-ranking",
}


def provider_name(said: str | None) -> str | None:
    """Hugging Face's name of a provider; None where the name says only "through Hugging Face"."""
    if not said:
        return None
    name = said.strip().lower().replace("_", "-").replace(" ", "-").replace(".", "-")
    found = ALIASES.get(name, name)
    return None if found in ("huggingface", "custom", "unknown") else found


def task_name(operation: str | None) -> str | None:
    """The task of an operation's name; None for an unknown one."""
    name = (operation or "").lower()
    return TASKS.get(name) or TASKS.get(name.removeprefix("a"))


def host_of(url: str | None) -> str | None:
    """Host and port of an address, with or without a scheme."""
    if not url:
        return None
    try:
        return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2] or None
    except ValueError:
        return None


def set_host(call: Call, host: str | None, settings: WireSettings) -> None:
    """Host kind, and what follows from it; an unknown host tells nothing."""
    kind = known_host(host, settings) if host else None
    if not host or kind not in ("router", "endpoint", "provider", "self_hosted", "legacy"):
        return
    call.host_kind = _KINDS[kind]
    if kind in ("endpoint", "self_hosted"):
        call.endpoint = without_port(host.lower())
    if kind == "provider" and call.provider is None:
        call.provider = provider_of_host(host)


def set_routed_model(call: Call, named: str | None) -> None:
    """`org/model:suffix` of a call by the router: the suffix is a policy, or who shall serve it."""
    model, _, suffix = (named or "").partition(":")
    call.requested_model = model or None
    if suffix in _POLICIES:
        call.routing = _POLICIES[suffix]
    elif suffix:
        call.routing = "explicit"
        call.provider = call.provider or provider_name(suffix)


_POLICIES: dict[str, Routing] = {
    "auto": "auto",
    "fastest": "fastest",
    "cheapest": "cheapest",
    "preferred": "preferred",
}

_KINDS: dict[str, HostKind] = {
    "router": "router",
    "endpoint": "endpoint",
    "provider": "provider",
    "self_hosted": "self_hosted",
    "legacy": "legacy",
}
