"""The policy file: what is written is read, what held before is kept, what is broken is left."""

from __future__ import annotations

import logging
import stat
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from factories_policies import NOON
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router.advice import (
    Advice,
    AdviceNow,
    Rule,
    Segment,
    decoded,
    history,
    read,
    restore,
    write,
)
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

NOW = datetime.fromtimestamp(NOON, UTC)


def rule(**changes: Any) -> Rule:
    given: dict[str, Any] = {
        "task": "chat-completion",
        "from_model": "maker/strong",
        "to_model": "maker/small",
        "share": 0.25,
        "certificate_id": "c1",
        "certified_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return Rule(**{**given, **changes})


words = st.none() | st.text(max_size=8)
rules = st.lists(
    st.builds(
        rule,
        segment=st.builds(Segment, template_hash=words, team=words, app=words),
        share=st.floats(0, 1),
        target_quality=st.none() | st.floats(0, 1),
        to_provider=words,
        certified_at=st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(rules)
def test_what_is_encoded_is_decoded(some: list[Rule]) -> None:
    advice = Advice(version=1, number=3, created_at=NOW, rules=tuple(some))
    assert decoded(msgspec.json.encode(advice)) == advice


def test_what_is_written_is_read(places: Places) -> None:
    assert read(places.policy) is None
    written = write(places, [rule()], NOW)
    assert read(places.policy) == written
    assert (written.number, written.created_at) == (1, NOW)
    assert stat.S_IMODE(places.policy.stat().st_mode) == 0o600


def test_what_held_before_is_kept_and_can_hold_again(places: Places) -> None:
    first = write(places, [rule(share=0.1)], NOW)
    second = write(places, [rule(share=0.9)], NOW)
    kept = history(places.policy)
    assert [number for number, _ in kept] == [1]
    assert read(kept[0][1]) == first
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for _, path in kept)
    again = restore(places, 1, NOW + timedelta(days=1))
    assert (again.number, again.rules) == (3, first.rules)
    assert [read(path) for _, path in history(places.policy)] == [first, second]


def test_a_number_is_never_used_again(places: Places) -> None:
    write(places, [], NOW)
    write(places, [], NOW)
    places.policy.unlink()
    assert write(places, [], NOW).number == 2
    assert write(places, [], NOW).number == 3
    places.policy.write_bytes(b"{")
    assert write(places, [], NOW).number > 2


def test_a_version_that_there_is_not(places: Places) -> None:
    write(places, [], NOW)
    write(places, [], NOW)
    with pytest.raises(Usage, match="no former version 7 of the policy file; known: 1"):
        restore(places, 7, NOW)


GOOD = msgspec.json.encode(Advice(version=1, number=1, created_at=NOW, rules=(rule(),)))
BROKEN = [
    b"{",
    b"\xff",
    GOOD.replace(b'"version":1', b'"version":2'),
    GOOD.replace(b'"share":0.25', b'"share":1.5'),
    GOOD.replace(b'"share":0.25', b'"share":-0.1'),
    GOOD.replace(b'"expires_at":', b'"ends_at":'),
    GOOD.replace(b'"created_at":"2026-11-25T12:00:00Z"', b'"created_at":"2026-11-25T12:00:00"'),
]


@pytest.mark.parametrize("content", BROKEN)
def test_what_can_not_be_understood_leaves_the_last_good_one(
    places: Places, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert content != GOOD
    now = AdviceNow(places)
    assert now() is None
    good = write(places, [rule()], NOW)
    held = now()
    assert held == good and now() is held
    places.policy.write_bytes(content)
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        assert now() is held
        assert now() is held
        assert AdviceNow(places)() is None
    assert len(caplog.records) == 2, "one line for each process"
    caplog.clear()
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        assert read(places.policy) is None
    assert len(caplog.records) == 1


def test_what_is_taken_away_advises_no_more(places: Places) -> None:
    now = AdviceNow(places)
    write(places, [rule()], NOW)
    assert now() is not None
    places.policy.unlink()
    assert now() is None


def test_a_folder_that_can_not_be_written(places: Places) -> None:
    places.policy.mkdir(parents=True)
    with pytest.raises(Unusable, match="can't be written"):
        write(places, [], NOW)


def test_a_rule_in_force_counts_before_one_that_is_not(places: Places) -> None:
    old = rule(certificate_id="old", certified_at=NOW - timedelta(days=9))
    ended = rule(certificate_id="ended", expires_at=NOW)
    advice = Advice(version=1, number=1, created_at=NOW, rules=(ended, old))
    found = advice.rule_for("chat-completion", None, NOON)
    assert found is not None and found.certificate_id == "old"
    only = Advice(version=1, number=1, created_at=NOW, rules=(ended,))
    assert only.rule_for("chat-completion", None, NOON) is ended
    assert only.rule_for("summarization", None, NOON) is None
