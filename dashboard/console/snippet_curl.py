"""A call by curl: JSON in a quoted here-document, or around a file that the shell encodes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hf_ledger.dashboard.console.wording import (
    ROUTER,
    Asked,
    file_name,
    media_type_of,
    replaced,
    type_of_url,
    urls_in,
)
from hf_ledger.ingest.doors.router.fitting import SERVERLESS, serverless_url
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.errors import Usage

END = "JSON"

#: Files that come back.
_SAVED = {
    "text-to-image": "answer.png",
    "image-to-image": "answer.png",
    "text-to-speech": "answer.wav",
    "text-to-video": "answer.mp4",
}
#: Inputs that are parameters in the request.
_AS_PARAMETERS = {
    "zero-shot-classification": ("candidate_labels",),
    "zero-shot-image-classification": ("candidate_labels",),
    "image-to-image": ("prompt",),
}
#: Tasks whose inputs are several, and how the request calls them.
_NAMED = {
    "question-answering": {"question": "question", "context": "context"},
    "table-question-answering": {"query": "query", "table": "table"},
    "sentence-similarity": {"sentence": "source_sentence", "other_sentences": "sentences"},
    "document-question-answering": {"question": "question", "image": "image"},
}


def curl(asked: Asked) -> str:
    """As hub's client asks it. Raises Usage where only hub knows the provider's own form."""
    url, sent = address_of(asked), sent_file(asked)
    mark = mark_for(asked)
    body = body_of(asked, mark)
    if body is None and sent:
        return command(asked, url, sent[1], f"@{sent[0]}") + "\n"
    written = json.dumps(body)
    if not sent:
        return f"{command(asked, url, 'application/json', '@-')} <<'{END}'\n{written}\n{END}\n"
    return piped(written, mark, sent[0]) + command(asked, url, "application/json", "@-") + "\n"


def address_of(asked: Asked) -> str:
    """Where hub's client would post it."""
    target = asked.target
    if asked.task == CHAT:
        return (target.url or ROUTER).rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
    if target.url:
        return str(asked.where.client["model"])
    if target.provider != SERVERLESS:
        raise Usage(
            f"Not possible: {target.provider or 'a provider that is chosen later'} has a form of "
            "its own for this task, which huggingface_hub knows."
        )
    return serverless_url(replace(target, url=ROUTER), asked.task)


def sent_file(asked: Asked) -> tuple[str, str] | None:
    """Name and media type of the file that goes along."""
    for value in asked.inputs.values():
        if isinstance(value, bytes):
            return file_name(value), media_type_of(value)
    kind = next((found for url in urls_in(asked.inputs) if (found := type_of_url(url))), None)
    return ("picture.png", kind) if kind else None


def mark_for(asked: Asked) -> str:
    """What stands in the JSON for the file's content: something that is nowhere else in it."""
    mark = "@file@"
    while mark in repr(asked.inputs) or mark in repr(asked.parameters):
        mark += "@"
    return mark


def body_of(asked: Asked, mark: str) -> dict[str, Any] | None:
    """The request's JSON; None for a file that goes as it is, without parameters."""
    given = {name: marked(value, mark) for name, value in asked.inputs.items()}
    if asked.task == CHAT:
        return {"model": asked.model, **given, **asked.flat, "stream": False}
    if asked.task == "feature-extraction":
        return {"inputs": given["text"], **asked.flat}
    inner = {name: given.pop(name) for name in _AS_PARAMETERS.get(asked.task, ()) if name in given}
    parameters = {**inner, **asked.flat}
    if asked.task == "visual-question-answering":
        return {"inputs": mark, "parameters": parameters, **given}
    alone = mark in given.values() and asked.task not in _NAMED
    if alone and not parameters:
        return None
    names = _NAMED.get(asked.task)
    inputs = {names[name]: each for name, each in given.items()} if names else first(given)
    return {"inputs": inputs, "parameters": parameters}


def first(given: Mapping[str, Any]) -> Any:
    return next(iter(given.values()))


def marked(value: object, mark: str) -> Any:
    """The value with the mark in the place of its file."""

    def shown(url: str) -> str:
        kind = type_of_url(url)
        return f"data:{kind};base64,{mark}" if kind else url

    return replaced(value, lambda content: mark, shown)


def piped(written: str, mark: str, name: str) -> str:
    """The JSON with the encoded file in it, on its way to curl."""
    pieces = [f"printf %s {shlex.quote(piece)}" for piece in written.split(mark)]
    encoded = f"base64 < {name} | tr -d '\\n'"
    inside = f"\n  {encoded}\n  ".join(pieces)
    return f"{{\n  {inside}\n}} | "


def command(asked: Asked, url: str, kind: str, data: str) -> str:
    lines = [f"curl -sS --fail-with-body {shlex.quote(url)}"]
    if asked.token_variable:
        lines.append(f'-H "Authorization: Bearer ${asked.token_variable}"')
    lines += [f"-H 'Content-Type: {kind}'", f"--data-binary {data}"]
    if asked.task in _SAVED:
        lines.append(f"-o {_SAVED[asked.task]}")
    return " \\\n  ".join(lines)
