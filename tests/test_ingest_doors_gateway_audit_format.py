"""docs/audit.md is a contract: its example is checked with hashlib and cryptography alone."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from hf_ledger.ingest.doors.gateway.audit import records
from hf_ledger.ingest.doors.gateway.audit.chain import START, Walk, link
from hf_ledger.ingest.doors.gateway.audit.records import Checkpoint, Head, Record, body
from hf_ledger.ingest.doors.gateway.audit.signing import sign, signed

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "audit.md").read_text("utf-8")


def examples() -> list[bytes]:
    return [block.encode() for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]


def parts(line: bytes) -> tuple[bytes, str]:
    """BODY and chain, as the document says."""
    content, _, chain = line.rpartition(b',"chain":"')
    return content, chain.removesuffix(b'"}').decode()


def test_the_example_is_chained_as_the_document_says() -> None:
    trail, _ = examples()
    before = "0" * 64
    for line in trail.splitlines():
        content, chain = parts(line)
        assert sha256(before.encode() + content).hexdigest() == chain
        before = chain


def test_the_examples_checkpoint_is_signed_as_the_document_says() -> None:
    trail, checkpoint = examples()
    content, chain = parts(checkpoint.rstrip())
    assert sha256(b"0" * 64 + content).hexdigest() == chain
    told = json.loads(checkpoint)
    message = b"hf-ledger audit checkpoint 1\n" + b"0" * 64 + content.split(b',"signature"')[0]
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["public_key"]))
    key.verify(bytes.fromhex(told["signature"]), message)
    [head] = told["heads"].values()
    assert head["bytes"] == len(trail)
    assert head["records"] == len(trail.splitlines())
    assert head["chain"] == parts(trail.splitlines()[-1])[1]


def test_the_same_records_give_the_same_bytes() -> None:
    for example in examples():
        chain, written = START, b""
        for line in example.splitlines():
            record = records.record_of(line)
            assert record is not None
            content = body(record)
            if isinstance(record, Checkpoint):
                signature, record.signature = record.signature, ""
                content = body(record) + b',"signature":"%b"' % signature.encode()
            made, chain = link(chain, content)
            written += made
        assert written == example


def test_the_walk_reads_the_example(tmp_path: Path) -> None:
    path = tmp_path / "example"
    path.write_bytes(examples()[0])
    walk = Walk()
    with path.open("rb") as file:
        assert len(list(walk.lines(file, path.stat().st_size))) == 5
    assert walk.head() == Head(5, path.stat().st_size, walk.chain.decode())


def test_a_signature_holds_for_its_bytes_chain_and_key_alone() -> None:
    key, other = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    public, others = (each.public_key().public_bytes_raw().hex() for each in (key, other))
    signature = sign(key, START, b"body")
    assert signed(public, START, b"body", signature)
    assert not signed(public, START, b"bodY", signature)
    assert not signed(public, b"1" * 64, b"body", signature)
    assert not signed(others, START, b"body", signature)
    assert not signed("no hex", START, b"body", signature)
    assert not signed(public, START, b"body", "00")


KINDS = [kind for kind in get_args(records.Line) if issubclass(kind, Record)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_each_kind_and_member_is_documented(kind: type[Record]) -> None:
    names = [kind.__struct_config__.tag, *kind.__struct_fields__, *Head.__struct_fields__]
    assert [name for name in names if f"`{name}`" not in DOCUMENT] == []


def test_there_is_no_member_for_a_text() -> None:
    """What a reviewer must say yes to: a new member of a record."""
    members = {name for kind in KINDS for name in kind.__struct_fields__} - {"ts", "seen"}
    assert members == {
        *("file", "format", "algorithm", "version", "host", "pid", "process_start", "previous"),
        *("request_id", "call_id", "key_id", "user", "model", "provider", "input_hash"),
        *("hash_key_id", "verdicts", "refused_by", "code", "outcome", "status", "input_tokens"),
        *("output_tokens", "cost", "action", "who", "subject", "values", "count", "successor"),
        *("number", "why", "heads", "removed", "cut", "unsigned", "public_key", "signature"),
    }
