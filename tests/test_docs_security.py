"""docs/security.md proves what it says: every protection names a test, and each test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(test_\w+)`", TEXT)))
THREATS = {
    part.split("\n")[0]: part.split("\n", 1)[1]
    for part in TEXT.split("\n## Threats\n")[1].split("\n### ")[1:]
}
WHO = (
    "root",
    "the ledger's user",
    "an administrator",
    "the holder of a `call` key",
    "the holder of an `admin` key",
    "the holder of a `host` key",
    "a client program",
    "Hugging Face",
    "a provider",
    "a web page",
    "another user",
    "the network",
)
STOLEN = (
    "a disk or a backup",
    "`ledger.duckdb`",
    "the spool",
    "`run/gateway.json`",
    "the audit",
    "the journal",
    "the encryption key",
    "a gateway key",
    "an admin's key",
    "a hash key",
    "the audit's signing key",
    "a dump of a gateway's memory",
)
FEARED = (
    "key",
    "token",
    "where a request goes",
    "Bytes",
    "Upstream",
    "another",
    "spent",
    "leaves the house",
    "web page",
    "user of the machine",
    "network",
    "flooded",
    "logs",
    "tracks",
)


@cache
def written_in(name: str) -> frozenset[str]:
    """The tests of a file; those of a class and nested ones are none."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


@pytest.mark.parametrize(("file", "test"), NAMED, ids=lambda each: each.removeprefix("tests/"))
def test_every_test_that_is_named_exists(file: str, test: str) -> None:
    assert test in written_in(file)


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_has_protections_with_their_tests_and_limits(threat: str) -> None:
    lines = [line for line in THREATS[threat].splitlines() if line.startswith("- ")]
    assert len(lines) >= 2
    assert [line for line in lines if "::test_" not in line] == []
    assert re.search(r"^Limits: \S", THREATS[threat], re.MULTILINE)


@pytest.mark.parametrize("feared", FEARED)
def test_every_threat_is_there(feared: str) -> None:
    assert any(feared in threat for threat in THREATS)


@pytest.mark.parametrize("row", [*WHO, *STOLEN])
def test_everybody_and_everything_has_a_row(row: str) -> None:
    assert f"\n| {row}" in TEXT


def test_the_gateways_own_security_tests_are_all_named() -> None:
    """Whoever tries something more says so where it is read."""
    file = "tests/test_ingest_doors_gateway_security.py"
    assert written_in(file) >= {test for name, test in NAMED if name == file}
    tests = {name for name in written_in(file) if name.startswith("test_")}
    assert tests == {test for name, test in NAMED if name == file}
