"""Exports by hand: rows as other ledgers write them, read alone or by the command."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from hf_ledger.analytics.connect import connect
from hf_ledger.cli import main
from hf_ledger.ingest.call import Call, Line
from hf_ledger.ingest.doors.imports.exchanges import Imported
from hf_ledger.ingest.doors.imports.formats import FORMATS
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record, read_records
from hf_ledger.ingest.doors.imports.rows import NoCall, Reader, RowImporter
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import WireSettings

#: 2026-07-27T00:00:00Z, the day of the newest shipped prices, µs.
MIDNIGHT = 1_785_110_400_000_000
MARKER = "MARKER-PROMPT"

LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "0" * 64,
    "spend": 0.00055681,
    "total_tokens": 1481,
    "prompt_tokens": 1057,
    "completion_tokens": 424,
    "startTime": "2026-07-27 00:00:00.000",
    "endTime": "2026-07-27 00:00:05.685",
    "completionStartTime": "2026-07-27 00:00:00.500",
    "request_duration_ms": 5685,
    "model": "huggingface/cerebras/openai/gpt-oss-120b",
    "custom_llm_provider": "huggingface",
    "api_base": "",
    "user": "user-0",
    "end_user": "",
    "metadata": {"user_api_key_team_alias": "search", "user_api_key_alias": "search-key"},
    "cache_hit": "False",
    "request_tags": ["night", "batch"],
    "messages": {"content": MARKER},
    "session_id": "sess-00",
    "status": "success",
}
LANGFUSE: dict[str, Any] = {
    "id": "observation-1",
    "traceId": "trace-1",
    "type": "GENERATION",
    "name": "answer",
    "startTime": "2026-07-27T00:00:00.000Z",
    "endTime": "2026-07-27T00:00:05.685Z",
    "completionStartTime": "2026-07-27T00:00:00.663Z",
    "model": "openai/gpt-oss-120b",
    "input": MARKER,
    "output": MARKER,
    "metadata": {"inference_provider": "cerebras"},
    "level": "DEFAULT",
    "statusMessage": None,
    "environment": "default",
    "usageDetails": {"input": 448, "output": 377, "total": 1465, "input_cached_tokens": 640},
    "calculatedTotalCost": 0.0004,
}
OPENROUTER: dict[str, Any] = {
    "generation_id": "gen-1785110400-301b43bdbb034257b526",
    "created_at": "2026-07-27 00:00:00.000",
    "cost_total": "0.000557",
    "cost_cache": "",
    "byok_usage_inference": "0",
    "tokens_prompt": "1057",
    "tokens_completion": "424",
    "tokens_reasoning": "60",
    "tokens_cached": "57",
    "model_permaslug": "openai/gpt-oss-120b-20250805",
    "provider_name": "Cerebras",
    "variant": "standard",
    "cancelled": "false",
    "streamed": "true",
    "user": "user-0",
    "generation_time_ms": "5685",
    "time_to_first_token_ms": "627",
    "app_name": "shop",
    "api_key_name": "search-key",
}
HELICONE: dict[str, Any] = {
    "request_id": "648c19b5-905f-4506-812a-eaff2bb7cbc5",
    "request_created_at": "2026-07-27T00:00:00.000Z",
    "response_created_at": "2026-07-27T00:00:05.685Z",
    "response_status": 200,
    "request_body": {"messages": MARKER},
    "request_path": "/v1/chat/completions",
    "request_user_id": "user-0",
    "properties": {"team": "search", "feature": "faq", "Helicone-Session-Id": "sess-00"},
    "request_model": "openai/gpt-oss-120b",
    "response_model": "openai/gpt-oss-120b",
    "provider": "CUSTOM",
    "target_url": "https://router.huggingface.co/v1/chat/completions",
    "delay_ms": 5685,
    "time_to_first_token": 663,
    "total_tokens": 1481,
    "prompt_tokens": 1057,
    "completion_tokens": 424,
    "prompt_cache_read_tokens": 57,
    "prompt_cache_write_tokens": 0,
    "costUSD": 0.0004,
    "cache_enabled": False,
    "cache_reference_id": None,
}
SPAN: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "cerebras",
    "gen_ai.request.model": "openai/gpt-oss-120b",
    "gen_ai.response.model": "openai/gpt-oss-120b",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.conversation.id": "sess-00",
    "gen_ai.request.stream": True,
    "gen_ai.usage.input_tokens": 1057,
    "gen_ai.usage.output_tokens": 424,
    "gen_ai.usage.cache_read.input_tokens": 57,
    "gen_ai.response.time_to_first_chunk": 0.663,
    "gen_ai.input.messages": MARKER,
}


def litellm(**changes: Any) -> dict[str, Any]:
    return {**LITELLM, **changes}


def langfuse(**changes: Any) -> dict[str, Any]:
    return {**LANGFUSE, **changes}


def openrouter(**changes: Any) -> dict[str, Any]:
    return {**OPENROUTER, **changes}


def helicone(**changes: Any) -> dict[str, Any]:
    return {**HELICONE, **changes}


def attribute(name: str, value: Any) -> dict[str, Any]:
    """As OTLP writes it in JSON: 64-bit integers are strings."""
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": name, "value": {"doubleValue": value}}
    return {"key": name, "value": {"stringValue": value}}


def span(number: int = 1, parent: str = "", *, code: int = 1, **said: Any) -> dict[str, Any]:
    """A span of a chat; `said` are attributes to change, with `__` for a dot, None to leave out."""
    changed = {name.replace("__", "."): value for name, value in said.items()}
    given = {**SPAN, **changed}
    return {
        "traceId": "fc0dd0006604b14b35c47d9eab076d1d",
        "spanId": f"{number:016x}",
        "parentSpanId": parent,
        "name": "chat",
        "startTimeUnixNano": str(MIDNIGHT * 1000),
        "endTimeUnixNano": str(MIDNIGHT * 1000 + 5_685_700_000),
        "attributes": [attribute(n, v) for n, v in given.items() if v is not None],
        "status": {"code": code},
    }


def export(*spans: dict[str, Any], **resource: Any) -> dict[str, Any]:
    """An OTLP export request."""
    said = {"service.name": "shop", "deployment.environment.name": "test", **resource}
    named = [attribute(name, value) for name, value in said.items()]
    scoped = [{"scope": {"name": "test"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": named}, "scopeSpans": scoped}]}


def message(request: Mapping[str, Any]) -> bytes:
    """The same export request as protobuf, made by OpenTelemetry's own messages."""
    made = ExportTraceServiceRequest()
    for group in request["resourceSpans"]:
        into = made.resource_spans.add()
        into.resource.attributes.extend(map(_key_value, group["resource"]["attributes"]))
        scope = into.scope_spans.add()
        for each in group["scopeSpans"][0]["spans"]:
            scope.spans.add(
                trace_id=bytes.fromhex(each["traceId"]),
                span_id=bytes.fromhex(each["spanId"]),
                parent_span_id=bytes.fromhex(each["parentSpanId"]),
                name=each["name"],
                start_time_unix_nano=int(each["startTimeUnixNano"]),
                end_time_unix_nano=int(each["endTimeUnixNano"]),
                attributes=map(_key_value, each["attributes"]),
                status={"code": each["status"]["code"]},
                events=map(_event, each.get("events", [])),
            )
    return made.SerializeToString()


