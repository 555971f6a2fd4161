"""The command line itself: help, unknown commands, exit codes, and the base install."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hf_ledger.cli import main
from hf_ledger.cli.commands import BASE, COMMANDS
from hf_ledger.ingest.errors import Incomplete, LedgerError, Owned, Unusable, Usage


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hf_ledger.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "TERM": "dumb", **environment},
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_resolves(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_help_lists_every_command_and_loads_none() -> None:
    code = (
        "import sys; from hf_ledger.cli import main; main(['--help']);"
        "heavy = ('duckdb', 'pandas', 'streamlit', 'pyarrow');"
        "print('LOADED', [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert all(name in done.stdout for name in COMMANDS)


def test_help_is_quick(tmp_path: Path) -> None:
    """A generous ceiling: the measured figure stands in the performance page."""
    run("--help")
    begun = time.perf_counter()
    assert run("--help").returncode == 0
    assert time.perf_counter() - begun < 5


def test_unknown_command_is_used_wrongly_and_gets_a_hint() -> None:
    done = run("spned")
    assert done.returncode == 2
    assert "Did you mean spend?" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_option_is_used_wrongly() -> None:
    done = run("spend", "--nope")
    assert done.returncode == 2
    assert "--nope" in done.stderr
    assert "Traceback" not in done.stderr


def test_version() -> None:
    from hf_ledger import __version__

    assert run("--version").stdout.strip() == f"hf-ledger {__version__}"


def test_no_arguments_show_help() -> None:
    assert "Usage" in run().stdout + run().stderr


@pytest.mark.parametrize(
    ("error", "code"), [(Usage, 2), (Unusable, 2), (Owned, 2), (Incomplete, 1), (LedgerError, 2)]
)
def test_errors_are_one_sentence_with_their_exit_code(
    error: type[LedgerError],
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error("the ledger is somewhere else; name it with HF_LEDGER_DIR")

    monkeypatch.setattr("hf_ledger.cli.dispatch", fail)
    assert main(["spend"]) == code
    assert capsys.readouterr().err == (
        "hf-ledger: the ledger is somewhere else; name it with HF_LEDGER_DIR\n"
    )


def test_without_the_server_extra_a_command_says_what_to_install(tmp_path: Path) -> None:
    """Modules set to None stand for an environment that lacks them."""
    code = (
        "import sys\n"
        "sys.modules['typer'] = sys.modules['duckdb'] = None\n"
        "from hf_ledger.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "spend"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'hf-ledger[server]'" in done.stderr
    listing = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False
    )
    assert listing.returncode == 0
    assert all(name in listing.stdout for name in BASE)
