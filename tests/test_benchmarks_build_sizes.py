"""What is taken from the packages that state sizes: figures of models that stand for themselves."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "build_sizes.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_sizes", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_sizes"] = module
    spec.loader.exec_module(module)
    return module


build = loaded()


def entry(name: str, **further: object) -> dict[str, object]:
    return {
        "name": name,
        "parameters_raw": 1_500_000_000,
        "pipeline_tag": "text-generation",
        "hf_downloads": 5_000,
        **further,
    }


def program(*entries: dict[str, object]) -> bytes:
    """A list amid a program's other bytes, behind one of something else."""
    return b"\x7fELF\x00" + json.dumps([{"name": "gpu"}]).encode() + json.dumps(entries).encode()


def test_models_in_use_are_read_from_the_program() -> None:
    (row,) = build.llmfit_rows(program(entry("acme/Nova")))
    assert (row["model"], row["params_total_b"]) == ("acme/Nova", "1.5")
    assert (row["pipeline_tag"], row["source"]) == ("text-generation", build.LLMFIT)


@pytest.mark.parametrize(
    "left_out",
    [
        entry("acme/Nova-AWQ"),
        entry("acme/Nova-w4a16"),
        entry("acme/Nova", format="mlx"),  # packed numbers are counted, not parameters
        entry("acme/Nova-draft"),
        entry("acme/Nova-lora"),
        entry("acme/Nova", parameters_raw=0),
        entry("acme/Nova", hf_downloads=3),
        entry("acme/Nova", hf_downloads=None),
    ],
)
def test_what_does_not_stand_for_itself_is_left_out(left_out: dict[str, object]) -> None:
    kept = entry("acme/Orion")
    assert [row["model"] for row in build.llmfit_rows(program(kept, left_out))] == ["acme/Orion"]


def test_a_task_that_the_list_does_not_know_is_empty() -> None:
    (row,) = build.llmfit_rows(program(entry("acme/Nova", pipeline_tag="unknown")))
    assert row["pipeline_tag"] == ""


def test_a_program_without_a_list_is_said() -> None:
    with pytest.raises(SystemExit, match="no list of models"):
        list(build.llmfit_rows(b"\x7fELF"))


MODULE = """
one = ModelMeta(name="acme/embed-one", n_parameters=335_000_000, modalities=["text"])
two = ModelMeta(name="acme/see", n_parameters=int(0.3 * 1e9), modalities=["image"])
three = ModelMeta(name="acme/big", n_parameters=7 * 10**9)
none = ModelMeta(name="acme/secret", n_parameters=None)
api = ModelMeta(name="bm25", n_parameters=5)
"""


def test_sources_are_read_and_not_run() -> None:
    rows = list(build.mteb_rows([MODULE]))
    assert [(row["model"], row["params_total_b"], row["pipeline_tag"]) for row in rows] == [
        ("acme/embed-one", "0.335", "feature-extraction"),
        ("acme/see", "0.3", "image-feature-extraction"),
        ("acme/big", "7", "feature-extraction"),
    ]


def test_only_what_nothing_else_tells_is_kept() -> None:
    rows = [
        build.row_of(model, "", 8e9, build.LLMFIT)
        for model in ("acme/Zeta", "acme/Llama-8B", "openai-community/gpt2", "acme/Alpha")
    ]
    assert [row["model"] for row in build.further(rows)] == ["acme/Alpha", "acme/Zeta"]


def test_wheels_are_opened_where_they_lie(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mteb-2.26.24-py3-none-any.whl", "w") as wheel:
        wheel.writestr("mteb/models/model_implementations/acme.py", MODULE)
        wheel.writestr("mteb/other.py", "nothing")
    assert list(build.sources(tmp_path, "mteb-*.whl", "model_implementations/")) == [MODULE]
