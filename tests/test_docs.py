"""The documentation is tested: what a user can type, set or read appears in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hf_ledger.cli.commands import COMMANDS
from hf_ledger.cli.reference import reference
from hf_ledger.ingest.ledger import migrations

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def documents() -> list[Path]:
    return [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_the_command_reference_is_what_the_commands_say() -> None:
    assert text("commands.md") == reference(), "run: make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    section = text("commands.md").split(f"## `hf-ledger {command}`")[1].split("\n## ")[0]
    assert COMMANDS[command].help or section
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    assert [name for name, meaning in rows if not meaning] == [], "options without a meaning"


def columns() -> list[str]:
    found: list[str] = []
    for table in migrations.TABLES:
        if table is migrations.ENTRIES:
            continue
        body = table.split("(", 1)[1]
        found += re.findall(r"^    (\w+) ", body, re.MULTILINE)
    return found


def test_every_column_is_documented() -> None:
    storage = text("storage.md")
    missing = [c for c in columns() if f"`{c}`" not in storage]
    assert not missing, f"docs/storage.md does not explain {missing}"


def test_links_lead_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in documents()
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8"))
        if not target.startswith("http") and not (document.parent / target).exists()
    ]
    assert not broken


def test_index_names_every_document() -> None:
    index = text("index.md")
    assert [p.name for p in DOCS.glob("*.md") if p.name not in index and p.name != "index.md"] == []


def test_every_setting_is_documented() -> None:
    from hf_ledger.settings import Settings

    settings = text("settings.md")
    missing = [name for name in Settings.model_fields if f"`{name}`" not in settings]
    assert not missing, f"docs/settings.md does not explain {missing}"


def test_every_page_is_documented() -> None:
    dashboard = text("dashboard.md")
    pages = [p.stem for p in (ROOT / "dashboard" / "views").glob("*.py") if p.stem != "__init__"]
    missing = [p for p in pages if p not in dashboard.lower()]
    assert not missing, f"docs/dashboard.md does not mention the pages {missing}"


def test_every_question_is_documented() -> None:
    from hf_ledger.analytics.questions import QUESTIONS

    questions = text("questions.md")
    missing = [q for q in QUESTIONS if f"`{q}`" not in questions]
    assert not missing, f"docs/questions.md does not explain {missing}"


def test_changelog_speaks_of_this_version() -> None:
    from hf_ledger import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_nothing_names_a_machine_or_a_token() -> None:
    pattern = re.compile(r"/[w]ork/|/[t]mp/bash|hf_[A-Za-z0-9]{30,}|--(?:extra-)?index-[u]rl")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    found = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".csv", ".html", ""} and path.is_file():
            found += [name] if pattern.search(path.read_text("utf-8", errors="replace")) else []
    assert not found
