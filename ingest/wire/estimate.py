"""How many tokens a text has, where nobody stated it: by the ratio measured for its script.

docs/wire.md has the table, what it was measured on and how far off it is; data/token_ratios.csv
holds the same figures. Who has a better way to count passes it in as a `Count`. Nothing here runs
on a call whose tokens were stated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import media, raw
from hf_ledger.ingest.wire.events import EVENT, Event, payloads
from hf_ledger.ingest.wire.usage import INPUT_ONLY

#: How many tokens these texts have together; 0 for none.
Count = Callable[[Iterable[str]], int]


class Script(NamedTuple):
    """A group of letters, told by the first byte that UTF-8 gives them."""

    name: str
    first: int
    last: int
    tokens_per_char: float


SCRIPTS = (
    Script("ascii", 0x00, 0x7F, 0.24),
    Script("latin", 0xC2, 0xCD, 1.3),
    Script("greek", 0xCE, 0xCF, 0.6),
    Script("cyrillic", 0xD0, 0xD5, 0.4),
    Script("semitic", 0xD6, 0xDF, 0.48),
    Script("indic", 0xE0, 0xE0, 0.7),
    Script("other", 0xE1, 0xE2, 0.9),
    Script("kana", 0xE3, 0xE3, 0.62),
    Script("han", 0xE4, 0xE9, 0.87),
    Script("hangul", 0xEA, 0xEF, 0.77),
    Script("astral", 0xF0, 0xF4, 2.0),
)
#: What a chat's template adds to each message.
TOKENS_PER_MESSAGE = 6

#: Tasks that are priced by tokens.
TASKS = frozenset({"chat-completion", "text-generation", "feature-extraction"})

_FOREIGN = [(bytes(range(each.first, each.last + 1)), each.tokens_per_char) for each in SCRIPTS]
_ASCII = SCRIPTS[0].tokens_per_char

_ANY = msgspec.json.Decoder()

#: Where a request keeps what the model reads.
_READ = ("messages", "prompt", "inputs", "input", "system", "instructions", "context", "tools")
_NOT_READ = frozenset(
    {"role", "type", "id", "tool_call_id", "call_id", "detail", "cache_control", "status"}
)
#: Where a reply keeps what the model wrote.
_WRITTEN = frozenset(
    {
        "content",
        "text",
        "reasoning_content",
        "reasoning",
        "thinking",
        "arguments",
        "partial_json",
        "generated_text",
        "refusal",
    }
)


def tokens_of(texts: Iterable[str]) -> int:
    """The estimate for these texts together; at least one for any text at all."""
    found = sum(map(_tokens_in, texts))
    return max(round(found), 1) if found else 0


def _tokens_in(text: str) -> float:
    if text.isascii():
        return len(text) * _ASCII
    sent = text.encode("utf-8", "replace")
    size = len(sent)
    return sum((size - len(sent.translate(None, first))) * ratio for first, ratio in _FOREIGN)


class _Unreadable(Exception):  # noqa: N818 - says what the content is
    """Pictures and sound have tokens too, and nothing here can count them."""


def asked_of(sent: bytes | None) -> dict[str, Any]:
    """A request's JSON; empty where it was not kept or is of another kind."""
    body = raw.decode(_ANY, sent or b"")
    return body if isinstance(body, dict) else {}


def limit_of(body: dict[str, Any]) -> int | None:
    """How many tokens the request allowed."""
    parameters = body.get("parameters")
    named = {**(parameters if isinstance(parameters, dict) else {}), **body}
    limits = [named.get(name) for name in _LIMITS]
    return next((each for each in limits if type(each) is int and each > 0), None)


_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens")


def read_tokens(body: dict[str, Any], count: Count = tokens_of) -> int | None:
    """The estimate of a request's input; None where it holds more than text, or none at all."""
    try:
        found = count(text for name in _READ if name in body for text in _texts(body[name]))
    except _Unreadable:
        return None
    messages = body.get("messages")
    found += TOKENS_PER_MESSAGE * (len(messages) if isinstance(messages, list) else 0)
    return found or None


