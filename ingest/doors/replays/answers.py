"""What was asked and what was answered, as a judge needs it; all of it stays in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hf_ledger.ingest.wire import estimate, raw

_JSON = msgspec.json.Decoder()

#: A repeated request asks for one whole answer that nobody stores.
_LEFT_OUT = frozenset({"stream", "stream_options", "n", "best_of", "store"})
#: Where a request set no limit, so that what a replay may cost has one.
LEAST_LIMIT = 4096
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


def asked_of(body: bytes) -> dict[str, Any] | None:
    """A request's JSON, if it asks for one text with nothing but text; None for any other."""
    asked = raw.decode(_JSON, body)
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return None
    if asked.keys().isdisjoint({"messages", "prompt"}) or _is_more_than_text(asked):
        return None
    if not isinstance(asked.get("prompt", ""), str):
        # Several prompts are several answers, each up to the limit.
        return None
    return asked


def _is_more_than_text(asked: dict[str, Any]) -> bool:
    modalities = asked.get("modalities")
    if "audio" in asked or (modalities is not None and modalities != ["text"]):
        return True
    return estimate.read_tokens(asked) is None


def question_of(asked: dict[str, Any]) -> str:
    """The request as one text: who says what, line by line."""
    messages = asked.get("messages")
    if not isinstance(messages, list):
        return _text_of(asked.get("prompt"))
    said = [each for each in messages if isinstance(each, dict)]
    return "\n".join(f"{each.get('role')}: {_text_of(each.get('content'))}" for each in said)


def _text_of(content: Any) -> str:
    """A message's content, be it a text or a list of parts."""
    if isinstance(content, list):
        return "\n".join(_text_of(part) for part in content)
    if isinstance(content, dict):
        return _text_of(content.get("text"))
    return content if isinstance(content, str) else ""


def answer_of(reply: bytes) -> str | None:
    """The first answer in a JSON reply, be it empty; None where there is none.

    Calls of tools are a list as JSON: data to compare, nothing is called.
    """
    choice = _first_choice(reply)
    message = choice.get("message")
    if not isinstance(message, dict):
        text = choice.get("text")
        return text if isinstance(text, str) else None
    tools = message.get("tool_calls")
    if isinstance(tools, list) and tools:
        return tools_as_text(map(_named, tools))
    return _text_of(message.get("content"))


def was_cut(reply: bytes) -> bool:
    """Whether the first answer ended at the limit of tokens."""
    return _first_choice(reply).get("finish_reason") == "length"


def _first_choice(reply: bytes) -> dict[str, Any]:
    said = raw.decode(_JSON, reply)
    choices = said.get("choices") if isinstance(said, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def tools_as_text(calls: Iterable[tuple[Any, Any]]) -> str:
    """Calls of tools, by name and arguments, as one JSON list; they have no ids."""
    return msgspec.json.encode([_tool_of(name, given) for name, given in calls]).decode()


def _named(call: Any) -> tuple[Any, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    function = function if isinstance(function, dict) else {}
    return function.get("name"), function.get("arguments")


def _tool_of(name: Any, given: Any) -> dict[str, Any]:
    parsed = raw.decode(_JSON, given.encode("utf-8", "replace")) if isinstance(given, str) else None
    return {"name": name, "arguments": given if parsed is None else parsed}


def has_limit(asked: dict[str, Any]) -> bool:
    """Whether the request says how long its answer may be."""
    return any(asked.get(name) is not None for name in _LIMITS)


def repeated(asked: dict[str, Any], model: str, written: int | None) -> bytes:
    """The request again, to this model, for one whole answer.

    One without a limit gets one: four times what the first answer took (`written` tokens).
    """
    again = {name: value for name, value in asked.items() if name not in _LEFT_OUT}
    again["model"] = model
    if not has_limit(asked):
        again["max_tokens"] = max(LEAST_LIMIT, 4 * (written or 0))
    return msgspec.json.encode(again)
