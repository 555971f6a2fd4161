"""`hf-ledger import exchanges`: what it prints, what it leaves, and its exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from factories_wire import mapping_lookup, recorded

from hf_ledger.analytics.connect import connect
from hf_ledger.cli import main
from hf_ledger.ingest.places import Places


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text(
        "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines)
    )
    return path


def in_ledger(places: Places) -> int:
    with connect(places) as session:
        return sum(row["calls"] for row in session.ask("extent").to_pylist())


def test_an_import_says_what_it_brought(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "a.jsonl",
        mapping_lookup("a/b", "groq", "b", "conversational"),
        recorded("a", recorded_at="2026-08-01T10:00:00Z"),
        recorded("b", recorded_at="2026-08-03T10:00:00Z"),
    )
    assert main(["import", "exchanges", str(path)]) == 0
    said = capsys.readouterr().out
    assert "3 exchanges, 2 calls from 2026-08-01 to 2026-08-03 (UTC)." in said
    assert "1 were not calls: 1 look-ups of a model or its providers." in said
    assert "2 new in the ledger, 0 were there already." in said
    assert in_ledger(places) == 2


def test_a_second_import_adds_nothing(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.jsonl", recorded("a"), recorded("b"))
    assert main(["import", "exchanges", str(path)]) == 0
    assert main(["import", "exchanges", str(path)]) == 0
    assert "0 new in the ledger, 2 were there already." in capsys.readouterr().out
    assert in_ledger(places) == 2


def test_overlapping_files_count_each_exchange_once(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write(tmp_path / "1.jsonl", recorded("a"), recorded("b"))
    two = write(tmp_path / "2.jsonl", recorded("b"), recorded("c"))
    assert main(["import", "exchanges", str(one), str(two)]) == 0
    assert "3 new in the ledger, 1 were there already." in capsys.readouterr().out
    assert in_ledger(places) == 3


def test_imported_calls_are_of_origin_import(tmp_path: Path, places: Places) -> None:
    main(["import", "exchanges", str(write(tmp_path / "a.jsonl", recorded("a")))])
    with connect(places) as session:
        (row,) = session.ask("extent").to_pylist()
    assert (row["origin"], row["calls"]) == ("import", 1)


def test_explanations_are_written_for_each_exchange(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    path = write(tmp_path / "a.jsonl", mapping_lookup("a/b", "groq", "b", "c"), recorded("a"))
    assert main(["import", "exchanges", str(path), "--explain", str(out)]) == 0
    said = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(each["id"], each["is_inference_call"]) for each in said] == [
        ("map-groq", False),
        ("a", True),
    ]


def test_bad_lines_are_named_and_the_good_ones_kept(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "a.jsonl", recorded("a"), "MARKER broken", recorded("b"), '{"kind": "MARKER"}'
    )
    assert main(["import", "exchanges", str(path)]) == 1
    said = capsys.readouterr()
    assert "2 new in the ledger" in said.out
    assert f"{path}: 2 lines were left out, the rest is imported." in said.err
    assert "line 2: not JSON, or cut off" in said.err
    assert "line 4: not a recorded exchange" in said.err
    assert "MARKER" not in said.out + said.err
    assert "Traceback" not in said.err
    assert in_ledger(places) == 2


def test_only_so_many_bad_lines_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.jsonl", recorded("a"), *["broken"] * 50)
    assert main(["import", "exchanges", str(path)]) == 1
    said = capsys.readouterr().err
    assert "50 lines were left out" in said
    assert said.count("not JSON") == 20
    assert "and 30 more" in said


def test_a_truncated_archive_keeps_its_good_lines(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b"\n".join(json.dumps(recorded(str(n))).encode() for n in range(40))
    packed = gzip.compress(lines, compresslevel=0)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    assert main(["import", "exchanges", str(path)]) == 1
    said = capsys.readouterr()
    assert "the gzip archive ends too early" in said.err
    assert in_ledger(places) >= 20


@pytest.mark.parametrize(
    "content",
    [
        b"id,model,cost\n1,a,2\n",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
        b'[tool]\nname = "x"\n',
        b'{"a": 1}\n',
    ],
)
def test_a_file_of_another_kind_gets_one_sentence(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert main(["import", "exchanges", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"hf-ledger: {path} is a file of another kind")
    assert said.err.count("\n") == 1
    assert in_ledger(places) == 0


def test_an_empty_file_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").touch()
    assert main(["import", "exchanges", str(tmp_path / "empty")]) == 1
    assert "is empty" in capsys.readouterr().err


def test_a_bad_file_does_not_keep_a_good_one_out(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "good.jsonl", recorded("a"))
    bad = write(tmp_path / "bad.csv", "id,model")
    assert main(["import", "exchanges", str(bad), str(good)]) == 1
    said = capsys.readouterr()
    assert "1 new in the ledger" in said.out
    assert "bad.csv is a file of another kind" in said.err
    assert in_ledger(places) == 1


def test_a_missing_file_stops_before_anything_is_written(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "good.jsonl", recorded("a"))
    assert main(["import", "exchanges", str(good), str(tmp_path / "none")]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert not places.spool.exists()


def test_an_explanation_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "good.jsonl", recorded("a"))
    assert main(["import", "exchanges", str(good), "--explain", str(tmp_path)]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_nothing_of_the_content_is_on_disk(tmp_path: Path, places: Places) -> None:
    line = recorded("a")
    line["request"]["headers"]["Authorization"] = "Bearer hf_MARKERTOKEN"
    line["request"]["body"] = (
        '{"model": "a/b", "messages": [{"role": "user", "content": "MARKERPROMPT"}]}'
    )
    line["response"]["body"] = '{"choices": [{"message": {"content": "MARKERANSWER"}}]}'
    assert (
        main(["import", "exchanges", str(write(tmp_path / "a.jsonl", line, "MARKERBROKEN"))]) == 1
    )
    kept = [path for path in places.root.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"MARKER" in path.read_bytes()]


def test_the_settings_say_who_bills_and_which_servers_are_ones_own(
    tmp_path: Path, places: Places
) -> None:
    places.make()
    places.config.write_text(
        'own_key_providers = ["groq"]\n'
        '[targets.mine]\nkind = "self_hosted"\nurl = "http://llm.internal:8000/v1"\n'
    )
    own = recorded("own")
    own["request"]["url"] = "http://llm.internal:8000/generate"
    routed = recorded("routed")
    routed["request"]["url"] = "https://router.huggingface.co/groq/openai/v1/chat/completions"
    assert main(["import", "exchanges", str(write(tmp_path / "a.jsonl", own, routed))]) == 0
    lines = b"".join(path.read_bytes() for path in sorted(places.spool.glob("*.ndjson")))
    calls = [json.loads(line) for line in lines.splitlines() if b'"kind":"call"' in line]
    said = {call["external_id"]: (call["host_kind"], call["payer"]) for call in calls}
    assert said == {"own": ("self_hosted", "self"), "routed": ("router", "provider")}


def test_a_wrong_setting_stops_the_import_with_one_sentence(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    places.make()
    places.config.write_text("zome = 1\n")
    path = write(tmp_path / "a.jsonl", recorded("a"))
    assert main(["import", "exchanges", str(path)]) == 2
    assert "There is no setting zome" in capsys.readouterr().err
