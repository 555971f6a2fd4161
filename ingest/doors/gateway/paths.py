"""Which paths the gateway answers, and what of them goes on: a list, never whatever was asked."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.wire.paths import IDLE_TAILS, segments_of

#: OpenAI's and Anthropic's paths, as Hugging Face's router has them.
POSTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
)
GETS = ("/v1/models",)

#: Providers below which Hugging Face's own paths lead on, as its client knows them.
PROVIDERS = (
    "baseten",
    "black-forest-labs",
    "cerebras",
    "cohere",
    "deepinfra",
    "fal-ai",
    "featherless-ai",
    "fireworks-ai",
    "groq",
    "hf-inference",
    "hyperbolic",
    "nebius",
    "novita",
    "nscale",
    "openai",
    "ovhcloud",
    "publicai",
    "replicate",
    "sambanova",
    "scaleway",
    "together",
    "wavespeed",
    "zai-org",
)

#: POSTs that are no calls and go on; all others that are none could cost what nobody counts, as
#: batches and uploads do.
HARMLESS = frozenset({"cancel", "count_tokens", "detokenize", "tokenize"})

LONGEST = 2_048
#: Escapes inside escapes are undone so often; what is then still escaped is refused.
DEEPEST = 3

_PLAIN = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/-]+")
_ESCAPED = re.compile(rb"%[0-9A-Fa-f]{2}")
_FORBIDDEN = re.compile(rb"[\x00-\x20\x7f\\?#]")

NO_SUCH_PATH = "This gateway has no such path: it answers {known} and /PROVIDER/… for {providers}."
WRONG_METHOD = "This path takes {method} here."
BAD_PATH = "This path is not one that can be passed on: it has a part that leads elsewhere."


@lru_cache(maxsize=4_096)
def passed_on(method: str, raw_path: bytes) -> str:
    """The path to ask upstream: the one that came, byte for byte. Raises `Refused`."""
    if not _is_safe(raw_path):
        raise Refused(400, "bad_path", BAD_PATH)
    path = raw_path.decode("ascii")
    if path in POSTS:
        return _only("POST", method, path)
    if path in GETS or path.startswith("/v1/models/"):
        return _only("GET", method, path)
    provider, _, rest = path[1:].partition("/")
    if provider not in PROVIDERS or not rest or (method != "GET" and _is_uncounted(path)):
        known = ", ".join((*POSTS, *GETS))
        sentence = NO_SUCH_PATH.format(known=known, providers=", ".join(PROVIDERS))
        raise Refused(404, "unknown_path", sentence)
    # Work is asked for by POST; how far it has come, by GET.
    return path if method == "GET" else _only("POST", method, path)


def _is_uncounted(path: str) -> bool:
    """Whether it is work that is no call: no budget would know of it, nor the ledger."""
    return segments_of(path)[-1] in IDLE_TAILS - HARMLESS


def _only(method: str, asked: str, path: str) -> str:
    if asked != method:
        sentence = WRONG_METHOD.format(method=method)
        raise Refused(405, "wrong_method", sentence, {"allow": method})
    return path


def _is_safe(raw: bytes) -> bool:
    """ASCII, no empty part, and no part that leads up, however often it is escaped."""
    if not raw.startswith(b"/") or len(raw) > LONGEST:
        return False
    if not _PLAIN.fullmatch(_ESCAPED.sub(b"", raw) or b"/"):
        return False
    for _ in range(DEEPEST):
        if _FORBIDDEN.search(raw) or _leads_elsewhere(raw):
            return False
        if b"%" not in raw:
            return True
        raw = unquote_to_bytes(raw)
    return b"%" not in raw and not _FORBIDDEN.search(raw) and not _leads_elsewhere(raw)


def _leads_elsewhere(path: bytes) -> bool:
    parts = path[1:].split(b"/")
    return any(part in (b".", b"..") for part in parts) or b"" in parts
