"""How many tokens a reply states, from `usage`, from headers or from details; never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw


class Usage(msgspec.Struct, gc=False):
    """All spellings of usage: OpenAI chat and responses, Anthropic, Cohere, and flat extras."""

    prompt_tokens: Raw = NOTHING
    completion_tokens: Raw = NOTHING
    input_tokens: Raw = NOTHING
    output_tokens: Raw = NOTHING
    reasoning_tokens: Raw = NOTHING
    cached_tokens: Raw = NOTHING
    prompt_tokens_details: Raw = NOTHING
    input_tokens_details: Raw = NOTHING
    completion_tokens_details: Raw = NOTHING
    output_tokens_details: Raw = NOTHING
    cache_read_input_tokens: Raw = NOTHING
    cache_creation_input_tokens: Raw = NOTHING
    prompt_cache_hit_tokens: Raw = NOTHING
    estimated_cost: Raw = NOTHING
    seconds: Raw = NOTHING
    tokens: Raw = NOTHING  # Cohere: what ran; its billed_units are fewer
    billed_units: Raw = NOTHING


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Raw = NOTHING
    cache_write_tokens: Raw = NOTHING
    reasoning_tokens: Raw = NOTHING


class _Generated(msgspec.Struct, gc=False):
    generated_tokens: Raw = NOTHING
    input_length: Raw = NOTHING


_USAGE = msgspec.json.Decoder(Usage)
_DETAILS = msgspec.json.Decoder(_Details)
_GENERATED = msgspec.json.Decoder(_Generated)


def set_usage(call: Call, stated: Raw) -> None:
    """Take over what a `usage` object states; called again, a later one overrides field by field.

    OpenAI counts cached tokens inside the prompt, Anthropic beside it; the call keeps them apart.
    """
    usage = raw.decode(_USAGE, stated)
    if usage is None:
        return
    inner = raw.decode(_USAGE, usage.tokens) or raw.decode(_USAGE, usage.billed_units)
    if inner is not None and (inner.input_tokens or inner.output_tokens):
        usage = inner
    _set_input(call, usage)
    _set_output(call, usage)
    _set_extras(call, usage)


def _set_input(call: Call, usage: Usage) -> None:
    details = _details(usage.prompt_tokens_details, usage.input_tokens_details)
    inside = _first(details.cached_tokens, usage.cached_tokens, usage.prompt_cache_hit_tokens)
    beside = raw.count(usage.cache_read_input_tokens)
    written = raw.count(usage.cache_creation_input_tokens)
    total = _first(usage.prompt_tokens, usage.input_tokens)
    read = _either(inside, beside)
    call.cache_read_tokens = _either(read, call.cache_read_tokens)
    call.cache_write_tokens = _either(
        written, _either(raw.count(details.cache_write_tokens), call.cache_write_tokens)
    )
    if total is None:
        return
    if not usage.prompt_tokens and (beside is not None or written is not None):
        call.uncached_input_tokens = total
    else:
        _set_inclusive(call, total)
    call.tokens_source = "usage"


def _set_inclusive(call: Call, total: int) -> None:
    """The stated total holds the cached tokens; more cached than total is a server's slip."""
    if call.cache_read_tokens is not None:
        call.cache_read_tokens = min(call.cache_read_tokens, total)
    left = total - (call.cache_read_tokens or 0)
    if call.cache_write_tokens is not None:
        call.cache_write_tokens = min(call.cache_write_tokens, left)
    call.uncached_input_tokens = left - (call.cache_write_tokens or 0)


def _set_output(call: Call, usage: Usage) -> None:
    details = _details(usage.completion_tokens_details, usage.output_tokens_details)
    output = _first(usage.completion_tokens, usage.output_tokens)
    if output is not None:
        call.output_tokens, call.tokens_source = output, "usage"
    reasoning = _first(details.reasoning_tokens, usage.reasoning_tokens)
    call.reasoning_tokens = _either(reasoning, call.reasoning_tokens)


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
    if call.tokens_source == "usage":
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


def _details(*stated: Raw) -> _Details:
    found = next((each for each in stated if raw.stated(each)), NOTHING)
    return raw.decode(_DETAILS, found) or _Details()


def _first(*stated: Raw) -> int | None:
    return next((found for found in map(raw.count, stated) if found is not None), None)


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
