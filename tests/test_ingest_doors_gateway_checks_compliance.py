"""The check: what happens to a request of which class, with what in it."""

from __future__ import annotations

import inspect
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Outcome
from hf_ledger.ingest.doors.gateway.checks.compliance import LARGE_BYTES, Compliance
from hf_ledger.ingest.doors.gateway.compliance.policy import CLASS_HEADER, Allowed, Policy
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Found, Screening
from tests.factories_compliance import VALID, asked_of, asking, plain_text

TARGETS = {"house": "http://llm.corp.example:8000"}
CARD = "4111 1111 1111 1111"


def compliance(**given: Any) -> Compliance:
    return Compliance(Policy(**given), TARGETS)


CHECK = compliance()


def found(what: Found, **given: Any) -> Screening:
    return Screening(on=True, found=what, **given)


def refused(one: Asking, check: Check = CHECK) -> Refused:
    with pytest.raises(Refused) as caught:
        check.check(one)
    return caught.value


def test_a_clean_request_passes_as_it_is() -> None:
    one = asking(asked_of("How are you?"))
    body = one.body
    assert CHECK.check(one) is None
    assert one.body is body
    assert one.verdicts == {"compliance": "nothing found; class internal"}
    assert one.call is not None
    assert one.call.tags is None
    CHECK.finish(one, Outcome())


def test_off_by_default() -> None:
    one = asking(asked_of(CARD), screening=Screening())
    assert CHECK.check(one) is None
    assert one.verdicts == {"compliance": "not screened; class internal"}
    nobody = asking(asked_of(CARD))
    nobody.key = None
    CHECK.check(nobody)
    assert nobody.verdicts == {"compliance": "not screened; class internal"}


def test_refuse() -> None:
    one = asking(asked_of(CARD, "5555555555554444", "a@example.org"))
    error = refused(one)
    assert (error.status, error.code) == (403, "data_not_allowed")
    assert "2 payment cards and 1 e-mail address" in error.sentence
    assert one.verdicts == {"compliance": "refuse: card 2, email 1; class confidential"}
    assert one.call is not None
    assert one.call.tags == {"finding.card": "2", "finding.email": "1"}


def test_allow_is_recorded() -> None:
    one = asking(asked_of(CARD), screening=found("allow"))
    body = one.body
    CHECK.check(one)
    assert one.body is body
    assert one.verdicts == {"compliance": "allow: card 1; class confidential"}


def test_mask() -> None:
    one = asking(asked_of(f"My card is {CARD}.", "a@example.org"), screening=found("mask"))
    CHECK.check(one)
    assert one.verdicts == {"compliance": "mask: card 1, email 1; class confidential"}
    assert one.asked == json.loads(one.body) == asked_of("My card is [card-1].", "[email-1]")


def test_what_cannot_be_masked_is_refused() -> None:
    one = asking({"inputs": {"card": 4111111111111111}}, screening=found("mask"))
    error = refused(one)
    assert (error.status, error.code) == (403, "data_not_allowed")
    assert "1 payment card" in error.sentence


def test_route() -> None:
    one = asking(asked_of(CARD), screening=found("route", target="house"))
    CHECK.check(one)
    assert one.upstream == TARGETS["house"]
    assert one.verdicts == {"compliance": "route: card 1; class confidential"}
    clean = asking(asked_of("hello"), screening=found("route", target="house"))
    CHECK.check(clean)
    assert clean.upstream == "https://router.huggingface.co"


@pytest.mark.parametrize("target", [None, "elsewhere"])
def test_route_to_nowhere(target: str | None) -> None:
    one = asking(asked_of(CARD), screening=found("route", target=target))
    error = refused(one)
    assert (error.status, error.code) == (503, "no_target")
    assert one.upstream == "https://router.huggingface.co"


def test_a_target_must_be_allowed_too() -> None:
    one = asking(asked_of(CARD), screening=found("route", target="house"))
    only = Allowed(hosts=("other.corp.example",), models=("none/*",))
    assert refused(one, compliance(allowed={"confidential": only})).status == 403
    one = asking(asked_of(CARD), screening=found("route", target="house"))
    only = Allowed(hosts=("*.corp.example",), models=("none/*",), providers=("groq",))
    assert compliance(allowed={"confidential": only}).check(one) is None


# -- classes ---------------------------------------------------------------------------------------

CONFIDENTIAL = compliance(allowed={"confidential": Allowed(providers=("groq",))})
GROQ = {"provider": "groq", "routing": "explicit", "host_kind": "router"}


def test_the_header_counts_where_nothing_is_screened() -> None:
    one = asking(asked_of("hello"), screening=Screening(), headers={CLASS_HEADER: "confidential"})
    assert "name one of them" in refused(one, CONFIDENTIAL).sentence
    one = asking(
        asked_of("hello"),
        screening=Screening(),
        headers={CLASS_HEADER: "confidential"},
        call=Call(call_id="c", ts=0, **GROQ),  # type: ignore[arg-type]
    )
    CONFIDENTIAL.check(one)
    assert one.verdicts == {"compliance": "not screened; class confidential"}


def test_the_header_may_only_raise() -> None:
    one = asking(
        asked_of("hello"),
        screening=Screening(data_class="confidential"),
        headers={CLASS_HEADER: "public"},
    )
    assert refused(one, CONFIDENTIAL).code == "data_not_allowed"


