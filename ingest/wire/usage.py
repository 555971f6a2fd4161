"""How many tokens a reply states, from `usage`, from headers or from details; never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw

Count = Annotated[int, msgspec.Meta(ge=0, le=raw.LARGEST)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class Usage(msgspec.Struct, gc=False):
    """All spellings of usage: OpenAI chat and responses, Anthropic, Cohere, and flat extras."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cached_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    prompt_cache_hit_tokens: Count | None = None
    estimated_cost: Raw = NOTHING
    seconds: Raw = NOTHING
    tokens: Raw = NOTHING  # Cohere: what ran; its billed_units are fewer
    billed_units: Raw = NOTHING


class _Generated(msgspec.Struct, gc=False):
    generated_tokens: Raw = NOTHING
    input_length: Raw = NOTHING


_USAGE = msgspec.json.Decoder(Usage)
_GENERATED = msgspec.json.Decoder(_Generated)
_NO_DETAILS = _Details()
#: Tasks that write no tokens: their count is known when the input's is.
INPUT_ONLY = frozenset({"feature-extraction", "text-ranking", "sentence-similarity"})
_TOKEN_HEADERS = frozenset({"x-prompt-tokens", "x-compute-tokens", "x-generated-tokens"})
_RAW = frozenset({"estimated_cost", "seconds", "tokens", "billed_units"})


def set_usage(call: Call, stated: Raw) -> None:
    """Take over what a `usage` object states; called again, a later one overrides field by field.

    OpenAI counts cached tokens inside the prompt, Anthropic beside it; the call keeps them apart.
    """
    usage = _read(stated)
    if usage is None:
        return
    read, made, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if read is not None and made is not None and usage == _plain(read, made, total):
        # Nothing but the totals, as nearly all state it; cached ones of an earlier event stand.
        _set_inclusive(call, read)
        call.output_tokens, call.tokens_source = made, "usage"
        return
    if usage.tokens or usage.billed_units:
        inner = _read(usage.tokens) or _read(usage.billed_units)
        if inner is not None and (inner.input_tokens, inner.output_tokens) != (None, None):
            usage = inner
    if usage.prompt_tokens is None and usage.total_tokens is not None:
        _set_total(call, usage)
    _set_input(call, usage)
    _set_output(call, usage)
    if usage.estimated_cost or usage.seconds:
        _set_extras(call, usage)


def _plain(read: int, made: int, total: int | None) -> Usage:
    return Usage(prompt_tokens=read, completion_tokens=made, total_tokens=total)


def _read(stated: Raw) -> Usage | None:
    if not stated:
        return None
    try:
        return _USAGE.decode(stated)
    except (ValueError, RecursionError):
        # A count that is none, or no object at all: what else is stated still counts.
        return _read_by_field(stated)


def _read_by_field(stated: Raw) -> Usage | None:
    found = raw.decode(raw.FIELDS, stated)
    if found is None:
        return None
    usage = Usage()
    for name in usage.__struct_fields__:
        value = found.get(name, NOTHING)
        if name.endswith("_details"):
            setattr(usage, name, _read_details(value))
        else:
            setattr(usage, name, value if name in _RAW else raw.count(value))
    return usage


def _read_details(stated: Raw) -> _Details | None:
    found = raw.fields(stated)
    counts = (raw.count(found.get(name, NOTHING)) for name in _Details.__struct_fields__)
    return _Details(*counts) if found else None


def _set_input(call: Call, usage: Usage) -> None:
    details = usage.prompt_tokens_details or usage.input_tokens_details or _NO_DETAILS
    beside, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    for read in (
        details.cached_tokens,
        usage.cached_tokens,
        usage.prompt_cache_hit_tokens,
        beside,
    ):
        if read is not None:
            call.cache_read_tokens = read
            break
    stored = details.cache_write_tokens if written is None else written
    if stored is not None:
        call.cache_write_tokens = stored
    total = usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    if total is None:
        return
    if usage.prompt_tokens is None and (beside is not None or written is not None):
        call.uncached_input_tokens = total
    else:
        _set_inclusive(call, total)
    call.tokens_source = "usage"


def _set_total(call: Call, usage: Usage) -> None:
    """Rerankers and embedders state a total alone: all of it was read, nothing was written."""
    stated = (usage.input_tokens, usage.output_tokens, usage.completion_tokens)
    if call.task in INPUT_ONLY and stated == (None, None, None):
        usage.prompt_tokens = usage.total_tokens


def _set_inclusive(call: Call, total: int) -> None:
    """The stated total holds the cached tokens; more cached than total is a server's slip."""
    left = total
    if call.cache_read_tokens is not None:
        call.cache_read_tokens = min(call.cache_read_tokens, total)
        left -= call.cache_read_tokens
    if call.cache_write_tokens is not None:
        call.cache_write_tokens = min(call.cache_write_tokens, left)
        left -= call.cache_write_tokens
    call.uncached_input_tokens = left


def _set_output(call: Call, usage: Usage) -> None:
    details = usage.completion_tokens_details or usage.output_tokens_details or _NO_DETAILS
    output = usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
    if output is not None:
        call.output_tokens, call.tokens_source = output, "usage"
    thought = details.reasoning_tokens
    if thought is None:
        thought = usage.reasoning_tokens
    if thought is not None:
        call.reasoning_tokens = thought


def _set_extras(call: Call, usage: Usage) -> None:
    call.reported_cost = _cost(usage.estimated_cost) or call.reported_cost
    seconds = raw.number(usage.seconds)
    if seconds is not None and seconds >= 0:
        call.audio_seconds = float(seconds)


def _cost(stated: Raw) -> str | None:
    """A provider's own price in USD, exactly as written."""
    if raw.number(stated) is None:
        return None
    try:
        value = Decimal(bytes(stated).decode("ascii"))
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return format(value, "f") if 0 <= value < 1_000_000 else None


def set_header_tokens(call: Call, headers: Mapping[str, str]) -> None:
    """TGI states both counts in headers, TEI the input's; only where no usage did."""
    if call.tokens_source == "usage" or headers.keys().isdisjoint(_TOKEN_HEADERS):
        return
    read = header_count(headers, "x-prompt-tokens")
    read = header_count(headers, "x-compute-tokens") if read is None else read
    made = header_count(headers, "x-generated-tokens")
    if read is not None or made is not None:
        call.uncached_input_tokens, call.output_tokens = read, made
        call.tokens_source = "header"


def set_detail_tokens(call: Call, stated: Raw) -> None:
    """TGI's `details`: generated tokens, and the input's length in a stream's last event."""
    found = raw.decode(_GENERATED, stated)
    if found is None or call.tokens_source in ("usage", "header"):
        return
    made, read = raw.count(found.generated_tokens), raw.count(found.input_length)
    if made is not None or read is not None:
        call.uncached_input_tokens, call.output_tokens = read, made
        call.tokens_source = "details"


def header_count(headers: Mapping[str, str], name: str) -> int | None:
    """A header's non-negative whole number; None for `-1`, nonsense or no header."""
    value = headers.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
