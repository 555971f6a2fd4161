"""The same Idempotency-Key is sent and billed once, over processes and restarts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from factories_gateway import KEY, MODEL, Running, chat, gateway

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.checks.idempotency import (
    KEPT_SECONDS,
    Idempotency,
    tidy,
)
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, State

HEADER = "idempotency-key"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with gateway(tmp_path, checks=[Idempotency(tmp_path / "once")]) as started:
        yield started


def asking(request_id: str = "id-1", said: str | None = "abc", key_id: str = "k") -> Asking:
    headers = {} if said is None else {HEADER: said}
    call = Call(call_id=request_id, ts=1, input_hash="h")
    key = replace_key(key_id)
    return Asking(request_id, 1, "POST", "/v1/x", "", headers, b"", State(), key=key, call=call)


def replace_key(key_id: str) -> Key:

    return msgspec.structs.replace(KEY, key_id=key_id)


def refused(check: Idempotency, asked: Asking) -> Refused:
    with pytest.raises(Refused) as caught:
        check.check(asked)
    return caught.value


def ended(outcome: str) -> Outcome:
    return Outcome(Call(call_id="id-1", ts=1, input_hash="h", outcome=outcome))  # type: ignore[arg-type]


def post(running: Running, key: str, text: str = "one two three") -> httpx.Response:
    return running.post(json=chat(text), headers={HEADER: key})


def test_asked_again_it_says_what_became_of_the_first(running: Running) -> None:
    first, again = post(running, "abc"), post(running, "abc")
    assert (first.status_code, again.status_code) == (200, 409)
    assert len(running.witness.seen) == 1
    error = again.json()["error"]
    assert error["code"] == "idempotency_answered"
    assert error["first_request"]["call_id"] == first.headers["x-hf-ledger-call-id"]
    assert error["first_request"]["model"] == MODEL
    assert (error["first_request"]["input_tokens"], error["first_request"]["cost_usd"]) == (
        3,
        "0.001",
    )
    assert "Practice" not in again.text


def test_another_key_or_none_is_another_request(running: Running) -> None:
    assert [post(running, key).status_code for key in ("a", "b")] == [200, 200]
    assert [running.post().status_code for _ in range(2)] == [200, 200]


def test_another_body_under_the_same_key_is_a_mistake(running: Running) -> None:
    post(running, "abc")
    reply = post(running, "abc", "four five six")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_what_failed_may_be_tried_again(running: Running) -> None:
    body = chat(model="practice/500")
    for _ in range(2):
        assert running.post(json=body, headers={HEADER: "abc"}).status_code == 500
    assert len(running.witness.seen) == 2


def test_many_at_once_are_sent_once(running: Running) -> None:
    statuses: list[int] = []
    body = chat(model="practice/slow=0.3")
    threads = [
        threading.Thread(
            target=lambda: statuses.append(
                running.post(json=body, headers={HEADER: "abc"}).status_code
            )
        )
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(statuses) == [200] + [409] * 7
    assert len(running.witness.seen) == 1


def test_it_holds_in_another_process_and_after_a_restart(tmp_path: Path) -> None:
    Idempotency(tmp_path).check(asking())
    error = refused(Idempotency(tmp_path), asking("id-2"))
    assert (error.status, error.code) == (409, "idempotency_in_progress")


def test_a_refusal_frees_the_key(tmp_path: Path) -> None:
    check = Idempotency(tmp_path)
    check.check(asking())
    check.finish(asking(), ended("refused"))
    check.check(asking("id-2"))


def test_an_interrupted_call_may_have_cost_something(tmp_path: Path) -> None:
    check = Idempotency(tmp_path)
    check.check(asking())
    check.finish(asking(), ended("interrupted"))
    assert refused(check, asking("id-2")).code == "idempotency_answered"


def test_two_keys_of_the_gateway_do_not_meet(tmp_path: Path) -> None:
    check = Idempotency(tmp_path)
    check.check(asking())
    check.check(asking("id-2", key_id="other"))


@pytest.mark.parametrize("said", ["", "x" * 256])
def test_a_key_has_a_length(tmp_path: Path, said: str) -> None:
    assert refused(Idempotency(tmp_path), asking(said=said)).status == 400


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refused(Idempotency(tmp_path / "file" / "once"), asking())
    assert (error.status, error.code) == (503, "idempotency_unwritable")


def test_nothing_of_the_key_itself_is_kept(tmp_path: Path) -> None:
    Idempotency(tmp_path).check(asking(said="customer-4711"))
    (kept,) = tmp_path.iterdir()
    assert b"4711" not in kept.read_bytes() + kept.name.encode()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_day_later_it_is_gone(tmp_path: Path) -> None:
    check = Idempotency(tmp_path)
    check.check(asking())
    (kept,) = tmp_path.iterdir()
    stamp = kept.stat().st_mtime
    assert tidy(tmp_path, lambda: stamp + KEPT_SECONDS - 1) == 0
    assert tidy(tmp_path, lambda: stamp + KEPT_SECONDS + 1) == 1
    assert tidy(tmp_path / "missing") == 0
    check.check(asking())
