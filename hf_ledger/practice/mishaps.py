"""Everything that can go wrong on request: header `x-practice` or model `practice/<words>`.

Words are joined by commas: a status (`402`), or one of `loading`, `overloaded`, `plain-text`,
`slow=SECONDS`, `hang`, `cut`, `error-in-stream`, `flaky`, `gzip`, `cache`, `no-usage`,
`words=N`, `cached=N`, `reasoning=N`, `task=NAME`, `endpoint`, `polls=N`, `fail`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

OWNER = "practice/"

#: Words or tokens that may be wished for; a reply is held in memory.
MOST = 100_000

DEFAULTS = {"slow": "2", "words": "20", "cached": "1", "reasoning": "1"}


class Failure(NamedTuple):
    """An error reply as Hugging Face or a provider words it."""

    status: int
    body: object  # JSON, or a str that goes out as plain text
    headers: Mapping[str, str] = MappingProxyType({})


FAILURES = {
    "400": Failure(400, {"error": ["Error in `inputs`: field required"]}),
    "401": Failure(
        401,
        {"error": "Invalid username or password."},
        {
            "www-authenticate": 'Bearer realm="Authentication required"',
            "x-error-message": "Invalid username or password.",
        },
    ),
    "402": Failure(
        402,
        {
            "error": "You have exceeded your monthly included credits for Inference Providers. "
            "Subscribe to PRO to get 20x more monthly included credits."
        },
    ),
    "403": Failure(
        403,
        {
            "error": "This authentication method does not have sufficient permissions to call "
            "Inference Providers on behalf of user practice"
        },
    ),
    "404": Failure(404, {"error": "Model practice/404 does not exist"}),
    "410": Failure(
        410, {"error": "The requested model is deprecated and no longer supported by provider"}
    ),
    "422": Failure(
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512",
            "error_type": "validation",
        },
    ),
    "424": Failure(424, {"error": "Request failed during generation", "error_type": "generation"}),
    "429": Failure(
        429,
        {"error": "Rate limit reached. Please log in or use a HF access token"},
        {"retry-after": "1"},
    ),
    "500": Failure(
        500,
        {
            "error": {
                "code": None,
                "message": "Internal server error",
                "param": None,
                "type": "server_error",
            },
            "id": "practice",
        },
    ),
    "502": Failure(502, "Bad Gateway"),
    "503": Failure(
        503,
        {"error": "Model practice/loading is currently loading", "estimated_time": 20.0},
    ),
    "504": Failure(504, "upstream request timeout"),
    "overloaded": Failure(429, {"error": "Model is overloaded", "error_type": "overloaded"}),
    "plain-text": Failure(
        422, "Failed to deserialize the JSON body into the target type: missing field `inputs`"
    ),
}
FAILURES["loading"] = FAILURES["503"]

IN_STREAM = {"error": "Model is overloaded", "error_type": "overloaded"}

Wishes = dict[str, str]


def wishes_of(header: str | None, model: str | None) -> Wishes:
    """What the caller wants to go wrong; words nobody knows are left standing and do nothing."""
    said = [header] if header else []
    if model and model.startswith(OWNER):
        said.append(model.removeprefix(OWNER).partition(":")[0])
    words = [word.strip().lower() for part in said for word in part.split(",")]
    split = (word.partition("=") for word in words if word)
    return {name: value or DEFAULTS.get(name, "") for name, _, value in split}


def failure_of(wishes: Wishes) -> Failure | None:
    return next((FAILURES[word] for word in wishes if word in FAILURES), None)


def number_of(wishes: Wishes, name: str) -> int:
    """A whole number asked for by name, 0 where there is none."""
    value = wishes.get(name, "")
    return min(int(value), MOST) if value.isdecimal() and len(value) < 20 else 0


def seconds_of(wishes: Wishes) -> float:
    """How long `slow` wants the reply to take, at most a minute."""
    try:
        # In this order what is no number at all ("nan") is 0: asleep for that long, none wakes.
        return min(max(0.0, float(wishes.get("slow", "0"))), 60.0)
    except ValueError:
        return 0.0


def written(failure: Failure) -> tuple[bytes, str]:
    """Body and content type of an error reply."""
    if isinstance(failure.body, str):
        return failure.body.encode(), "text/plain; charset=utf-8"
    return json.dumps(failure.body).encode(), "application/json"
