"""Hashes and counts that stand in for a prompt, and the contract of their canonical form."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.fingerprint import (
    BLOCK_BYTES,
    MOST_BLOCKS,
    VERSION,
    HashKey,
    canonical,
    fingerprint,
    shape,
)

KEY = HashKey(bytes(range(32)))
OTHER = HashKey(bytes(range(1, 33)))
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
USER = {"role": "user", "content": "What is deep learning?"}


def printed(body: Any, key: HashKey | None = KEY, content_type: str = "application/json") -> Call:
    call = Call(call_id="", ts=0)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    fingerprint(call, sent, content_type, key)
    return call


def mac(data: bytes, key: HashKey = KEY) -> str:
    """Plain HMAC-SHA-256, by the standard library, cut to 128 bit."""
    return hmac.new(key.secret, data, hashlib.sha256).hexdigest()[:32]


# -- the written contract: docs/wire.md has these vectors too --------------------------------------

GOLDEN = [
    (
        {"model": "a/b", "messages": [SYSTEM, USER], "stream": True, "max_tokens": 20},
        b"hf-ledger input 1\n"
        b'system messages\x1f[{"content":"You are a helpful assistant.","role":"system"}]\x1e'
        b'messages\x1f[{"content":"What is deep learning?","role":"user"}]\x1e'
        b'parameters\x1f{"max_tokens":20}\x1e',
        "f3d8226662c3fba7518ea088b457bf55",
        "916c4f86e1e9eea290c2a121c4bfa9eb",
    ),
    (
        {"inputs": "Hello wörld", "parameters": {"max_new_tokens": 5, "seed": None}},
        b"hf-ledger input 1\n"
        b'inputs\x1f"Hello w\xc3\xb6rld"\x1e'
        b'parameters\x1f{"parameters":{"max_new_tokens":5}}\x1e',
        "348a05b2e1cd7ecdeb24478bdac4075c",
        None,
    ),
    (
        {
            "model": "m",
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "messages": [USER],
            "temperature": 0.5,
        },
        b"hf-ledger input 1\n"
        b'tools\x1f[{"function":{"name":"f"},"type":"function"}]\x1e'
        b'messages\x1f[{"content":"What is deep learning?","role":"user"}]\x1e'
        b'parameters\x1f{"temperature":0.5}\x1e',
        "06957b96ab360d7823fc672c943884f7",
        "6c121dcf43560dd44dbbc88a8e4ac87e",
    ),
    (
        {"input": ["a", "b"], "model": "e"},
        b'hf-ledger input 1\ninput\x1f["a","b"]\x1e',
        "ab09724e631ae93f48034fe1bff8cd62",
        None,
    ),
]


@pytest.mark.parametrize(("body", "form", "input_hash", "template_hash"), GOLDEN)
def test_golden_vectors(
    body: dict[str, Any], form: bytes, input_hash: str, template_hash: str | None
) -> None:
    call = printed(body)
    assert VERSION + b"".join(canonical(body)) == form
    assert call.input_hash == mac(form) == input_hash
    assert call.template_hash == template_hash
    assert call.hash_key_id == KEY.id == "e7552991"


def test_the_template_hash_is_that_of_the_form_so_far() -> None:
    body, form, *_ = GOLDEN[0]
    head = form[: form.index(b"messages\x1f[", len(VERSION) + 20)]
    assert printed(body).template_hash == mac(head)


def test_what_is_no_json_is_hashed_as_it_is() -> None:
    body = b"fLaC\x00\x00" + bytes(100)
    assert printed(body, content_type="audio/flac").input_hash == mac(b"hf-ledger bytes 1\n" + body)
    assert printed(b'{"broken":').input_hash == mac(b'hf-ledger bytes 1\n{"broken":')


# -- what makes two asks the same -----------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [SYSTEM, USER], "max_tokens": 20},
        {"max_tokens": 20, "messages": [SYSTEM, USER]},
        {"messages": [dict(reversed(SYSTEM.items())), USER], "max_tokens": 20},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "model": "another/model"},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "stream": True},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "stream_options": {"include_usage": True}},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "user": "u-1", "metadata": {"a": "b"}},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "seed": None, "stop": [], "tools": None},
    ],
)
def test_model_delivery_and_order_make_no_difference(other: dict[str, Any]) -> None:
    base = {"messages": [SYSTEM, USER], "max_tokens": 20, "model": "a/b"}
    assert printed(other).input_hash == printed(base).input_hash


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [SYSTEM, USER], "max_tokens": 21},
        {"messages": [USER, SYSTEM], "max_tokens": 20},
        {"messages": [SYSTEM, {**USER, "content": "What is deep learning"}], "max_tokens": 20},
        {"messages": [USER], "max_tokens": 20},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "temperature": 0},
        {"messages": [SYSTEM, USER], "max_tokens": 20, "tools": [{"type": "function"}]},
        {"prompt": [SYSTEM, USER], "max_tokens": 20},
    ],
)
def test_content_and_parameters_make_a_difference(other: dict[str, Any]) -> None:
    base = {"messages": [SYSTEM, USER], "max_tokens": 20}
    assert printed(other).input_hash != printed(base).input_hash


@pytest.mark.parametrize(
    "escaped", [b'{"inputs":"w\\u00f6rld"}', '{ "inputs" : "wörld" }'.encode()]
)
def test_the_way_json_is_written_makes_no_difference(escaped: bytes) -> None:
    assert printed(escaped).input_hash == printed({"inputs": "wörld"}).input_hash


def test_one_template_serves_many_asks() -> None:
    first = printed({"messages": [SYSTEM, USER]})
    second = printed(
        {"messages": [SYSTEM, {"role": "user", "content": "And now?"}], "max_tokens": 9}
    )
    assert first.template_hash == second.template_hash
    assert first.input_hash != second.input_hash


@pytest.mark.parametrize("role", ["system", "developer"])
def test_leading_instructions_are_the_template(role: str) -> None:
    lead = {"role": role, "content": "Be brief."}
    assert printed({"messages": [lead, lead, USER]}).template_hash is not None
    assert printed({"messages": [USER, lead]}).template_hash is None
    assert printed({"messages": [lead]}).template_hash is not None


@pytest.mark.parametrize("field", ["system", "instructions", "tools", "functions"])
def test_templates_of_other_apis(field: str) -> None:
    assert printed({field: "Be brief.", "messages": [USER]}).template_hash is not None
    assert printed({field: None, "messages": [USER]}).template_hash is None
    assert printed({"messages": [USER]}).template_hash is None


@given(
    st.dictionaries(
        st.sampled_from(["messages", "inputs", "prompt", "tools", "max_tokens", "x"]),
        st.text(max_size=30) | st.lists(st.text(max_size=10)) | st.integers(0, 9),
    ),
    st.dictionaries(
        st.sampled_from(["messages", "inputs", "prompt", "tools", "max_tokens", "x"]),
        st.text(max_size=30) | st.lists(st.text(max_size=10)) | st.integers(0, 9),
    ),
)
def test_equal_forms_have_equal_hashes_and_others_do_not(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    same = canonical(one) == canonical(two)
    assert (printed(one).input_hash == printed(two).input_hash) is same


# -- blocks ---------------------------------------------------------------------------------------


def conversation(turns: int) -> dict[str, Any]:
    text = "tell me more about it, please, and be precise. " * 30
    turn = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    return {"messages": [SYSTEM, *(turn * turns), USER]}


def test_a_short_ask_has_no_block() -> None:
    assert printed({"messages": [SYSTEM, USER]}).prefix is None


def test_each_block_hashes_all_up_to_its_end() -> None:
    body = conversation(4)
    template, content, _ = canonical(body)
    asked = template + content
    expected = []
    inner = bytes(byte ^ 0x36 for byte in KEY.secret.ljust(64, b"\0"))
    for end in range(BLOCK_BYTES, len(asked) + 1, BLOCK_BYTES):
        state = hashlib.sha256(inner + VERSION + asked[:end]).digest()
        expected.append(int.from_bytes(state[:8], "big", signed=True))
    assert printed(body).prefix == expected
    assert len(expected) == len(asked) // BLOCK_BYTES >= 4


@given(st.integers(1, 6), st.integers(0, 6))
def test_a_longer_conversation_begins_with_the_blocks_of_the_shorter(turns: int, more: int) -> None:
    """All but the block in which the shorter one's last message stands."""
    short, long = (
        printed(conversation(turns)).prefix or [],
        printed(conversation(turns + more)).prefix or [],
    )
    shared = len(b"".join(canonical({"messages": conversation(turns)["messages"][:-1]})[:2]))
    whole = (shared - 2) // BLOCK_BYTES  # the list's closing bracket and end differ
    assert whole >= 1
    assert short[:whole] == long[:whole]


