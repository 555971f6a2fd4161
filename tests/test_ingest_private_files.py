"""Small private files: written whole and 0600, and not read where others could read or write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.private_files import read_private, replace_private


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for content in (b"one", b"", b"three" * 1000):
        replace_private(path, content)
        assert read_private(path) == content
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_it_is_private_whatever_the_umask_and_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.touch(mode=0o666)
    before = os.umask(0)
    try:
        replace_private(path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_bears_the_moment_it_is_given(tmp_path: Path) -> None:
    replace_private(tmp_path / "kept", b"x", moment_ns=1_000_000_007)
    assert (tmp_path / "kept").stat().st_mtime_ns == 1_000_000_007


def test_a_failed_write_leaves_the_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(OSError, match="kept"):
        replace_private(path, b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610, 0o601])
def test_a_file_that_others_could_read_or_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kept"
    replace_private(path, b"secret-of-the-file")
    path.chmod(mode)
    with pytest.raises(Unusable, match="chmod 600") as caught:
        read_private(path)
    assert "secret-of-the-file" not in repr(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ones_own_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kept"
    replace_private(path, b"x")
    path.chmod(mode)
    assert read_private(path) == b"x"


def test_a_file_of_somebody_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    replace_private(path, b"x")
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(Unusable, match="another user"):
        read_private(path)


def test_what_is_no_file_is_one_sentence_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Unusable, match="is no file"):
        read_private(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(Unusable, match=r"can't be read|is no file"):
            read_private(path)
