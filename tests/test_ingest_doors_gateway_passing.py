"""Which headers go through the gateway, in either direction."""

from __future__ import annotations

import pytest

from hf_ledger.ingest.doors.gateway.passing import HOP_BY_HOP, returned, sent_on

KEY = b"hfl_0123abcd_secret"


def test_the_clients_own_headers_go_on() -> None:
    given = [
        (b"content-type", b"application/json"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip"),
        (b"user-agent", b"openai"),
        (b"x-stainless-lang", b"python"),
        (b"anthropic-version", b"2023-06-01"),
    ]
    assert sent_on(given) == [(name.decode(), value.decode()) for name, value in given]


@pytest.mark.parametrize(
    "name",
    [
        *sorted(HOP_BY_HOP),
        b"authorization",
        b"x-api-key",
        b"cookie",
        b"host",
        b"content-length",
        b"x-hf-bill-to",
        b"x-hf-ledger-user",
        b"x-forwarded-for",
        b"idempotency-key",
    ],
)
def test_keys_and_what_belongs_to_a_connection_stay_here(name: bytes) -> None:
    assert sent_on([(name, KEY), (b"accept", b"*/*")]) == [("accept", "*/*")]


def test_what_the_connection_header_names_belongs_to_it() -> None:
    given = [(b"connection", b"close, X-Private"), (b"x-private", b"1"), (b"accept", b"*/*")]
    assert sent_on(given) == [("accept", "*/*")]


def test_the_replys_headers_come_back_and_ours_behind_them() -> None:
    given = [
        (b"Content-Type", b"text/event-stream"),
        (b"X-Inference-Provider", b"novita"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"session=1"),
        (b"Server", b"upstream"),
        (b"X-HF-Ledger-Budget-Left", b"forged"),
        (b"X-HF-Ledger-Practice", b"1"),
    ]
    assert returned(given, {"x-hf-ledger-call-id": "id"}) == [
        (b"content-type", b"text/event-stream"),
        (b"x-inference-provider", b"novita"),
        (b"x-hf-ledger-practice", b"1"),
        (b"x-hf-ledger-call-id", b"id"),
    ]
