"""docs/router.md: its programs run, and its tables are those of the source."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from factories_practice import Practice, calls, practice_server
from test_ingest_doors_router_faults import COURSES

from benchmarks.route_faults import FAULTS
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.attempts import LAST, SOME
from hf_ledger.ingest.doors.router.routed import Attempt, Next, Routed
from hf_ledger.ingest.doors.router.wanted import POLICIES, Wanted
from hf_ledger.ingest.places import Places

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "router.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(SETTINGS,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """Cells of all tables below a heading, without their heads."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    cells = [[each.strip() for each in line] for line in lines]
    heads = [at for at, line in enumerate(cells) if set(line[0]) <= set("-:")]
    return [line for at, line in enumerate(cells) if at not in heads and at + 1 not in heads]


@pytest.fixture
def practice(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    with practice_server() as running:
        here = f'kind = "router"\nurl = "{running.url}"\nmodel ='
        places.make()
        places.config.write_text(
            f'router_url = "{running.url}"\n' + SETTINGS.replace("model =", here)
        )
        yield running
    stop()


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_each_program_runs(
    practice: Practice, places: Places, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    names: dict[str, Any] = {}
    exec(compile(program, "docs/router.md", "exec"), names)
    if "main" in names:
        asyncio.run(names["main"]())
    assert capsys.readouterr().out
    assert [each.outcome for each in calls(places)] == ["ok"]


def test_every_wish_is_there() -> None:
    named = [name for row in rows("Quick start") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(each.name for each in fields(Wanted))
    defaults = Wanted()
    assert f"{defaults.total_s:g} and {defaults.attempt_s:g}" in TEXT
    assert f"at most, over all targets; {defaults.attempts} |" in TEXT


def test_every_word_of_a_result_is_there() -> None:
    assert {row[0].strip("`") for row in rows("What a result says")} == set(get_args(Next))
    section = TEXT.split("\n## What a result says\n")[1].split("\n## ")[0]
    for each in (*fields(Routed), *fields(Attempt)):
        assert f"`{each.name}`" in section, each.name


def test_the_table_of_failures_is_what_the_router_does() -> None:
    told = rows("What happens with each failure")
    assert [row[0] for row in told] == [*FAULTS, *FAULTS]
    for row in told[: len(FAULTS)]:
        if row[0] in COURSES:
            assert row[1] == COURSES[row[0]][0]
        assert len(row) == 3 + len(POLICIES)
    for row in told[len(FAULTS) :]:
        if row[0] in COURSES:
            _, alone, streamed = COURSES[row[0]]
            assert alone in (row[1], None)
            assert row[7] == streamed


def test_figures_are_those_of_the_source() -> None:
    assert SOME == 0.25 and f"a quarter of its last {LAST} requests" in TEXT
