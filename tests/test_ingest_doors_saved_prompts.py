"""Saved prompts: encrypted, private, gone after their time, and never in the clear on disk."""

from __future__ import annotations

import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hf_ledger.ingest import keyring
from hf_ledger.ingest.doors import saved_prompts
from hf_ledger.ingest.doors.saved_prompts import (
    KEPT_DAYS,
    MOST_BYTES,
    Prompt,
    delete,
    delete_closed,
    files,
    save,
    shelf,
)
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MARKER = "marker-4711"


def kept(places: Places, name: str = "greeting", **more: Any) -> Prompt:
    given = {"task": "chat-completion", "text": f"Say {MARKER} to {{{{who}}}}.", "now": NOW}
    return save(places, **{"name": name, **given, **more})


def names(places: Places, now: datetime = NOW) -> list[str]:
    return [each.name for each in shelf(places, now).prompts]


def test_what_was_saved_comes_back_whole(places: Places) -> None:
    saved = kept(places, system=f"Be {MARKER}.", parameters={"max_tokens": 9, "top_p": 0.5})
    assert shelf(places, NOW).prompts == [saved]
    assert saved.expires - saved.saved == timedelta(days=KEPT_DAYS)


def test_no_word_of_it_is_on_disk(places: Places) -> None:
    """Neither text nor name nor parameters, in no file and no file's name."""
    kept(places, name=f"name {MARKER}", system=MARKER, parameters={"stop": [MARKER]})
    written = [path for path in places.root.rglob("*") if path.is_file()]
    assert len(written) >= 2  # the prompt and the key
    for path in written:
        assert MARKER not in path.name
        assert MARKER.encode() not in path.read_bytes()
        assert b"chat-completion" not in path.read_bytes()


def test_only_its_user_may_read_it(places: Places) -> None:
    kept(places)
    (path,) = files(places)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_is_written_before_somebody_saves(places: Places) -> None:
    assert shelf(places) == ([], 0)
    assert not places.root.exists()


def test_a_name_saved_again_takes_the_place_of_the_first(places: Places) -> None:
    kept(places)
    kept(places, text="new")
    kept(places, task="summarization", text="another task")
    assert [(each.task, each.text) for each in shelf(places, NOW).prompts] == [
        ("chat-completion", "new"),
        ("summarization", "another task"),
    ]
    assert len(files(places)) == 2


def test_after_its_time_it_is_deleted(places: Places) -> None:
    kept(places, days=1)
    kept(places, name="longer")
    day = timedelta(days=1)
    assert names(places, NOW + day - timedelta(seconds=1)) == ["greeting", "longer"]
    assert names(places, NOW + day) == ["longer"]
    assert len(files(places)) == 1


def test_delete_takes_one(places: Places) -> None:
    saved = kept(places)
    kept(places, name="other")
    delete(places, saved)
    delete(places, saved)  # another tab was quicker
    assert names(places) == ["other"]


def test_a_changed_key_still_opens_what_the_old_one_closed(places: Places) -> None:
    saved = kept(places)
    keyring.rotate(places.keys, NOW)
    assert shelf(places, NOW) == ([saved], 0)
    kept(places, text="new")
    assert [each.text for each in shelf(places, NOW).prompts] == ["new"]
    assert len(files(places)) == 1
    kept(places, name="other")
    delete(places, saved)
    assert names(places) == ["other"]


def test_without_its_key_it_is_one_sentence_and_can_be_deleted(places: Places) -> None:
    kept(places)
    (places.keys / "fingerprint.key").write_bytes(os.urandom(32))
    found = shelf(places, NOW)
    assert found.prompts == []
    assert found.complaint is not None
    assert found.complaint.startswith("1 prompt saved under a key that is no longer here")
    kept(places, name="new")
    delete_closed(places)
    assert shelf(places, NOW).complaint is None
    assert names(places) == ["new"]


@pytest.mark.parametrize("damage", [b"", b"junk", b"hf-ledger prompt 1 \xff\n", None])
def test_a_damaged_file_is_counted_and_harms_no_other(places: Places, damage: bytes | None) -> None:
    kept(places)
    (path,) = files(places)
    kept(places, name="good")
    content = path.read_bytes()
    path.write_bytes(content[:-2] if damage is None else damage)
    assert names(places) == ["good"]
    assert shelf(places, NOW).closed == 1


def test_a_file_that_others_can_read_is_not_trusted(places: Places) -> None:
    kept(places)
    files(places)[0].chmod(0o644)
    assert shelf(places, NOW).closed == 1


def test_texts_of_two_uses_have_two_keys(places: Places) -> None:
    key = saved_prompts.ours(places)
    made = {saved_prompts.derived(key, use) for use in (b" text", b" name")}
    assert len(made) == 2
    assert key.secret not in made


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": " "}, "A name has 1 to 80"),
        ({"name": "x" * 81}, "A name has 1 to 80"),
        ({"name": "a\nb"}, "A name has 1 to 80"),
        ({"text": " \n"}, "no text to be saved"),
        ({"text": "x" * MOST_BYTES}, "may have 500,000 bytes"),
        ({"text": "\ud800"}, "characters that are none"),
    ],
)
def test_what_can_not_be_saved_is_said(places: Places, more: dict[str, Any], said: str) -> None:
    with pytest.raises(Usage, match=said):
        kept(places, **more)
    assert files(places) == []


def test_there_is_an_end_to_saving(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_prompts, "MOST_SAVED", 2)
    kept(places, name="one")
    kept(places, name="two")
    with pytest.raises(Usage, match="2 prompts are saved already"):
        kept(places, name="three")


def test_a_folder_that_is_none_is_one_sentence(places: Places) -> None:
    places.make()
    (places.root / "prompts").write_text("in the way")
    with pytest.raises(Unusable, match="can't be used"):
        kept(places)


def test_a_key_that_can_not_be_had_is_one_sentence(places: Places) -> None:
    places.make(places.keys)
    (places.keys / "fingerprint.key").write_bytes(b"short")
    with pytest.raises(Unusable, match="key can't be read or made"):
        kept(places)


def test_tabs_that_save_at_once_lose_nothing(places: Places) -> None:
    """Eight at the same time: each name is kept, and the one they share is whole."""

    def tab(number: int) -> None:
        for turn in range(3):
            kept(places, name=f"mine {number}", text=f"{number} {turn}")
            kept(places, name="shared", text=f"{number} {turn}")

    tabs = [threading.Thread(target=tab, args=(number,)) for number in range(8)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join(60)
    found = {each.name: each.text for each in shelf(places, NOW).prompts}
    assert found.pop("shared").endswith(" 2")
    assert found == {f"mine {number}": f"{number} 2" for number in range(8)}
    kept_files = {path.name for path in (places.root / "prompts").iterdir()}
    assert kept_files == {path.name for path in files(places)}  # no draft is left
