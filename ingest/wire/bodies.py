"""What the content of a reply says: usage, model, ids, and the task where the URL did not."""

from __future__ import annotations

import re

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import raw, tasks
from hf_ledger.ingest.wire.errors import is_error
from hf_ledger.ingest.wire.events import EVENT, Event, Events, payloads
from hf_ledger.ingest.wire.exchange import Asked
from hf_ledger.ingest.wire.raw import NOTHING, Raw
from hf_ledger.ingest.wire.usage import set_detail_tokens, set_usage

_LONGEST = 300
_USAGE = rb'(?<!\\)"usage"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})'
IMAGE_TASKS = frozenset({"text-to-image", "image-to-image"})


class Reply(msgspec.Struct, gc=False):
    """The fields of any JSON reply that say something about the call."""

    id: Raw = NOTHING
    request_id: Raw = NOTHING
    model: Raw = NOTHING
    choices: Raw = NOTHING
    usage: Raw = NOTHING
    meta: Raw = NOTHING
    details: Raw = NOTHING
    images: Raw = NOTHING
    data: Raw = NOTHING
    output: Raw = NOTHING
    duration: Raw = NOTHING
    tokens_evaluated: Raw = NOTHING
    tokens_predicted: Raw = NOTHING
    error: Raw = NOTHING
    type: Raw = NOTHING
    object: Raw = NOTHING


class _Meta(msgspec.Struct, gc=False):
    tokens: Raw = NOTHING
    usage: Raw = NOTHING


_REPLY = msgspec.json.Decoder(Reply)
_META = msgspec.json.Decoder(_Meta)


def read_body(call: Call, body: bytes, whole: bool) -> bool:
    """Take over what a JSON reply says; of a body that was too long to keep, only its usage.

    Gives whether it is an error all the same, whatever its status said.
    """
    if not whole:
        found = re.findall(_USAGE, body)
        set_usage(call, Raw(found[-1]) if found else NOTHING)
        return False
    reply = raw.decode(_REPLY, body)
    if reply is None or not reply.choices:
        # No shape of another task has choices: the search through all of them is saved.
        _read_task(call, body)
    if reply is None:
        _read_list(call, body)
        return False
    _read_reply(call, reply)
    said = reply.error or reply.type or b"error" in bytes(reply.object)
    return bool(said) and is_error(reply.error, reply.type, reply.object)


def _read_task(call: Call, body: bytes) -> None:
    """The path's word stands; a telling shape beats parameters and look-ups.

    Serverless inference learned its task from the model's tag, which an open shape beats.
    """
    asked = call if isinstance(call, Asked) else None
    told_by = asked.task_from if asked else None
    if call.task is not None and told_by in ("path", None):
        return
    task, telling = tasks.task_of_body(body, asked.form if asked else None)
    tagged = told_by == "route" and call.provider == "hf-inference"
    if task is not None and (call.task is None or telling or tagged):
        call.task = task


def _read_reply(call: Call, reply: Reply) -> None:
    set_usage(call, reply.usage)
    set_reply_model(call, reply.model)
    set_reply_id(call, reply.id or reply.request_id)
    if reply.choices:
        # A chat or a completion: what follows is said by others only.
        return
    if reply.meta:
        _read_meta(call, reply.meta)
    if reply.details:
        set_detail_tokens(call, reply.details)
    if reply.tokens_predicted:
        _read_native_counts(call, reply.tokens_evaluated, reply.tokens_predicted)
    if call.task in IMAGE_TASKS:
        call.images = _files(reply) or call.images
    if call.task == "automatic-speech-recognition" and call.audio_seconds is None:
        seconds = raw.number(reply.duration)
        call.audio_seconds = float(seconds) if seconds is not None and seconds >= 0 else None


def _files(reply: Reply) -> int:
    """How many results are listed; an asynchronous reply lists none yet."""
    for listed in (reply.images, reply.data, reply.output):
        if raw.start(listed) == b"[":
            return len(raw.items(listed))
    return 1 if raw.start(reply.output) == b'"' else 0


def _read_list(call: Call, body: bytes) -> None:
    """TGI answers in a list, one element an input: its counts add up."""
    counted: list[tuple[int | None, int | None]] = []
    for item in raw.items(body)[:1024]:
        if raw.start(item) != b"{":
            return
        one = Call(call_id="", ts=0)
        set_detail_tokens(one, raw.fields(item).get("details", NOTHING))
        if one.tokens_source != "details":
            return
        counted.append((one.uncached_input_tokens, one.output_tokens))
    if counted:
        call.uncached_input_tokens = _total([read for read, _ in counted])
        call.output_tokens = _total([made for _, made in counted])
        call.tokens_source = "details"


def _total(counts: list[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def _read_meta(call: Call, stated: Raw) -> None:
    """Cohere's older API states its tokens in `meta`."""
    meta = raw.decode(_META, stated)
    if meta is not None:
        set_usage(call, meta.usage or meta.tokens)


def _read_native_counts(call: Call, read: Raw, made: Raw) -> None:
    """llama.cpp's own form."""
    if call.tokens_source == "none" and raw.count(made) is not None:
        call.uncached_input_tokens, call.output_tokens = raw.count(read), raw.count(made)
        call.tokens_source = "details"


def set_reply_model(call: Call, stated: Raw) -> None:
    """On the router's own API only the reply names the provider's model."""
    if call.provider_model is None and stated:
        call.provider_model = (raw.text(stated) or "")[:_LONGEST] or None


def set_reply_id(call: Call, stated: Raw) -> None:
    """The body's own id, where no header named one."""
    if call.provider_request_id is None and stated:
        call.provider_request_id = (raw.text(stated) or "")[:_LONGEST] or None


def read_stream(call: Call, events: Events) -> None:
    """Take over what a stream said: its first event, the events that state usage, and details."""
    first = raw.decode(EVENT, events.first)
    if first is not None:
        named = _inner(first)
        set_reply_model(call, first.model or named.model)
        set_reply_id(call, first.id or named.id)
    for event in events.usages:
        _read_event_usage(call, event)
    if events.generated:
        call.task = call.task or "text-generation"
        _read_generated(call, events.generated)


def _read_generated(call: Call, piece: bytes) -> None:
    """TGI's last event states its counts, if details were asked for."""
    for data in payloads(piece):
        event = raw.decode(EVENT, data)
        if event is not None and _is_last(event):
            set_detail_tokens(call, event.details)
            _read_native_counts(call, event.tokens_evaluated, event.tokens_predicted)


def _is_last(event: Event) -> bool:
    """TGI repeats the whole text in its last event, llama.cpp names what it stopped at."""
    return raw.start(event.generated_text) == b'"' or bool(event.stopping_word)


def _read_event_usage(call: Call, event: Event) -> None:
    """Usage stands at the top, or inside the object that the event is about."""
    for inside in (event.response or event.message, event.delta, event.x_groq):
        inner = raw.decode(EVENT, inside)
        if inner is not None:
            set_usage(call, inner.usage)
    set_usage(call, event.usage)


def _inner(event: Event) -> Event:
    return raw.decode(EVENT, event.response or event.message) or Event()
