"""Opening the ledger: exclusive, migrated, with reference data, and clear when it can't be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from factories_calls import make_call, spool

from hf_ledger.ingest.errors import Owned, Unusable
from hf_ledger.ingest.ledger import ledger as module
from hf_ledger.ingest.ledger.ledger import (
    Ledger,
    load_shipped,
    migrate,
    opened_here,
    reference_version,
    transaction,
)
from hf_ledger.ingest.ledger.migrations import MIGRATIONS
from hf_ledger.ingest.ledger.owner import announce, withdraw
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

HOLDER = """
import sys
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.owner import announce
from hf_ledger.ingest.places import Places

places = Places.default()
ledger = Ledger.open(places)
if len(sys.argv) > 1:
    announce(places, None, sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def hold(*arguments: str) -> subprocess.Popen[str]:
    """Another process that has the ledger open until its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    return child


def release(child: subprocess.Popen[str]) -> None:
    child.communicate(timeout=20)


def scalar(cursor: duckdb.DuckDBPyConnection, sql: str) -> object:
    (value,) = cursor.execute(sql).fetchone() or (None,)
    return value


@pytest.fixture
def memory() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


# -- a new ledger ----------------------------------------------------------------------------------


def test_open_makes_a_private_file_with_every_table(places: Places) -> None:
    with Ledger.open(places) as ledger:
        tables = {name for (name,) in ledger.cursor().execute("show tables").fetchall()}
    assert {"calls", "entries", "prefixes", "prices", "segments", "quarantine"} <= tables
    assert {"migrations", "reference"} <= tables
    assert stat.S_IMODE(places.ledger.stat().st_mode) == 0o600
    assert stat.S_IMODE(places.root.stat().st_mode) == 0o700


def test_reference_data_is_loaded_once_per_version(places: Places) -> None:
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        prices = scalar(cursor, "select count(*) from prices")
        assert isinstance(prices, int)
        assert prices > 100
        assert scalar(cursor, "select version from reference") == reference_version()
        loaded = scalar(cursor, "select loaded_at from reference")
    with Ledger.open(places) as again:
        cursor = again.cursor()
        assert scalar(cursor, "select count(*) from prices") == prices
        assert scalar(cursor, "select loaded_at from reference") == loaded


def test_another_version_loads_its_reference_data_and_keeps_what_was_learned(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = "insert into routes values ('a/b', 'p', 'x', null, '2026-08-01', 'mapping')"
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        cursor.execute(learned)
        cursor.execute("delete from models")
    monkeypatch.setattr(module, "reference_version", lambda: "later")
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        assert scalar(cursor, "select version from reference") == "later"
        assert scalar(cursor, "select count(*) from models") != 0
        assert scalar(cursor, "select count(*) from routes where model = 'a/b'") == 1
        assert scalar(cursor, "select count(*) from reference") == 1


def test_reference_data_that_fails_to_load_leaves_no_half(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_ledger.ingest.catalogue import load

    def broken(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute("delete from prices")
        raise FileNotFoundError("prices.csv")

    with Ledger.memory(reference=True) as ledger:
        cursor = ledger.cursor()
        before = scalar(cursor, "select count(*) from prices")
        monkeypatch.setattr(load, "load_reference", broken)
        monkeypatch.setattr(module, "reference_version", lambda: "later")
        with pytest.raises(FileNotFoundError):
            load_shipped(cursor)
        assert scalar(cursor, "select count(*) from prices") == before


def test_what_was_kept_is_there_again(places: Places) -> None:
    with Ledger.open(places) as ledger:
        spool(places, [make_call()])
        collect(ledger, places)
    with Ledger.open(places) as ledger:
        assert scalar(ledger.cursor(), "select count(*) from calls") == 1


def test_times_are_utc_whatever_the_machine_says(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        assert scalar(cursor, "select current_setting('TimeZone')") == "UTC"
        applied = scalar(cursor, "select applied_at from migrations")
    now = datetime.now(UTC).replace(tzinfo=None)
    assert isinstance(applied, datetime)
    assert abs((now - applied).total_seconds()) < 60


def test_a_memory_ledger_has_the_same_tables_and_no_file(tmp_path: Path) -> None:
    with Ledger.memory() as ledger:
        assert ledger.path is None
        assert scalar(ledger.cursor(), "select count(*) from calls") == 0
        assert scalar(ledger.cursor(), "select count(*) from prices") == 0
    assert not (tmp_path / "ledger").exists()


def test_cursors_have_temporary_tables_of_their_own() -> None:
    with Ledger.memory() as ledger:
        one, two = ledger.cursor(), ledger.cursor()
        one.execute("create temp table staged as select 1 as a")
        with pytest.raises(duckdb.CatalogException):
            two.execute("from staged")


def test_threads_may_ask_at_once() -> None:
    with Ledger.memory(reference=True) as ledger:
        found: list[object] = []

        def ask() -> None:
            cursor = ledger.cursor()
            found.extend(scalar(cursor, "select count(*) from prices") for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 120
        assert len(set(found)) == 1


# -- one owner -------------------------------------------------------------------------------------


def test_a_second_process_gets_one_sentence_with_pid_and_address(places: Places) -> None:
    child = hold("http://127.0.0.1:8501")
    try:
        with pytest.raises(Owned) as caught:
            Ledger.open(places)
    finally:
        release(child)
    sentence = str(caught.value)
    assert f"pid {child.pid}" in sentence
    assert "http://127.0.0.1:8501" in sentence
    assert str(places.root) in sentence
    assert "\n" not in sentence
    with Ledger.open(places) as ledger:
        assert opened_here(places) is ledger


def test_an_owner_that_announced_nothing_is_named_by_its_pid(places: Places) -> None:
    child = hold()
    try:
        with pytest.raises(Owned, match=f"pid {child.pid}"):
            Ledger.open(places)
    finally:
        release(child)


def test_a_killed_owner_leaves_the_ledger_free(places: Places) -> None:
    child = hold("http://127.0.0.1:1")
    child.kill()
    child.communicate()
    assert places.owner.exists()
    with Ledger.open(places) as ledger:
        assert scalar(ledger.cursor(), "select count(*) from calls") == 0


def test_the_same_process_can_not_open_it_twice(places: Places) -> None:
    with Ledger.open(places) as ledger:
        assert opened_here(places) is ledger
        with pytest.raises(Owned, match="already open in this process"):
            Ledger.open(places)
    assert opened_here(places) is None


def test_two_places_can_be_open_at_once(places: Places) -> None:
    with Ledger.open(places) as own, Ledger.open(places.sample) as sample:
        assert own.path != sample.path
        assert opened_here(places.sample) is sample


def test_a_forked_child_does_not_take_the_parents_ledger_for_its_own(places: Places) -> None:
    with Ledger.open(places):
        child = os.fork()
        if not child:
            os._exit(0 if opened_here(places) is None else 1)
        _, state = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(state) == 0


def test_announcing_does_not_let_the_lock_go(places: Places) -> None:
    with Ledger.open(places):
        announce(places, None)
        places.ledger.stat()
        code = """
            from hf_ledger.ingest.errors import Owned
            from hf_ledger.ingest.ledger.ledger import Ledger
            from hf_ledger.ingest.places import Places
            try:
                Ledger.open(Places.default())
            except Owned:
                print("owned")
        """
        told = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True)
        withdraw(places)
    assert told == "owned\n"


# -- files in the way ------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"this is no database" * 500, b"\x00" * 8192])
def test_a_file_that_is_no_ledger_is_left_alone(places: Places, content: bytes) -> None:
    places.make()
    places.ledger.write_bytes(content)
    with pytest.raises(Unusable) as caught:
        Ledger.open(places)
    assert not isinstance(caught.value, Owned)
    assert "spool/" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert places.ledger.read_bytes() == content
    assert opened_here(places) is None


def test_a_truncated_ledger_says_how_to_refill_it(places: Places) -> None:
    with Ledger.open(places):
        pass
    os.truncate(places.ledger, 5_000)
    with pytest.raises(Unusable, match="refills it"):
        Ledger.open(places)


def test_a_flipped_header_says_how_to_refill_it_and_the_advice_works(places: Places) -> None:
    spool(places, [make_call(), make_call()])
    with Ledger.open(places) as ledger:
        collect(ledger, places)
    data = bytearray(places.ledger.read_bytes())
    for at in range(4096, 12_288, 16):
        data[at] ^= 0x40
    places.ledger.write_bytes(data)
    with pytest.raises(Unusable, match="move it"):
        Ledger.open(places)
    places.ledger.rename(places.root / "damaged.duckdb")
    with Ledger.open(places) as ledger:
        assert collect(ledger, places).new == 2


def test_a_folder_that_cannot_be_made(places: Places) -> None:
    places.root.write_text("a file stands where the folder should be")
    with pytest.raises(Unusable, match="HF_LEDGER_DIR"):
        Ledger.open(places)


def test_a_folder_without_permission_is_one_sentence(places: Places) -> None:
    places.make()
    places.root.chmod(0o500)
    code = """
        import os
        from hf_ledger.ingest.errors import Unusable
        from hf_ledger.ingest.ledger.ledger import Ledger
        from hf_ledger.ingest.places import Places
        import hf_ledger.ingest.catalogue.load
        places = Places.default()
        if os.getuid() == 0:
            os.setuid(65534)  # root may write anywhere
        try:
            Ledger.open(places)
        except Unusable as error:
            print(error)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert "make its folder writable" in told.stdout, told.stderr
    assert told.stdout.count("\n") == 1


# -- migrations ------------------------------------------------------------------------------------


def first(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create table a (x integer)")


def second(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into a values (1)")


def failing(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into a values (2)")
    connection.execute("select error('half way')").fetchall()


def applied(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    return connection.execute("select number, name from migrations order by number").fetchall()


def test_each_step_is_applied_once_and_recorded(memory: duckdb.DuckDBPyConnection) -> None:
    migrate(memory, [first])
    assert applied(memory) == [(1, "first")]
    migrate(memory, [first, second])
    migrate(memory, [first, second])
    assert applied(memory) == [(1, "first"), (2, "second")]
    assert memory.execute("from a").fetchall() == [(1,)]


def test_a_step_that_fails_leaves_nothing_and_the_earlier_ones_stay(
    memory: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.Error, match="half way"):
        migrate(memory, [first, second, failing])
    assert applied(memory) == [(1, "first"), (2, "second")]
    assert memory.execute("from a").fetchall() == [(1,)]
    migrate(memory, [first, second, second])
    assert applied(memory)[-1] == (3, "second")


def test_a_ledger_of_a_newer_version_is_refused_and_untouched(places: Places) -> None:
    with Ledger.open(places) as ledger:
        later = len(MIGRATIONS) + 1
        ledger.cursor().execute("insert into migrations values (?, 'later', now())", [later])
    with pytest.raises(Unusable) as caught:
        Ledger.open(places)
    assert "newer hf-ledger" in str(caught.value)
    assert "upgrade" in str(caught.value)
    assert str(places.ledger) in str(caught.value)
    with duckdb.connect(places.ledger, read_only=True) as found:
        assert scalar(found, "select max(number) from migrations") == later


def test_a_transaction_keeps_all_or_nothing(memory: duckdb.DuckDBPyConnection) -> None:
    migrate(memory, [first])
    with transaction(memory):
        memory.execute("insert into a values (1)")
    with pytest.raises(ValueError, match="no"), transaction(memory):
        memory.execute("insert into a values (2)")
        raise ValueError("no")
    assert memory.execute("from a").fetchall() == [(1,)]
