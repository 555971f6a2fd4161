"""docs/gateway.md says what the source does: codes, paths, headers, checks and figures."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from hf_ledger.ingest.doors.gateway import door, listening, passing, paths, upstream
from hf_ledger.ingest.doors.gateway.checks import concurrency, idempotency
from hf_ledger.ingest.doors.gateway.opening import Gateway, Plan
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
SOURCES = [*sorted((ROOT / "ingest/doors/gateway").rglob("*.py")), ROOT / "hf_ledger/mounted.py"]
#: Answers that are written before there is a request to refuse.
WRITTEN = {"headers_too_large": 431, "gateway_off": 503}
#: Answers to administrators, whose requests pass no checks.
ADMINISTRATION = {"not_possible", "not_kept"}


def section(heading: str) -> str:
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def codes_raised() -> dict[str, int]:
    """Each code of the gateway's own with its status, as the source has them."""
    found = {}
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                status, code = node.args[:2]
                assert isinstance(status, ast.Constant), f"{source.name}:{node.lineno}"
                assert isinstance(code, ast.Constant), f"{source.name}:{node.lineno}"
                found[str(code.value)] = int(str(status.value))
        for code in re.findall(r'"code":"(\w+)"', text):
            found[code] = WRITTEN[code]
    return found


def test_every_code_has_its_row_and_every_row_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| \S.* \|$", section("Errors"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a code twice"
    assert {code: int(status) for code, status in rows} == codes_raised()


def test_every_code_of_a_check_stands_beside_it() -> None:
    beside = set(re.findall(r"`(\w+)`", section("Checks")))
    late = {*WRITTEN, *ADMINISTRATION} | {
        code for code in codes_raised() if code.startswith("upstream_")
    }
    assert set(codes_raised()) - late <= beside


def test_checks_stand_in_their_order(tmp_path: Path) -> None:
    class Nobody:
        async def exchange(self, message: object) -> object: ...

        def close(self) -> None: ...

    gateway = Gateway(Places(tmp_path), Plan(), lambda: "", Nobody())  # type: ignore[arg-type]
    names = re.findall(r"^\| ([a-z ]+) \|", section("Checks"), re.MULTILINE)
    before = ["check", "path and headers", "authentication", "body"]
    assert names == [*before, *(each.name for each in gateway.door.checks)]


@pytest.mark.parametrize(
    "path", [*paths.POSTS, *paths.GETS, *paths.PROVIDERS, *sorted(paths.HARMLESS)]
)
def test_every_path_is_named(path: str) -> None:
    assert f"`{path}`" in section("Paths")


def test_every_header_kept_back_is_named() -> None:
    text = section("What is passed on")
    here = passing.NOT_RETURNED - passing.HOP_BY_HOP
    names = {*(passing.KEPT_BACK - passing.HOP_BY_HOP), *passing.KEPT_PREFIXES, *here}
    assert [name for name in sorted(names) if f"`{name.decode()}`" not in text] == []


def test_every_header_of_ours_is_named() -> None:
    source = "".join(each.read_text(encoding="utf-8") for each in SOURCES)
    labels = re.search(r"`x-hf-ledger-app`, (.*) say whom", TEXT)
    assert labels
    short = set(re.findall(r"`-(\w+)`", labels[1]))
    for name in set(re.findall(r'"x-hf-ledger-([a-z-]*[a-z])"', source)) - {"practice"}:
        assert name in short or f"`x-hf-ledger-{name}" in TEXT, name


@pytest.mark.parametrize(
    "figure",
    [
        f"{listening.MOST_HEAD_BYTES >> 10} KiB, whole within {listening.HEAD_SECONDS:g} s",
        f"{door.MOST_BYTES >> 20} MiB (`gateway_body_mib`), whole within {door.BODY_SECONDS:g} s",
        f"{Plan().silent_s:g} s (`gateway_silent_seconds`)",
        f"{concurrency.PER_KEY} a key, {concurrency.PER_PROCESS:,} a process",
        f"once in {idempotency.KEPT_SECONDS // 3600} hours",
        f"above {paths.LONGEST:,} bytes",
        f"on port {Settings.model_fields['gateway_port'].default}",
    ],
)
def test_every_figure_is_the_codes(figure: str) -> None:
    assert figure in TEXT


def test_the_defaults_are_the_gateways() -> None:
    said = upstream.Upstream.__init__.__kwdefaults__
    assert f"| connection to upstream | {said['connect_s']} s |" in TEXT
    assert f"| connections to upstream | {said['most']:,} a process |" in TEXT


@pytest.mark.parametrize(
    "name", ["budgets", "compliance", "audit", "replays", "security", "performance"]
)
def test_it_leads_on(name: str) -> None:
    assert f"]({name}.md)" in TEXT


def test_it_says_that_it_was_not_run_live() -> None:
    assert "not run live against Hugging Face" in TEXT
