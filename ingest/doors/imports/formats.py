"""The kinds of export by name: how their records are read, and how one knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hf_ledger.ingest.doors.imports import helicone, langfuse, litellm, openrouter, otlp
from hf_ledger.ingest.doors.imports.protobuf import otlp_records
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record, read_records
from hf_ledger.ingest.doors.imports.rows import Reader
from hf_ledger.ingest.wire.exchange import WireSettings


@dataclass(frozen=True)
class Format:
    """`source` stands in the ids of its calls; `known_by` says what a file of it looks like."""

    source: str
    known_by: str
    reader: Callable[[WireSettings], Reader]
    records: Callable[[Path], Iterator[Record | Rejected]] = read_records


FORMATS: dict[str, Format] = {
    "litellm": Format(
        litellm.SOURCE,
        "LiteLLM's spend logs have request_id and startTime",
        litellm.reader,
    ),
    "langfuse": Format(
        langfuse.SOURCE,
        "Langfuse's observations have type and startTime",
        lambda _settings: langfuse.read,
    ),
    "openrouter": Format(
        openrouter.SOURCE,
        "OpenRouter's activity has generation_id and created_at",
        lambda _settings: openrouter.read,
    ),
    "helicone": Format(
        helicone.SOURCE,
        "Helicone's requests have request_id and request_created_at",
        helicone.reader,
    ),
    "otlp": Format(
        otlp.SOURCE,
        "OTLP export requests are JSON with resourceSpans, or protobuf",
        otlp.reader,
        otlp_records,
    ),
}
