"""`hf-ledger record -- COMMAND`, and the package's own front door."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from factories_practice import Practice, calls, only_call, practice_server, recorded

import hf_ledger
from hf_ledger.cli.record import recorded as recorded_environment
from hf_ledger.ingest.call import Recorder
from hf_ledger.ingest.places import Places

PROGRAM = """
import sys
import ingest, analytics, data
assert (ingest.MINE, analytics.MINE, data.MINE) == ("ingest", "analytics", "data")
import httpx2
httpx2.post(sys.argv[1] + "/v1/chat/completions", json={"model": "a/b", "messages": []})
print("arguments", sys.argv[2:])
sys.exit(7)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's program with packages of its own named as ours are inside."""
    folder = tmp_path / "project"
    for name in ("ingest", "analytics", "data"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"MINE = {name!r}\n")
    (folder / "app.py").write_text(PROGRAM)
    return folder


def wrapped(
    project: Path,
    server: Practice,
    *command: str,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "hf_ledger.cli", "record", "--host", f"{server.host}=router"]
    return subprocess.run(
        [*line, *options, "--", *command],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )


def test_a_program_with_our_folder_names_is_recorded_unchanged(
    project: Path, server: Practice, places: Places
) -> None:
    options = (
        "--app",
        "billing",
        "--team",
        "finance",
        "--user",
        "u",
        "--tag",
        "a=1",
        "--tag",
        "b=2",
    )
    done = wrapped(project, server, sys.executable, "app.py", server.url, "--x", options=options)
    assert (done.returncode, done.stdout) == (7, "arguments ['--x']\n")
    assert done.stderr == ""
    call = only_call(places)
    assert (call.app, call.team, call.user_id) == ("billing", "finance", "u")
    assert call.tags == {"a": "1", "b": "2"}
    assert call.origin == "practice"


def test_python_programs_started_by_the_command_are_recorded_too(
    project: Path, server: Practice, places: Places
) -> None:
    shell = f"{sys.executable} app.py {server.url}; {sys.executable} app.py {server.url}; exit 3"
    done = wrapped(project, server, "sh", "-c", shell)
    assert done.returncode == 3
    assert len(calls(places)) == 2
    pids = {line.pid for line in recorded(places) if isinstance(line, Recorder)}
    assert len(pids) == 2


def test_the_programs_own_sitecustomize_runs_and_the_path_is_clean(
    project: Path, server: Practice
) -> None:
    (project / "sitecustomize.py").write_text("import builtins; builtins.OWN = 'ran'\n")
    code = (
        "import sys, sitecustomize as own\n"
        "print(OWN, own.__file__, any('hook/site' in entry for entry in sys.path))"
    )
    done = wrapped(
        project, server, sys.executable, "-c", code, environment={"PYTHONPATH": str(project)}
    )
    assert done.stdout.split() == ["ran", str(project / "sitecustomize.py"), "False"]


def test_a_broken_sitecustomize_of_the_program_stays_its_own_matter(
    project: Path, server: Practice
) -> None:
    (project / "sitecustomize.py").write_text("import nothing_of_that_name\n")
    done = wrapped(
        project, server, sys.executable, "-c", "print(1)", environment={"PYTHONPATH": str(project)}
    )
    assert done.stdout == "1\n"
    assert "nothing_of_that_name" in done.stderr


def bare_environment(tmp_path: Path) -> Path:
    """A virtual environment that lacks hf-ledger and everything else."""
    folder = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_an_environment_without_hf_ledger_borrows_it(
    project: Path, server: Practice, tmp_path: Path
) -> None:
    python = bare_environment(tmp_path)
    code = (
        "import hf_ledger.ingest.doors.hook.recording as r\n"
        "from importlib.util import find_spec\n"
        "print(r.active.hook is not None, [n for n in ('ingest', 'duckdb') if find_spec(n)])"
    )
    done = wrapped(tmp_path, server, str(python), "-c", code)
    assert (done.stdout, done.stderr) == ("True []\n", "")


def test_where_it_cannot_record_it_says_so_and_runs_the_program(
    server: Practice, tmp_path: Path
) -> None:
    python = bare_environment(tmp_path)
    given = {"app": None, "tag": [], "host": []}
    environment = recorded_environment(os.environ, given) | {
        "HF_LEDGER_HOMES": "hf_ledger=/nowhere"
    }
    done = subprocess.run(
        [str(python), "-c", "print('still ran')"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "still ran\n"
    assert done.stderr.startswith("hf-ledger: not recording: Python 3.")
    assert "cannot load hf_ledger; install hf-ledger there." in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ((), "Say which program to record"),
        (("no-such-program",), "'no-such-program' cannot be run: No such file or directory."),
    ],
)
def test_wrong_use_is_one_sentence(
    project: Path, server: Practice, command: tuple[str, ...], sentence: str
) -> None:
    done = wrapped(project, server, *command)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_kind_that_does_not_exist_is_said_before_the_program_runs(
    project: Path, server: Practice
) -> None:
    options = ("--host", "h:1=gpu")
    done = wrapped(project, server, sys.executable, "app.py", options=options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'gpu' is no kind of host" in done.stderr


def test_signals_reach_the_program(project: Path, server: Practice) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert wrapped(project, server, sys.executable, "-c", code).returncode == -15


def test_the_environment_is_added_to_and_not_replaced() -> None:
    before = {"PYTHONPATH": "/mine", "HF_LEDGER_TAGS": "a=1", "HOME": "/home/me"}
    given = {"app": "x", "team": None, "tag": ["b=2"], "host": ["h:1"]}
    made = recorded_environment(before, given)
    assert made["PYTHONPATH"].split(os.pathsep)[1:] == ["/mine"]
    assert (made["HF_LEDGER_APP"], made["HF_LEDGER_TAGS"]) == ("x", "a=1,b=2")
    assert made["HF_LEDGER_HOSTS"] == "h:1"
    assert "HF_LEDGER_TEAM" not in made
    assert before["PYTHONPATH"] == "/mine"


def test_labels_in_the_code_stand_above_those_of_the_command(
    project: Path, server: Practice, places: Places
) -> None:
    (project / "own.py").write_text(
        "import hf_ledger, httpx2, sys\nhf_ledger.record(app='own')\n"
        "httpx2.post(sys.argv[1] + '/v1/chat/completions', json={'model': 'a/b', 'messages': []})\n"
    )
    options = ("--app", "given", "--team", "t")
    wrapped(project, server, sys.executable, "own.py", server.url, options=options)
    assert (only_call(places).app, only_call(places).team) == ("own", "t")


def test_the_front_door_is_light() -> None:
    code = """
import sys, time
import msgspec, logging, threading, concurrent.futures, importlib.metadata, asyncio
began = time.perf_counter()
import hf_ledger
hf_ledger.record()
print(time.perf_counter() - began)
"""
    best = min(
        float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3)
    )
    assert best < 0.3, "aim 30 ms; ten times as much on a machine that is busy"


def test_everything_else_is_loaded_when_asked_for() -> None:
    assert hf_ledger.__version__.count(".") >= 1
    assert hf_ledger.connect.__module__ == "hf_ledger.analytics.connect"
    assert hf_ledger.HuggingFaceInferenceClient.__name__ == "HuggingFaceInferenceClient"
    with pytest.raises(AttributeError, match="'hf_ledger' has no attribute 'recrod'"):
        _ = hf_ledger.recrod