def _texts(value: Any) -> Iterator[str]:
    """All strings but names of roles and the like; of objects their names too, as in a schema."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if media.kind_of_text(each) != "text":
                raise _Unreadable
            yield each
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            if str(each.get("type", "")).startswith(
                ("image", "input_image", "input_audio", "file")
            ):
                raise _Unreadable
            waiting.extend(part for name, part in each.items() if name not in _NOT_READ)


def written_tokens(body: bytes, count: Count = tokens_of) -> int | None:
    """The estimate of what a whole JSON reply says; None where it says nothing."""
    return count(_written(raw.decode(_ANY, body))) or None


def streamed_tokens(pieces: Iterable[bytes], size: int, count: Count = tokens_of) -> int | None:
    """The same for what has come of a stream; a server that sends token by token counts itself.

    `size` is the whole stream's: the end of a long one is not kept and taken for like the rest.
    """
    counted = 0
    texts: defaultdict[int, list[str]] = defaultdict(list)
    kept = b"".join(pieces)
    for data in payloads(kept):
        event = raw.decode(EVENT, data)
        if event is None:
            continue
        if raw.start(event.token) == b"{":
            counted += 1
        else:
            for answer, text in _written_in(event):
                texts[answer].append(text)
    # A word may come in several events: only joined it has as many tokens as were written.
    found = counted + count(map("".join, texts.values()))
    return round(found * size / len(kept)) if found else None


def _written_in(event: Event) -> Iterator[tuple[int, str]]:
    """What an event adds, and to which answer; one that repeats it all at the end adds nothing."""
    if event.choices:
        said = raw.decode(_ANY, event.choices)
        for choice in said if isinstance(said, list) else [said]:
            yield from ((_answer(choice), text) for text in _written(choice))
    elif event.delta:
        said = raw.decode(_ANY, event.delta)
        yield from ((0, text) for text in ([said] if isinstance(said, str) else _written(said)))
    elif not event.type:
        yield 0, raw.text(event.content) or ""


def _answer(choice: Any) -> int:
    """Which of several answers a choice is part of."""
    index = choice.get("index") if isinstance(choice, dict) else None
    return index if type(index) is int else 0


def _written(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            for name, part in each.items():
                if isinstance(part, str):
                    if name in _WRITTEN:
                        yield part
                else:
                    waiting.append(part)


def lacks(call: Call) -> bool:
    """Whether a call that is priced by tokens came to an end without stating them.

    Anthropic's first event states one token before anything is written: of a stream that broke off
    it is all that was stated.
    """
    if call.task not in TASKS or call.outcome == "error" or (call.status or 0) >= 300:
        return False
    if call.outcome != "ok" and (call.output_tokens or 0) <= 1:
        return True
    if call.uncached_input_tokens is None:
        return True
    return call.output_tokens is None and call.task not in INPUT_ONLY


def fill(call: Call, sent: bytes | None, written: int | None, count: Count = tokens_of) -> None:
    """Take the estimates where nothing is stated; both or nothing, as one alone has no price."""
    body = asked_of(sent)
    read, limit = read_tokens(body, count), limit_of(body)
    if written is not None and limit is not None:
        written = min(written, limit)
    if call.uncached_input_tokens is not None:
        read = call.uncached_input_tokens
    if call.task in INPUT_ONLY or _stands(call):
        written = call.output_tokens
    if read is None or (written is None and call.task not in INPUT_ONLY):
        return
    if (read, written) != (call.uncached_input_tokens, call.output_tokens):
        call.uncached_input_tokens, call.output_tokens = read, written
        call.tokens_source = "estimated"


def _stands(call: Call) -> bool:
    """Whether the stated output is the whole one, as far as it came."""
    stated = call.output_tokens
    return stated is not None and (call.outcome == "ok" or stated > 1)
