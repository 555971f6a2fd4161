"""Reports in files: all or none, in place at once, named for what they are."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories_questions import asked, priced

from hf_ledger.analytics.report import WeeklyReport, weekly
from hf_ledger.dashboard.report.files import FORMATS, file_name, replace, save
from hf_ledger.ingest.errors import Unusable, Usage

MONDAY = datetime(2026, 8, 17, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def report() -> WeeklyReport:
    return weekly(asked([priced("1")]), "2026-W33", now=MONDAY)


def test_both_formats_are_written(report: WeeklyReport, tmp_path: Path) -> None:
    paths = save(report, tmp_path / "new" / "folder", ["html", "xlsx"])
    assert [path.name for path in paths] == ["hf-ledger-2026-W33.html", "hf-ledger-2026-W33.xlsx"]
    assert paths[0].read_bytes().startswith(b"<!doctype html>")
    assert paths[1].read_bytes().startswith(b"PK")
    assert sorted(each.name for each in (tmp_path / "new" / "folder").iterdir()) == [
        path.name for path in paths
    ]


def test_a_second_time_replaces_the_first(report: WeeklyReport, tmp_path: Path) -> None:
    (path,) = save(report, tmp_path, ["html"])
    path.write_text("old")
    assert save(report, tmp_path, ["html"]) == [path]
    assert path.read_text().startswith("<!doctype html>")


def test_an_unknown_format_writes_nothing(report: WeeklyReport, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="unknown report format 'pdf'; there are html, xlsx"):
        save(report, tmp_path / "out", ["html", "pdf"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(report: WeeklyReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unusable, match=r"can't be written to .*file.*: give another --out"):
        save(report, tmp_path / "file", ["html"])


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()  # a folder of that name can't be replaced by a file
    (tmp_path / "report.html" / "kept").write_text("x")
    with pytest.raises(OSError, match="directory"):
        replace(target, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"old" * 1000)
    with path.open("rb") as reader:
        replace(path, b"new")
        assert reader.read() == b"old" * 1000
    assert path.read_bytes() == b"new"


def test_reports_are_their_users_own(report: WeeklyReport, tmp_path: Path) -> None:
    (path,) = save(report, tmp_path, ["xlsx"])
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("origins", "name"),
    [
        (("sample",), "hf-ledger-sample-data-2026-W33.html"),
        (("practice",), "hf-ledger-practice-server-2026-W33.html"),
        (("live", "import"), "hf-ledger-2026-W33.html"),
    ],
)
def test_the_name_says_whose_figures_they_are(origins: tuple[str, ...], name: str) -> None:
    labelled = weekly(asked(), "2026-W33", now=MONDAY, origins=origins)
    assert file_name(labelled, "html") == name


def test_every_format_renders_an_empty_week() -> None:
    empty = weekly(asked(), "2026-W33", now=MONDAY)
    assert all(len(render(empty)) > 1000 for render in FORMATS.values())
