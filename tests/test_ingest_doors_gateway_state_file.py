"""`run/gateway.json`: written whole, private, and seen by whoever watches it with the next look."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.state import Budget, Key, Limits, Price, State
from hf_ledger.ingest.doors.gateway.state_file import Watched, publish
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

NAMES = st.text(min_size=1, max_size=12)


def key(key_id: str = "00000001", **scope: object) -> Key:
    return Key(key_id=key_id, key_hash="0" * 64, name="a", **scope)  # type: ignore[arg-type]


def named(*key_ids: str) -> State:
    return State(keys=tuple(map(key, key_ids)))


def ids(state: State) -> list[str]:
    return [each.key_id for each in state.keys]


def test_what_is_published_is_read(places: Places) -> None:
    state = State(
        zone="Europe/Berlin",
        keys=(key(team="search", models=("meta-llama/*",), limits=Limits(capacity=3)),),
        teams={"search": Limits(per_second=0.5)},
        budgets=(Budget(budget_id="b", dimension="key", value="00000001", usd="0.1"),),
        prices=(Price(provider="novita", model="o/m", price_id="p", input="0.1"),),
    )
    publish(places, state)
    assert Watched(places.gateway_state).now() == state


@settings(max_examples=40, deadline=None)
@given(states=st.lists(st.lists(NAMES, max_size=3).map(lambda found: named(*found)), max_size=5))
def test_the_last_state_published_is_the_state(
    tmp_path_factory: pytest.TempPathFactory, states: list[State]
) -> None:
    places = Places(tmp_path_factory.mktemp("law"))
    watched = Watched(places.gateway_state)
    assert watched.now() == State()
    for state in states:
        publish(places, state)
        assert watched.now() == state


def test_only_its_user_can_read_it(places: Places) -> None:
    before = os.umask(0)
    try:
        publish(places, State())
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(each.stat().st_mode) for each in (places.gateway_state.parent, places.root)
    ]
    assert stat.S_IMODE(places.gateway_state.stat().st_mode) == 0o600
    assert modes == [0o700, 0o700]


def test_nothing_else_is_left_behind(places: Places) -> None:
    for number in range(3):
        publish(places, named(str(number)))
    assert [each.name for each in places.gateway_state.parent.iterdir()] == ["gateway.json"]


def test_a_folder_that_can_not_be_written_is_one_sentence(places: Places) -> None:
    places.make()
    places.gateway_state.parent.write_text("a file")
    with pytest.raises(Unusable, match="gateways can't be told"):
        publish(places, State())


def test_states_of_one_size_in_a_row_are_each_seen(places: Places) -> None:
    """The kernel's clock stands for milliseconds, and a freed inode is taken again at once."""
    watched = Watched(places.gateway_state)
    for number in range(300):
        publish(places, named(f"{number:08d}"))
        assert ids(watched.now()) == [f"{number:08d}"]


def test_each_version_is_later_than_the_last_whatever_the_clock_says(places: Places) -> None:
    publish(places, named("1"))
    ahead = time.time_ns() + 3_600_000_000_000
    os.utime(places.gateway_state, ns=(ahead, ahead))
    publish(places, named("2"))
    assert places.gateway_state.stat().st_mtime_ns > ahead


def test_without_a_file_there_are_no_keys(places: Places) -> None:
    watched = Watched(places.gateway_state)
    assert watched.now() == State()
    publish(places, named("1"))
    assert ids(watched.now()) == ["1"]
    places.gateway_state.unlink()
    assert watched.now() == State()
    publish(places, named("2"))
    assert ids(watched.now()) == ["2"]


@pytest.mark.parametrize("broken", [b"", b"{", b'{"keys": [{}]}', b"\xff\xfe", b"[]"])
def test_a_broken_file_keeps_the_last_good_state_and_is_said_once(
    places: Places, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    publish(places, named("1"))
    watched = Watched(places.gateway_state)
    watched.now()
    places.gateway_state.write_bytes(broken)
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        for _ in range(5):
            assert ids(watched.now()) == ["1"]
    assert len(caplog.records) == 1
    publish(places, named("2"))
    assert ids(watched.now()) == ["2"]


def test_a_broken_file_at_the_start_lets_nobody_in(places: Places) -> None:
    publish(places, State())
    places.gateway_state.write_bytes(b"{")
    assert Watched(places.gateway_state).now() == State()


def test_what_can_not_even_be_looked_at_is_said_once(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    places.make()
    (places.root / "run").write_text("a file where the folder should be")
    watched = Watched(places.gateway_state)
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        for _ in range(3):
            assert watched.now() == State()
    assert len(caplog.records) == 1


def test_it_is_decoded_only_when_it_changed(places: Places) -> None:
    publish(places, named("1"))
    watched = Watched(places.gateway_state)
    assert watched.now() is watched.now()


def test_a_look_at_an_unchanged_file_is_cheap(places: Places) -> None:
    """2 µs on the machine it was made for; ten times that fails here."""
    publish(places, named("1"))
    watched = Watched(places.gateway_state)
    watched.now()
    fastest = min(_microseconds(watched) for _ in range(5))
    assert fastest < 20


def _microseconds(watched: Watched, times: int = 2000) -> float:
    start = time.perf_counter()
    for _ in range(times):
        watched.now()
    return (time.perf_counter() - start) / times * 1e6


def test_readers_never_see_half_a_file(places: Places) -> None:
    """Four readers look all the time while two states take turns."""
    whole = [named(*map(str, range(300))), named(*map(str, range(300, 301)))]
    publish(places, whole[0])
    stopping, seen = threading.Event(), []

    def look() -> None:
        watched = Watched(places.gateway_state)
        while not stopping.is_set():
            seen.append(len(watched.now().keys))

    readers = [threading.Thread(target=look) for _ in range(4)]
    for each in readers:
        each.start()
    for turn in range(100):
        publish(places, whole[turn % 2])
    stopping.set()
    for each in readers:
        each.join(5)
    assert set(seen) <= {300, 1}


LOOK = """
import sys
from pathlib import Path
from hf_ledger.ingest.doors.gateway.state_file import Watched
watched = Watched(Path(sys.argv[1]))
for _ in sys.stdin:
    print(",".join(key.key_id for key in watched.now().keys), flush=True)
heavy = {"duckdb", "pandas", "streamlit", "pyarrow"} & set(sys.modules)
print(sorted(heavy), flush=True)
"""


def test_another_process_sees_a_key_go_at_once_and_needs_no_ledger(places: Places) -> None:
    publish(places, named("1", "2"))
    with subprocess.Popen(
        [sys.executable, "-c", LOOK, str(places.gateway_state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdin
        assert process.stdout

        def look() -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert look() == "1,2"
        for number in range(20):
            publish(places, named("1"))
            assert look() == "1", number
            publish(places, named("1", "2"))
            assert look() == "1,2", number
        process.stdin.close()
        assert process.stdout.read().strip() == "[]"