def test_parameters_do_not_touch_the_blocks() -> None:
    assert printed({**conversation(3), "max_tokens": 5}).prefix == printed(conversation(3)).prefix


def test_blocks_are_signed_64_bit_and_bounded() -> None:
    blocks = printed({"prompt": "x" * (BLOCK_BYTES * (MOST_BLOCKS + 20))}).prefix
    assert blocks is not None
    assert len(blocks) == MOST_BLOCKS
    assert all(-(2**63) <= block < 2**63 for block in blocks)
    assert len(set(blocks)) == MOST_BLOCKS


def test_blocks_fall_on_the_same_places_with_or_without_a_template() -> None:
    long_system = {"role": "system", "content": "x" * 5 * BLOCK_BYTES}
    blocks = printed({"messages": [long_system, USER]}).prefix or []
    again = printed({"messages": [long_system, {"role": "user", "content": "Other"}]}).prefix or []
    assert len(blocks) == 5
    assert blocks == again


# -- keys -----------------------------------------------------------------------------------------


def test_without_a_key_there_are_counts_and_no_hashes() -> None:
    call = printed({"messages": [SYSTEM, USER]}, key=None)
    assert (call.input_hash, call.template_hash, call.prefix, call.hash_key_id) == (
        None,
        None,
        None,
        None,
    )
    assert call.input_chars == len(SYSTEM["content"]) + len(USER["content"])
    assert call.shape is not None


