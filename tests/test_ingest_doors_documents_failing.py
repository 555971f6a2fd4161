"""Why a call failed, what it cost, and whether it is worth another; answers as plain data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from factories_echo import TARGET, Echo, job, routed
from huggingface_hub import SummarizationOutput
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.client import InferenceFailed
from hf_ledger.ingest.doors.documents.attempts import paid_for
from hf_ledger.ingest.doors.documents.caching import Begun, Cache, Remembered
from hf_ledger.ingest.doors.documents.failing import (
    ANSWERED_BEFORE,
    TookTooLong,
    clause_of,
    cost_of,
    is_under_way,
    lost_reply,
    worth_again,
)
from hf_ledger.ingest.doors.documents.plain import Unreadable, canonical, packed, unpacked
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.doors.router.once import once, once_headers
from hf_ledger.ingest.doors.router.routed import Attempt, Routed, RouteFailed
from hf_ledger.ingest.errors import Usage

PENNY = Decimal("0.01")


class Response:
    def __init__(self, status: int, **error: Any) -> None:
        self.status_code = status
        self.content = msgspec.json.encode({"error": error})


class HttpError(OSError):
    """As hub raises it: with the response, and words that may hold what was sent."""

    def __init__(self, status: int, **error: Any) -> None:
        super().__init__("a secret sentence")
        self.response = Response(status, **error)


def behind(error: BaseException, last: BaseException) -> BaseException:
    error.__cause__ = last
    return error


def attempt(cost: Decimal | None, *, sent: bool = True) -> Attempt:
    call = Call(call_id="c", ts=1, status=503) if sent else None
    return Attempt(
        target=TARGET, number=1, began_s=0, took_s=0, then="next", why="w", call=call, cost=cost
    )


REPEATED = HttpError(409, code="idempotency_answered", first_request={"outcome": "ok"})
IN_PROGRESS = HttpError(409, code="idempotency_in_progress")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        *((InferenceFailed("x", status), True) for status in (408, 409, 425, 429, 500, 503, 504)),
        *((InferenceFailed("x", status), False) for status in (400, 401, 402, 403, 404, 410, 422)),
        (TookTooLong(1), True),
        (ConnectionError(), True),
        (Usage("x"), False),
        (HttpError(401), False),
        (behind(RouteFailed("x"), InferenceFailed("y", 402)), False),
        (RouteFailed("x", (attempt(None),)), True),
        (REPEATED, False),
        (IN_PROGRESS, True),
    ],
)
def test_what_may_be_better_a_moment_later_is_tried_again(
    error: BaseException, again: bool
) -> None:
    assert worth_again(error) == again


def test_reasons_are_in_our_words() -> None:
    assert clause_of(HttpError(503)) == "HttpError (503)"
    assert clause_of(KeyError("a secret sentence")) == "KeyError"
    assert clause_of(InferenceFailed("It is overloaded (503).", 503)) == "It is overloaded (503)"
    assert clause_of(TookTooLong(2.5)) == "no answer in 2.5 s"
    assert clause_of(behind(RouteFailed("x."), REPEATED)) == ANSWERED_BEFORE


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (InferenceFailed("x", 500), (Decimal(0), True)),
        (InferenceFailed("x"), (None, False)),
        (TookTooLong(1), (None, False)),
        (RouteFailed("x", (attempt(PENNY), attempt(PENNY))), (2 * PENNY, True)),
        (RouteFailed("x", (attempt(PENNY), attempt(None))), (PENNY, False)),
        (RouteFailed("x", (attempt(None, sent=False),)), (Decimal(0), True)),
    ],
)
def test_what_a_failure_cost(error: BaseException, cost: tuple[Decimal | None, bool]) -> None:
    assert cost_of(error) == cost


def test_what_an_answer_cost() -> None:
    assert paid_for(routed("x", PENNY)) == (PENNY, True)
    assert paid_for("x") == (None, False)
    partly = Routed(
        value="x",
        target=TARGET,
        attempts=(attempt(PENNY), attempt(None)),
        operation_id="o",
        cost=None,
    )
    assert paid_for(partly) == (PENNY, False)


def test_what_a_gateway_says_is_found_behind_other_errors() -> None:
    assert lost_reply(behind(RouteFailed("x"), behind(ValueError(), REPEATED))) == {"outcome": "ok"}
    assert is_under_way(behind(RouteFailed("x"), IN_PROGRESS))
    assert lost_reply(HttpError(409, code="other")) is None
    assert not is_under_way(REPEATED)


class Dead(Remembered):
    """A store that knows a request of a run that died."""

    def begin(self, key: bytes) -> Begun:
        return Begun("name", again=True)


async def test_a_gateway_that_is_still_at_it_is_waited_for() -> None:
    def later(text: str, before: int) -> Any:
        if before < 1:
            raise IN_PROGRESS
        return None

    asked = job(on_failure="fail", timeout_s=30)
    done = await process("One.", asked, Echo(later), cache=Cache(b"k" * 32, Dead()))
    assert (done.value, done.failed, done.asked_again) == ("ONE.", (), 1)


@pytest.mark.parametrize(
    ("outcome", "pay_again", "answered"),
    [("ok", False, False), ("ok", True, True), ("cancelled", False, True), ("lost", False, True)],
)
async def test_what_was_paid_is_paid_again_only_where_that_is_wanted(
    outcome: str, pay_again: bool, answered: bool
) -> None:
    def before_that(text: str, before: int) -> Any:
        if before < 1:
            raise HttpError(409, code="idempotency_answered", first_request={"outcome": outcome})
        return None

    asked = job(on_failure="skip", pay_again=pay_again)
    done = await process("One.", asked, Echo(before_that), cache=Cache(b"k" * 32, Dead()))
    assert (not done.failed) == answered
    assert done.asked_again == int(answered)


def test_a_request_has_one_name_at_each_target() -> None:
    assert once_headers("a") == {}
    with once("word"):
        a, b = once_headers("a"), once_headers("b")
        assert a == once_headers("a") != b
    assert set(a) == {"Idempotency-Key", "x-hf-ledger-keep-reply"}
    assert "word" not in a["Idempotency-Key"]


# -- plain data ------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_plain_comes_back_as_it_was(value: Any) -> None:
    assert unpacked(packed(value)) == value


def test_hubs_answers_and_vectors_are_plain() -> None:
    summary = SummarizationOutput.parse_obj_as_instance({"summary_text": "said"})
    assert unpacked(packed(summary)) == {"summary_text": "said"}
    assert unpacked(packed(np.array([[1.0, 2.0]], dtype="float32"))) == [[1.0, 2.0]]


def test_what_is_no_data_is_no_answer() -> None:
    with pytest.raises(Unreadable, match="object"):
        packed(object())


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_the_order_in_which_parameters_are_given_does_not_matter(given_: dict[str, Any]) -> None:
    assert canonical(given_) == canonical(dict(reversed(given_.items())))
