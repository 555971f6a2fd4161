"""OTLP in protobuf: one request a file or the collector's form, the same calls as from JSON."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest
from factories_imports import (
    MARKER,
    attribute,
    export,
    in_ledger,
    json_lines,
    ledger_rows,
    message,
    read_all,
    run,
    span,
)
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from hf_ledger.ingest.doors.imports import protobuf
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.protobuf import otlp_records, read_request
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.places import Places

TWO = export(span(1), span(2, gen_ai__request__stream=False, gen_ai__usage__cost=0.5, code=2))


def framed(*bodies: bytes) -> bytes:
    """As the collector's file exporter writes requests with `format: proto`."""
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def found(path: Path) -> list[dict[str, Any] | str]:
    return [each.fields if isinstance(each, Record) else each.reason for each in otlp_records(path)]


def test_both_forms_are_the_same_calls() -> None:
    assert read_all("otlp", read_request(message(TWO))) == read_all("otlp", TWO)


texts = st.text(max_size=8)
values = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9))


@given(st.dictionaries(texts, values, max_size=4), st.integers(0, 2**63))
def test_any_attribute_reads_the_same_in_both_forms(said: dict[str, Any], start: int) -> None:
    request = export(span(1))
    (each,) = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    each["attributes"] = [attribute(name, value) for name, value in said.items()]
    each["startTimeUnixNano"] = str(start)
    (got,) = read_request(message(request))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    kinds = [{**a, "value": {k: str(v) for k, v in a["value"].items()}} for a in each["attributes"]]
    read = [{**a, "value": {k: str(v) for k, v in a["value"].items()}} for a in got["attributes"]]
    assert read == kinds
    assert (got["spanId"], got["startTimeUnixNano"]) == (each["spanId"], start)


def test_content_is_not_even_taken_over() -> None:
    request = ExportTraceServiceRequest.FromString(message(export(span(1))))
    (made,) = request.resource_spans[0].scope_spans[0].spans
    listed = made.attributes.add(key="gen_ai.output.messages").value.array_value
    listed.values.add(string_value=MARKER)
    made.attributes.add(key="raw").value.bytes_value = MARKER.encode()
    made.attributes.add(key="nothing")
    made.events.add(name="gen_ai.content.prompt").attributes.add(key="p").value.string_value = "x"
    (got,) = read_request(request.SerializeToString())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    names = {each["key"] for each in got["attributes"]}
    assert names.isdisjoint({"gen_ai.output.messages", "raw", "nothing"})
    assert got["events"] == []


def test_a_request_of_unknown_fields_and_a_deep_one() -> None:
    deep = AnyValue(string_value="end")
    for _ in range(200):
        outer = AnyValue()
        outer.array_value.values.add().CopyFrom(deep)
        deep = outer
    request = ExportTraceServiceRequest.FromString(message(export(span(1))))
    request.resource_spans[0].resource.attributes.add(key="deep").value.CopyFrom(deep)
    with pytest.raises(Unfit, match="in protobuf"):
        read_request(request.SerializeToString())
    newer = message(export(span(1))) + b"\xf2\x3f\x03new"
    assert len(read_all("otlp", read_request(newer))) == 1
    assert read_request(b"") == {"resourceSpans": []}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_unfit(body: bytes) -> None:
    try:
        assert set(read_request(body)) == {"resourceSpans"}
    except Unfit as error:
        assert str(error) == protobuf.NO_REQUEST


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_every_form_of_file_holds_the_same(places: Places, tmp_path: Path, packed: bool) -> None:
    forms = {
        "one.pb": message(TWO),
        "collector.pb": framed(message(export(span(1))), message(export(span(2)))),
        "lines.jsonl": json_lines(tmp_path / "x", [export(span(1)), export(span(2))]).read_bytes(),
        "blank.json": b"\n" + json_lines(tmp_path / "y", [TWO]).read_bytes(),
    }
    for name, content in forms.items():
        path = written(tmp_path / name, gzip.compress(content) if packed else content)
        assert run("otlp", path) == 0
        assert in_ledger(places) == 2, name
    assert {row["external_id"][-1] for row in ledger_rows(places)} == {"1", "2"}


def test_a_file_that_ends_inside_of_a_request(tmp_path: Path) -> None:
    whole = framed(message(export(span(1))), message(export(span(2))))
    for cut in (3, 40):
        *good, last = found(
            written(tmp_path / "a.pb", whole[:-cut] if cut > 3 else whole + b"\0" * 3)
        )
        assert last == protobuf.CUT_OFF
        assert len(good) == (2 if cut == 3 else 1)


def test_a_bad_request_is_named_and_those_behind_it_are_read(tmp_path: Path) -> None:
    good = message(export(span(1)))
    path = written(tmp_path / "a.pb", framed(good, b"\x0a\x7fshort", good))
    first, bad, last = list(otlp_records(path))
    assert isinstance(first, Record)
    assert bad == Rejected(2, protobuf.NO_REQUEST, "record")
    assert isinstance(last, Record)
    assert last.position == 3


def test_a_length_that_no_request_has(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pb", framed(message(export(span(1)))) + b"\xff" * 8)
    assert found(path)[1:] == [protobuf.NO_REQUEST]


def test_a_request_larger_than_any_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protobuf, "LONGEST_RECORD", 100)
    assert found(written(tmp_path / "a.pb", message(TWO))) == [protobuf.TOO_LONG]


def test_an_archive_that_breaks_keeps_what_came_before(tmp_path: Path) -> None:
    bodies = [message(export(span(n, note=f"{n * 7919 % 1000}" * 50))) for n in range(1, 2000)]
    packed = gzip.compress(framed(*bodies))
    *good, last = found(written(tmp_path / "a.pb.gz", packed[: len(packed) // 2]))
    assert len(good) > 1
    assert "ends too early" in str(last)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\x0a\x7f", b"\x0a\xff\xff\xff\xff\xff", b"\0\0\0"]
)
def test_what_is_neither_form(places: Places, tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "a.pb", content)
    assert run("otlp", path) == 1
    assert in_ledger(places) == 0