def test_another_key_links_nothing() -> None:
    one, two = printed(conversation(3)), printed(conversation(3), OTHER)
    assert one.input_hash != two.input_hash
    assert one.template_hash != two.template_hash
    assert set(one.prefix or []).isdisjoint(two.prefix or [])
    assert one.hash_key_id != two.hash_key_id


def test_a_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = HashKey.load(folder)
    assert first is not None
    assert HashKey.load(folder) == first
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(path.read_bytes()) == 32


def test_many_makers_at_once_agree_on_one_key(tmp_path: Path) -> None:
    found: list[HashKey | None] = []
    gate = threading.Barrier(8)

    def load() -> None:
        gate.wait()
        found.append(HashKey.load(tmp_path / "keys"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert None not in found
    assert len({key.id for key in found if key}) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_of_a_wrong_length_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fingerprint.key").write_bytes(content)
    assert HashKey.load(tmp_path) is None


def test_a_key_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.key").mkdir()
    assert HashKey.load(tmp_path) is None


def test_a_folder_that_cannot_be_made_gives_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert HashKey.load(tmp_path / "file" / "keys") is None


def test_a_secret_shows_in_no_representation() -> None:
    assert "secret" not in repr(KEY)
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.id not in KEY.secret.hex()


# -- counts ---------------------------------------------------------------------------------------


def test_the_shape_of_a_text() -> None:
    made = shape({"messages": [USER], "max_tokens": 7}, ["Wörk 12?\nok ```x```"])
    text = "Wörk 12?\nok ```x```".encode()
    assert made == {
        "bytes": len(text),
        "letters": len("Wrkokx"),
        "space": 3,
        "digits": 2,
        "foreign": len("ö".encode()),
        "lines": 2,
        "questions": 1,
        "fences": 2,
        "texts": 1,
        "messages": 1,
        "max_tokens": 7,
    }


@given(st.lists(st.text(max_size=200), max_size=3))
def test_counts_never_exceed_what_was_seen(texts: list[str]) -> None:
    made = shape({}, texts)
    parts = made["letters"] + made["space"] + made["digits"] + made["foreign"]
    assert 0 <= parts <= made["bytes"] <= 4096


def test_only_the_first_4_kb_are_looked_at() -> None:
    assert shape({}, ["a" * 100_000])["bytes"] == 4096
    assert shape({}, ["ö" * 100_000])["bytes"] == 4096


@pytest.mark.parametrize(
    ("body", "characters"),
    [
        ({"inputs": "Hello"}, 5),
        ({"inputs": ["Hello", "you"]}, 5 + 3),
        ({"inputs": {"question": "Who?", "context": "Me"}}, 4 + 2),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}, 5),
        ({"messages": [USER], "system": "Be brief."}, len(USER["content"]) + 9),
        ({"prompt": "wörld"}, 5),
        ({"messages": [{"role": "user", "content": None}]}, 0),
        ({"messages": ["odd", 5]}, 3),
        ({"messages": "odd"}, 3),
        ({"parameters": {"text": "not asked"}}, 0),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {"url": "data:image/png;base64,AAAA"},
                            }
                        ],
                    }
                ]
            },
            0,
        ),
    ],
)
def test_characters_are_those_of_the_texts_asked_about(
    body: dict[str, Any], characters: int
) -> None:
    assert printed(body).input_chars == characters


def test_a_stated_count_is_not_overwritten() -> None:
    call = Call(call_id="", ts=0, input_chars=231)
    fingerprint(call, b'{"inputs":"x"}', "application/json", KEY)
    assert call.input_chars == 231


def test_no_text_is_kept() -> None:
    line = msgspec.json.encode(
        printed({"messages": [{"role": "user", "content": "MARKER " * 2000}]})
    )
    assert b"MARKER" not in line


@pytest.mark.parametrize("body", [None, b""])
def test_no_body_has_no_fingerprint(body: bytes | None) -> None:
    call = Call(call_id="", ts=0)
    fingerprint(call, body, "", KEY)
    assert (call.input_hash, call.hash_key_id, call.shape) == (None, None, None)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "multipart/form-data", ""]))
def test_no_body_breaks_the_fingerprint(body: bytes, content_type: str) -> None:
    call = printed(body, content_type=content_type)
    assert (call.input_hash is None) == (not body)
    assert msgspec.json.encode(call)


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":' + b"[" * 100_000,
        b'{"messages":[{"role":[],"content":{}}]}',
        b'{"inputs":"\\ud83d"}',
        b'{"max_tokens":true,"messages":{}}',
        b'{"temperature":1e400}',
    ],
)
def test_odd_bodies_have_a_hash_too(body: bytes) -> None:
    assert printed(body).input_hash is not None


def test_the_environment_gives_no_key(tmp_path: Path) -> None:
    """The key is a file and nothing else: a leaked environment leaks no key."""
    key = HashKey.load(tmp_path)
    assert key is not None
    assert key.secret.hex() not in " ".join(os.environ.values())