def test_an_unknown_class_is_refused() -> None:
    one = asking(asked_of("hello"), screening=Screening(), headers={CLASS_HEADER: "top secret"})
    assert refused(one).code == "unknown_data_class"


def test_a_finding_raises_the_class() -> None:
    one = asking(asked_of(CARD), screening=found("allow"))
    assert "name one of them" in refused(one, CONFIDENTIAL).sentence
    harmless = compliance(
        allowed={"confidential": Allowed(providers=("groq",))}, raises={"card": "internal"}
    )
    harmless.check(asking(asked_of(CARD), screening=found("allow")))


def test_a_finding_raises_even_where_it_is_masked() -> None:
    assert refused(asking(asked_of(CARD), screening=found("mask")), CONFIDENTIAL).status == 403


def test_what_sends_nothing_may_go_anywhere() -> None:
    one = asking(body=b"", screening=Screening(data_class="confidential"), call=None)
    assert CONFIDENTIAL.check(one) is None


# -- what is no JSON -------------------------------------------------------------------------------


@pytest.mark.parametrize("data_class", ["confidential", "restricted"])
def test_what_cannot_be_read_is_refused_from_confidential_on(data_class: Any) -> None:
    one = asking(body=b"\xff\xfb\x90", screening=Screening(on=True, data_class=data_class))
    error = refused(one)
    assert (error.status, error.code) == (415, "not_screenable")
    assert data_class in error.sentence


@pytest.mark.parametrize("data_class", ["public", "internal"])
def test_below_it_passes_and_is_recorded(data_class: Any) -> None:
    one = asking(body=b"\xff\xfb\x90", screening=Screening(on=True, data_class=data_class))
    CHECK.check(one)
    assert one.verdicts == {"compliance": f"not read; class {data_class}"}


def test_a_list_and_a_bare_text_are_read() -> None:
    for value in ([CARD], CARD):
        body = json.dumps(value).encode()
        assert refused(asking(body=body)).code == "data_not_allowed"


# -- size, time, privacy ---------------------------------------------------------------------------


async def test_a_large_body_is_screened_aside() -> None:
    text = "All work and no play. " * (LARGE_BYTES // 20)
    clean = asking(asked_of(text))
    waiting = CHECK.check(clean)
    assert inspect.isawaitable(waiting)
    await waiting
    assert clean.verdicts == {"compliance": "nothing found; class internal"}
    waiting = CHECK.check(asking(asked_of(text + CARD)))
    assert waiting is not None
    with pytest.raises(Refused):
        await waiting


def test_too_much_to_look_at() -> None:
    one = asking(asked_of("+12345678, " * 5_001))
    error = refused(one)
    assert (error.status, error.code) == (413, "too_much_to_screen")


def test_at_most_sixteen_tags() -> None:
    one = asking(asked_of(CARD, "a@example.org"), screening=found("allow"))
    assert one.call is not None
    one.call.tags = {str(number): "" for number in range(15)}
    CHECK.check(one)
    assert len(one.call.tags) == 16
    assert one.call.tags["finding.card"] == "1"


@pytest.mark.parametrize("what", ["allow", "mask", "refuse", "route"])
def test_no_value_is_told(what: Found, caplog: pytest.LogCaptureFixture) -> None:
    values = [value for _, value in VALID]
    one = asking(asked_of(*values), screening=found(what, target="house"))
    said = ""
    with caplog.at_level(logging.DEBUG):
        try:
            CHECK.check(one)
        except Refused as error:
            said = error.sentence + repr(error)
    assert one.call is not None
    told = "\n".join([said, caplog.text, repr(one.verdicts), repr(one.call), repr(one.answer)])
    for value in values:
        assert value not in told
        assert value[-8:] not in told
    if what == "mask":
        assert not [value for value in values if value.encode() in one.body]


def test_what_is_clean_costs_little() -> None:
    short, long = (asking(asked_of("It is a truth universally known. " * n)) for n in (30, 1_800))
    for one, most in ((short, 0.0005), (long, 0.015)):
        CHECK.check(one)
        began = time.process_time()
        for _ in range(10):
            CHECK.check(one)
        assert (time.process_time() - began) / 10 < most  # measured: 20 µs and 0.8 ms


def test_long_logs_are_screened_in_bounded_time() -> None:
    one = asking(asked_of(plain_text(5, 1_800)), screening=found("allow"))
    began = time.process_time()
    assert CHECK.check(one) is None
    assert time.process_time() - began < 1


LOADS = """
import sys
from hf_ledger.ingest.doors.gateway.checks.compliance import Compliance
from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.state import Screening
from tests.factories_compliance import asked_of, asking
check = Compliance(Policy(), {})
check.check(asking(asked_of("4111111111111111"), screening=Screening()))
print(sorted({"stdnum", "phonenumbers"} & set(sys.modules)))
check.check(asking(asked_of("4111111111111111"), screening=Screening(on=True, found="allow")))
print(sorted({"stdnum"} & set(sys.modules)))
"""


def test_detectors_are_loaded_for_the_first_request_that_is_screened() -> None:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", LOADS], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "['stdnum']"]
