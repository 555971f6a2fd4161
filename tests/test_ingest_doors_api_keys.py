"""Keys: 256 bits shown once, kept as a hash, good until revoked; the command and its exits."""

from __future__ import annotations

import hashlib
import itertools
import json
from contextlib import closing

import pytest
from factories_api import new_key

from hf_ledger.analytics.connect import connect, responder
from hf_ledger.cli import main
from hf_ledger.ingest.doors.api.keys import (
    KEY,
    LONGEST_NAME,
    key_hash,
    key_id_of,
    list_keys,
    make_key,
    revoke_key,
)
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places


def test_a_key_has_256_random_bits() -> None:
    key, kept = make_key("web-1")
    assert KEY.fullmatch(key)
    assert len(key.split("_", 2)[2]) == 43  # 32 bytes in base64 without padding
    assert make_key("web-1")[0] != key
    assert kept.key_id in key


def test_only_its_hash_is_kept() -> None:
    key, kept = make_key("web-1")
    assert kept.key_hash == hashlib.sha256(key.encode()).hexdigest() == key_hash(key)
    assert key not in repr(kept)
    assert key.split("_", 2)[2] not in repr(kept)


@pytest.mark.parametrize("name", ["", "   ", "x" * (LONGEST_NAME + 1)])
def test_a_key_needs_a_name(name: str) -> None:
    with pytest.raises(Usage, match="needs a name"):
        make_key(name)


def test_a_good_key_is_known_and_a_revoked_one_is_not() -> None:
    with Ledger.memory() as ledger, closing(ledger.cursor()) as cursor:
        (key, key_id), (other, other_id) = new_key(ledger), new_key(ledger)
        assert (key_id_of(cursor, key), key_id_of(cursor, other)) == (key_id, other_id)
        revoke_key(cursor, key_id)
        assert (key_id_of(cursor, key), key_id_of(cursor, other)) == (None, other_id)


def test_revoking_twice_keeps_the_first_moment() -> None:
    with Ledger.memory() as ledger, closing(ledger.cursor()) as cursor:
        _, key_id = new_key(ledger)
        revoke_key(cursor, key_id)
        (first,) = list_keys(cursor)
        revoke_key(cursor, key_id)
        assert list_keys(cursor) == [first]
        assert first["revoked_at"] is not None


def test_an_unknown_key_can_not_be_revoked() -> None:
    with (
        Ledger.memory() as ledger,
        closing(ledger.cursor()) as cursor,
        pytest.raises(Usage, match="there is no key '00000000'"),
    ):
        revoke_key(cursor, "00000000")


def test_a_key_with_another_letter_is_another_key() -> None:
    with Ledger.memory() as ledger, closing(ledger.cursor()) as cursor:
        key, key_id = new_key(ledger)
        for place, letter in itertools.product(range(len(key)), "aZ0_"):
            changed = key[:place] + letter + key[place + 1 :]
            assert key_id_of(cursor, changed) == (key_id if changed == key else None)


@pytest.mark.parametrize(
    "said", [None, "", "hfl_", "Bearer x", "hfl_00000000_" + "A" * 43, "é" * 56, "a\nb"]
)
def test_what_is_no_key(said: str | None) -> None:
    with Ledger.memory() as ledger, closing(ledger.cursor()) as cursor:
        new_key(ledger)
        assert key_id_of(cursor, said) is None


# -- the command -------------------------------------------------------------------------------


def created(capsys: pytest.CaptureFixture[str], name: str = "web-1") -> str:
    assert main(["key", "create", "--name", name]) == 0
    said = capsys.readouterr()
    assert "not shown again" in said.err
    assert said.out.count("\n") == 1
    return said.out.strip()


def test_the_key_alone_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert KEY.fullmatch(created(capsys))


def test_the_list_never_shows_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    key = created(capsys)
    for shape in ("table", "json", "csv"):
        assert main(["key", "list", "--format", shape]) == 0
        said = capsys.readouterr().out
        assert key[4:12] in said
        assert "web-1" in said
        assert key[13:] not in said
        assert key_hash(key) not in said


def test_the_lists_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    key = created(capsys, "of a host, with a comma")
    assert main(["key", "list", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["keys"]
    assert (row["key_id"], row["name"]) == (key[4:12], "of a host, with a comma")
    assert row["revoked_at"] is None
    assert main(["key", "list", "--format", "csv"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.startswith("key_id,name,created_at,revoked_at,role,user,team,")
    assert '"of a host, with a comma"' in line


def test_without_keys_the_list_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "list"]) == 0
    assert "hf-ledger key create --name" in capsys.readouterr().out


def test_revoking(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    key = created(capsys)
    assert main(["key", "revoke", key[4:12]]) == 0
    with Ledger.open(places) as ledger, closing(ledger.cursor()) as cursor:
        assert key_id_of(cursor, key) is None


@pytest.mark.parametrize(
    "arguments", [["revoke", "nothing"], ["create", "--name", " "], ["create"], ["revoke"]]
)
def test_wrong_use_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["key", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_keys_go_through_the_ledgers_owner(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    """The key is made by who asks; only its hash crosses to the owner."""
    with Ledger.open(places) as ledger:
        seen: list[bytes] = []
        answer = responder(ledger, places)

        def handle(name: str, payload: bytes) -> bytes:
            seen.append(payload)
            return answer(name, payload)

        with Listener(places, handle):
            from hf_ledger.analytics.connect import RemoteSession
            from hf_ledger.ingest.ledger.socket import call_owner

            caller = call_owner(places)
            assert caller is not None
            key, kept = make_key("far")
            with closing(RemoteSession(caller)) as session:
                session.command(
                    "key_create",
                    key_id=kept.key_id,
                    name=kept.name,
                    key_hash=kept.key_hash,
                    algorithm=kept.algorithm,
                )
                (listed,) = session.command("key_list")["keys"]
        assert listed["key_id"] == kept.key_id
        assert not any(key[13:].encode() in each for each in seen)


def test_the_file_holds_no_key(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    key = created(capsys)
    with connect(places):
        pass
    secret = key[13:].encode()
    files = [each for each in places.root.rglob("*") if each.is_file()]
    assert files
    assert not [each for each in files if secret in each.read_bytes()]
