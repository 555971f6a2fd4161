"""Files of recorded exchanges: what is read, and what is left out with which reason."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from factories_wire import recorded
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports.recordings import Exchange, Rejected, read_line, read_recording


def line(**changes: Any) -> bytes:
    return json.dumps(recorded(**changes)).encode()


def good(data: bytes) -> Exchange:
    found = read_line(1, data)
    assert isinstance(found, Exchange), found
    return found


def bad(data: bytes) -> str:
    found = read_line(7, data)
    assert isinstance(found, Rejected), found
    assert found.line == 7
    return found.reason


def request(**fields: Any) -> dict[str, Any]:
    return {"request": {"method": "POST", "url": "https://x/", **fields}}


def test_a_line_is_an_exchange() -> None:
    exchange = good(line())
    assert (exchange.id, exchange.method, exchange.status) == ("x-1", "POST", 200)
    assert exchange.request_headers == {"content-type": "application/json"}
    assert exchange.response_headers["x-inference-provider"] == "groq"
    assert exchange.ts == 1785585600 * 1_000_000
    assert exchange.whole is True


@pytest.mark.parametrize(
    ("recorded_at", "committed_at", "seconds"),
    [
        ("2023-05-26T08:01:18Z", None, 1685088078),
        ("2023-05-26T10:01:18+02:00", None, 1685088078),
        ("2023-05-26T08:01:18", None, 1685088078),
        (None, "2023-05-26T08:01:18Z", 1685088078),
        ("2023-05-26T08:01:18Z", "2030-01-01T00:00:00Z", 1685088078),
        (1685088078, None, 1685088078),
        (1685088078.5, None, 1685088078.5),
        ("", "2023-05-26T08:01:18Z", 1685088078),
    ],
)
def test_times_are_utc(recorded_at: Any, committed_at: Any, seconds: float) -> None:
    exchange = good(line(recorded_at=recorded_at, committed_at=committed_at))
    assert exchange.ts == int(seconds * 1_000_000)


def test_without_a_time_there_is_none() -> None:
    assert good(line(recorded_at=None)).ts is None


@pytest.mark.parametrize("stated", ["yesterday", "2023-13-01", 1e300])
def test_a_time_that_is_none_is_named(stated: Any) -> None:
    assert bad(line(recorded_at=stated)) == "its time is not ISO 8601"


@pytest.mark.parametrize(
    ("body", "content", "whole"),
    [
        (None, None, False),
        ("", b"", True),
        ('{"a": 1}', b'{"a": 1}', True),
        ({"a": 1}, b'{"a":1}', True),
        ([1, 2], b"[1,2]", True),
        ({"base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff", True),
        ({"truncated_bytes": 94321, "first_bytes_hex": "664c6143"}, b"fLaC", False),
        ({"truncated_bytes": 94321}, b"", False),
    ],
)
def test_bodies_in_all_their_forms(body: Any, content: bytes | None, whole: bool) -> None:
    exchange = good(json.dumps({**recorded(), **request(body=body)}).encode())
    assert (exchange.request_body, exchange.whole) == (content, whole)


def test_shortened_content_keeps_its_kind_and_is_not_whole() -> None:
    body = '{"inputs": "<base64:264148 chars:head=iVBORw0KGgoAAAAN:sha256=5a70acee2237c21d>"}'
    exchange = good(json.dumps({**recorded(), **request(body=body)}).encode())
    assert exchange.whole is False
    assert exchange.request_body is not None
    assert exchange.request_body.startswith(b'{"inputs": "iVBORw0KGgoAAAANAAAA')
    assert json.loads(exchange.request_body)


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({"A-B": "c"}, {"a-b": "c"}),
        ({"A": ["b", "c"]}, {"a": "b, c"}),
        ([["A", "b"], ["C", "d"]], {"a": "b", "c": "d"}),
        ({"A": 5}, {"a": "5"}),
        (None, {}),
        ({}, {}),
    ],
)
def test_headers_in_all_their_forms(headers: Any, read: dict[str, str]) -> None:
    exchange = good(json.dumps({**recorded(), **request(headers=headers)}).encode())
    assert exchange.request_headers == read


def test_a_request_without_a_reply_is_an_exchange() -> None:
    exchange = good(line(response=None))
    assert (exchange.status, exchange.response_body) == (None, b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"id,model,cost", "not JSON"),
        (b"[" * 100_000, "not"),
        (b"5", "not a recorded exchange"),
        (b"{}", "not a recorded exchange: Object missing required field `request`"),
        (b'{"request": {"method": "POST"}}', "missing required field `url`"),
        (b'{"request": {"method": 5, "url": "x"}}', "Expected `str`, got `int`"),
        (
            b'{"request": {"method": "POST", "url": "x"}, "response": {"status": "200"}}',
            "Expected `int`",
        ),
        (
            b'{"request": {"method": "POST", "url": "x", "body": {"base64": "a"}}}',
            "a base64 body is damaged",
        ),
        (
            b'{"request": {"method": "POST", "url": "x",'
            b' "body": {"truncated_bytes": 9, "first_bytes_hex": "zz"}}}',
            "first_bytes_hex is not hexadecimal",
        ),
    ],
)
def test_bad_lines_say_why(data: bytes, reason: str) -> None:
    assert reason in bad(data)


def test_reasons_quote_no_content() -> None:
    assert "MARKER" not in bad(b'{"request": {"method": "POST", "url": ["MARKER"]}}')
    assert "MARKER" not in bad(b'{"request": "MARKER"}')
    assert "MARKER" not in bad(b"MARKER")


@given(st.binary(max_size=100))
def test_no_line_raises(data: bytes) -> None:
    assert isinstance(read_line(1, data), Exchange | Rejected)


# -- files ----------------------------------------------------------------------------------------


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", line(), b"", b"   ", b"broken", line(identity="x-2"))
    found = list(read_recording(path))
    assert [each.line for each in found] == [1, 4, 5]
    assert isinstance(found[1], Rejected)


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "packed.jsonl"
    path.write_bytes(gzip.compress(line() + b"\n" + line(identity="x-2")))
    found = list(read_recording(path))
    assert [each.id for each in found if isinstance(each, Exchange)] == ["x-1", "x-2"]


@pytest.mark.parametrize("cut", range(1, 50, 4))
def test_a_truncated_archive_keeps_what_was_whole(tmp_path: Path, cut: int) -> None:
    lines = [line(identity=f"x-{number}") for number in range(50)]
    packed = gzip.compress(b"\n".join(lines), compresslevel=0)
    path = tmp_path / "cut.gz"
    path.write_bytes(packed[: len(packed) * cut // 50])
    found = list(read_recording(path))
    assert isinstance(found[-1], Rejected)
    assert "ends too early" in found[-1].reason
    assert found[-1].line == len(found)
    assert all(isinstance(each, Exchange) for each in found[:-1])
    assert len(found) >= cut - 10


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"\n".join(line(identity=str(n)) for n in range(200))))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "damaged.gz"
    path.write_bytes(bytes(packed))
    found = list(read_recording(path))
    assert any(isinstance(each, Rejected) for each in found)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(read_recording(tmp_path / "empty")) == []


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_recording(tmp_path / "none"))
