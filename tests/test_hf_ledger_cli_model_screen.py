"""`hf-ledger model ID`: one screen with size, class, cuts and price by provider over time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hf_ledger.cli import main
from hf_ledger.cli.model_screen import WIDTH, change, cuts_of, over_time
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def price(provider: str, month: int, kind: str, usd: str, per_units: int = 1_000_000) -> Any:
    return {
        "provider": provider,
        "kind": kind,
        "usd": Decimal(usd),
        "per_units": per_units,
        "valid_from": datetime(2026, month, 1, tzinfo=UTC),
        "valid_to": None,
        "source": f"list of month {month}",
    }


def screen(capsys: pytest.CaptureFixture[str], *ids: str) -> str:
    assert main(["model", *ids]) == 0
    return capsys.readouterr().out


def test_size_class_and_its_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    said = screen(capsys, LLAMA)
    assert said.startswith(LLAMA)
    assert "large (total parameters: small ≤ 4 B, medium ≤ 16 B, large ≤ 80 B, xl above)" in said
    assert "70.55 B in all" in said
    assert "metadata and name agree" in said


def test_active_parameters_of_a_mixture(capsys: pytest.CaptureFixture[str]) -> None:
    assert "1,000 B in all, 32 B active per token" in screen(capsys, "moonshotai/Kimi-K2-Base")


def test_the_price_of_a_provider_over_time(capsys: pytest.CaptureFixture[str]) -> None:
    """One provider raised its prices by 25 % in the winter of 2026."""
    lines = [line.split() for line in screen(capsys, LLAMA).splitlines()]
    novita = [line for line in lines if line[:1] == ["novita"]]
    assert [line[1:3] for line in novita] == [
        ["0.104", "0.312"],
        ["0.108", "0.32"],
        ["0.135", "0.4"],
    ]
    assert novita[-1][3:6] == ["▲", "25", "%"]
    assert novita[-1][6] == "2026-02-23"


def test_it_fits_a_hundred_columns(capsys: pytest.CaptureFixture[str]) -> None:
    said = screen(capsys, LLAMA, "deepseek-ai/DeepSeek-V3", "acme/mystery")
    assert max(map(len, said.splitlines())) <= WIDTH


def test_prices_are_found_for_links_suffixes_and_any_case(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for written in (f"https://hf.co/{LLAMA}", f"{LLAMA}:groq", LLAMA.lower()):
        assert "groq          0.59" in screen(capsys, written)


def test_a_ledgers_own_prices_are_shown(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    with Ledger.open(places) as ledger:
        ledger.cursor().execute("update prices set usd = 0.77 where provider = 'groq'")
    assert "groq          0.77   0.77" in screen(capsys, LLAMA)


def test_a_model_without_size_and_price(capsys: pytest.CaptureFixture[str]) -> None:
    said = screen(capsys, "acme/mystery")
    assert "size class  unknown" in said
    assert "unknown: in no table" in said
    assert "No list has a price of it" in said


def test_a_name_is_no_markup_and_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    said = screen(capsys, "[red]acme[/red]/\x1b[2Jx-7b")
    assert "[red]acme[/red]" in said
    assert "\x1b" not in said


def test_kinds_of_one_version_share_a_line() -> None:
    rows = [price("a", 1, "input_tokens", "0.1"), price("a", 1, "output_tokens", "0.2")]
    (line,) = over_time(rows)
    assert (line["input"], line["output"], line["until"]) == ("0.1", "0.2", "")


def test_prices_are_per_million_whatever_the_list_counts_by() -> None:
    (line,) = over_time([price("a", 1, "input_tokens", "0.0005", 1_000)])
    assert line["input"] == "0.5"


def test_other_units_are_said_in_words() -> None:
    (line,) = over_time([price("a", 1, "images", "0.04", 1)])
    assert line["input"] == "$0.04 per image"


@pytest.mark.parametrize(
    ("before", "now", "mark"),
    [
        ({"output": Decimal(4)}, {"output": Decimal(5)}, "▲ 25 %"),
        ({"output": Decimal(4)}, {"output": Decimal(1)}, "▼ 75 %"),
        ({"output": Decimal(4)}, {"output": Decimal(4)}, ""),
        (
            {"input": Decimal(1), "output": Decimal(4)},
            {"input": Decimal(2), "output": Decimal(4)},
            "▲ 100 %",
        ),
        ({}, {"output": Decimal(4)}, ""),
        ({"output": Decimal(0)}, {"output": Decimal(4)}, ""),  # from free: no share
    ],
)
def test_a_change_is_marked(before: Any, now: Any, mark: str) -> None:
    assert change(before, now) == mark


def test_cuts_are_those_of_the_family() -> None:
    assert cuts_of("encoder") == (
        "total parameters: small ≤ 0.15 B, medium ≤ 0.5 B, large ≤ 4 B, xl above"
    )
