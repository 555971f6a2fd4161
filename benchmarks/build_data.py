"""Builds the reference data in `data/` from a folder of public captures: `build_data.py CAPTURES`.

Run by hand when there are new captures; the figures are committed, the captures are not. What each
rule below does to a price is explained in docs/prices.md.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

DATA = Path(__file__).resolve().parent.parent / "data"
MTOK = 1_000_000

CAPTURED = """
select
    strftime(captured_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S') as captured_at,
    source,
    model_lower,
    model,
    model_id_case = 'as on the Hub' as cased,
    provider,
    provider_model_id,
    task,
    cast(input_usd_per_mtok as varchar) as input_usd,
    cast(output_usd_per_mtok as varchar) as output_usd,
    is_fresh_capture as fresh
from read_parquet($path)
order by captured_at, source, provider, model_lower, provider_model_id
"""

#: These capture the whole public list, so a pair missing there was no longer offered.
WHOLE_LISTS = ("jadnohra/hf-providers", "olaservo/research-hub-public")

#: huggingface/hub-docs, docs/inference-providers/pricing.md: the only published rate, standing
#: unchanged from early 2025 to August 2026. No rate for processors is published.
GPU_SECOND = {
    "price_id": "hf-inference/*@2025-11-24",
    "provider": "hf-inference",
    "model": "*",
    "kind": "gpu_seconds",
    "usd": "0.00012",
    "per_units": 1,
    "valid_from": "2025-11-24T15:39:34",
    "valid_to": "",
    "source": "huggingface/hub-docs docs/inference-providers/pricing.md (worked example)",
    "snapshot": "",
}


@dataclass(frozen=True, order=True)
class Capture:
    """One dated copy of the list."""

    captured_at: str
    source: str
    fresh: bool
    snapshot: str
    rows: int

    @property
    def whole(self) -> bool:
        return self.source.startswith(WHOLE_LISTS)


@dataclass
class Version:
    """One price of one pair for as long as it stood."""

    prices: tuple[Decimal, Decimal]
    first: Capture
    last: Capture
    valid_to: str = ""


@dataclass
class Pair:
    """All that the captures say of one model at one provider."""

    seen: dict[Capture, tuple[Decimal, Decimal] | None] = field(default_factory=dict)


Row = dict[str, Any]


def rows_of(query: str, path: Path) -> list[Row]:
    cursor = duckdb.connect().execute(query, {"path": str(path)})
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 of the capture's priced pairs as sorted CSV lines: tells which list it is."""
    lines = sorted(
        f"{row['model_lower']},{row['provider']},{row['input_usd']},{row['output_usd']}\n"
        for row in rows
        if row["input_usd"] is not None
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def captures_of(rows: Sequence[Row]) -> dict[tuple[str, str], Capture]:
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["captured_at"], row["source"]].append(row)
    return {
        key: Capture(
            key[0],
            key[1],
            bool(members[0]["fresh"]),
            digest(members),
            sum(row["input_usd"] is not None for row in members),
        )
        for key, members in grouped.items()
    }


def price_of(row: Row) -> tuple[Decimal, Decimal] | None:
    """USD per million (input, output); a price of 0 and 0 is free or a placeholder: unknown."""
    if row["input_usd"] is None or row["output_usd"] is None:
        return None
    prices = (Decimal(row["input_usd"]), Decimal(row["output_usd"]))
    return prices if any(prices) else None


def pairs_of(
    rows: Sequence[Row], captures: dict[tuple[str, str], Capture]
) -> dict[tuple[str, str], Pair]:
    pairs: dict[tuple[str, str], Pair] = defaultdict(Pair)
    for row in rows:
        seen = pairs[row["model_lower"], row["provider"]].seen
        capture = captures[row["captured_at"], row["source"]]
        seen[capture] = price_of(row) or seen.get(capture)
    return pairs


def versions_of(pair: Pair, captures: Sequence[Capture]) -> list[Version]:
    """Changes only. A price runs on through captures that merely leave the pair out and then show
    it again; it ends where the pair stands unpriced, or where it is seen for the last time."""
    versions: list[Version] = []
    for capture in sorted(pair.seen):
        prices = pair.seen[capture]
        current = versions[-1] if versions and not versions[-1].valid_to else None
        if current and prices == current.prices:
            current.last = capture
            continue
        if current:
            current.valid_to = capture.captured_at
        if prices:
            versions.append(Version(prices, capture, capture))
    if versions and not versions[-1].valid_to:
        versions[-1].valid_to = withdrawn(versions[-1].last, captures)
    return versions


def withdrawn(last: Capture, captures: Sequence[Capture]) -> str:
    """When the first list that should hold the pair came out without it; empty while none has."""
    family = last.source.split("@")[0]
    for capture in captures:
        complete = capture.whole or capture.source.startswith(family)
        if capture.fresh and complete and capture.captured_at > last.captured_at:
            return capture.captured_at
    return ""


def cased_ids(rows: Sequence[Row], captures_folder: Path) -> dict[str, str]:
    """Lower-cased id → the Hub's own spelling, wherever any capture keeps it."""
    cased = {row["model_lower"]: row["model"] for row in rows if row["cased"]}
    for name in ("models_dev_hf_prices.parquet", "hf_headline_prices_daily.parquet"):
        path = captures_folder / "prices" / name
        for row in rows_of("select distinct model from read_parquet($path) order by 1", path):
            cased.setdefault(row["model"].lower(), row["model"])
    return cased


def price_rows(
    pairs: dict[tuple[str, str], Pair], captures: Sequence[Capture], cased: dict[str, str]
) -> list[Row]:
    rows: list[Row] = []
    for (lower, provider), pair in sorted(pairs.items(), key=lambda item: item[0][::-1]):
        model = cased.get(lower, lower)
        for version in versions_of(pair, captures):
            rows += version_rows(model, provider, version)
    return rows


def version_rows(model: str, provider: str, version: Version) -> list[Row]:
    stamp = version.first.captured_at[:16].replace(":", "")
    shared = {
        "price_id": f"{provider}/{model}@{stamp}",
        "provider": provider,
        "model": model,
        "per_units": MTOK,
        "valid_from": version.first.captured_at,
        "valid_to": version.valid_to,
        "source": version.first.source,
        "snapshot": version.first.snapshot,
    }
    kinds = zip(("input_tokens", "output_tokens"), version.prices, strict=True)
    return [{**shared, "kind": kind, "usd": f"{usd.normalize():f}"} for kind, usd in kinds]


def route_rows(rows: Sequence[Row]) -> list[Row]:
    """First sight of each HF id ↔ provider's id. hf-inference uses the HF ids themselves."""
    routes: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if not row["provider_model_id"] or row["provider"] == "hf-inference":
            continue
        key = (row["provider"], row["provider_model_id"], row["model"])
        routes.setdefault(
            key,
            {
                "model": row["model"],
                "provider": row["provider"],
                "provider_model": row["provider_model_id"],
                "task": "chat-completion" if row["task"] == "conversational" else row["task"],
                "seen_from": row["captured_at"],
                "source": row["source"],
            },
        )
    return [routes[key] for key in sorted(routes)]


SIZED = """
select
    model,
    pipeline_tag,
    params_b as params_total_b,
    active_b as params_active_b,
    params_source as source,
    confidence
from read_csv($path)
where usable_as_truth and params_b is not null
"""

# A model whose size is not known is worth a row for its task, which tells the family.
TAGGED = """
select
    model,
    pipeline_tag
from read_csv($path)
where pipeline_tag is not null
"""


def billions(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def size_rows(folder: Path) -> list[Row]:
    rows = {row["model"]: row for row in rows_of(TAGGED, folder / "hub_models_2026-02-26.csv.gz")}
    rows |= {row["model"]: row for row in rows_of(SIZED, folder / "model_sizes.csv.gz")}
    return [
        {
            **rows[model],
            "params_total_b": billions(rows[model].get("params_total_b")),
            "params_active_b": billions(rows[model].get("params_active_b")),
        }
        for model in sorted(rows, key=str.lower)
    ]


QUANTILES = """
select
    unnest($levels) as level,
    unnest(quantile_cont(input_tokens, $levels)) as input_tokens,
    unnest(quantile_cont(output_tokens, $levels)) as output_tokens
from read_parquet($path)
"""

#: Tails finely: one call in a hundred is a third of the money.
LEVELS = [0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1]
TRACES = {
    "chat": "azure_llm_2023_conv.parquet",
    "code": "azure_llm_2023_code.parquet",
    "long": "mooncake_conversation.parquet",
}


def shape_rows(folder: Path) -> list[Row]:
    """Quantiles of the token counts of public traces: what the sample draws from."""
    rows = []
    for shape, name in TRACES.items():
        found = duckdb.execute(QUANTILES, {"levels": LEVELS, "path": str(folder / name)})
        rows += [
            {
                "shape": shape,
                "level": f"{level:g}",
                "input_tokens": f"{i:.0f}",
                "output_tokens": f"{o:.0f}",
            }
            for level, i, o in found.fetchall()
        ]
    return rows


def write(name: str, rows: Sequence[Row], columns: str) -> None:
    with (DATA / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns.split(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(json.dumps({"file": name, "rows": len(rows), "bytes": (DATA / name).stat().st_size}))


def main(folder: Path) -> None:
    rows = rows_of(CAPTURED, folder / "prices" / "hf_router_prices.parquet")
    keyed = captures_of(rows)
    captures = sorted(keyed.values())
    prices = price_rows(pairs_of(rows, keyed), captures, cased_ids(rows, folder))
    write(
        "prices.csv",
        [GPU_SECOND, *prices],
        "price_id provider model kind usd per_units valid_from valid_to source snapshot",
    )
    write(
        "price_lists.csv",
        [vars(capture) for capture in captures],
        "captured_at source snapshot rows fresh",
    )
    write("routes.csv", route_rows(rows), "model provider provider_model task seen_from source")
    write(
        "model_sizes.csv",
        size_rows(folder / "catalogue"),
        "model pipeline_tag params_total_b params_active_b source confidence",
    )
    write(
        "token_shapes.csv",
        shape_rows(folder / "traces"),
        "shape level input_tokens output_tokens",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