def _event(said: Mapping[str, Any]) -> Span.Event:
    return Span.Event(name=said["name"], attributes=map(_key_value, said.get("attributes", [])))


def _key_value(listed: Mapping[str, Any]) -> KeyValue:
    (kind, value) = next(iter(listed["value"].items()))
    field = kind.replace("Value", "_value")
    parsed = int(value) if kind == "intValue" else value
    return KeyValue(key=listed["key"], value=AnyValue(**{field: parsed}))


def read_all(kind: str, row: Mapping[str, Any]) -> list[Call | NoCall | Rejected]:
    """What a format makes of one record."""
    return list(FORMATS[kind].reader(WireSettings())(Record(1, dict(row))))


def read_one(kind: str, row: Mapping[str, Any]) -> Call:
    """The one call of a record."""
    (call,) = read_all(kind, row)
    assert isinstance(call, Call), call
    return call


def taken(reader: Reader, records: Iterable[Record | Rejected]) -> tuple[list[Call], Imported]:
    """The calls that an importer writes, and what it says of them."""
    lines: list[Line] = []
    done = RowImporter(lines.append, "test", reader).read(records)
    return [line for line in lines if isinstance(line, Call)], done


def json_lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def json_page(path: Path, rows: Sequence[Any], **around: Any) -> Path:
    path.write_text(json.dumps({**around, "data": list(rows), "meta": {"page": 1}}, indent=1))
    return path


def csv_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            cells = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
            writer.writerow(cells)
    return path


def zipped(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def read(path: Path) -> tuple[list[dict[str, Any]], list[Rejected]]:
    """A file's records and what was left out of it."""
    found = list(read_records(path))
    good = [each.fields for each in found if isinstance(each, Record)]
    return good, [each for each in found if isinstance(each, Rejected)]


def run(kind: str, *arguments: str | Path) -> int:
    """`hf-ledger import KIND …`; its exit code."""
    return main(["import", kind, *map(str, arguments)])


def ledger_rows(places: Places, columns: str = "*") -> list[dict[str, Any]]:
    """Rows of `entries` in the order of their start; nobody else may hold the ledger."""
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        found = cursor.execute(f"select {columns} from entries order by ts, call_id")
        names = [each[0] for each in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def in_ledger(places: Places) -> int:
    with connect(places) as session:
        return sum(row["calls"] for row in session.ask("extent").to_pylist())
