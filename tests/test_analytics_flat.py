"""Golden test of the analyzer the product began from: thirty requests, worked out by hand.

Flat prices: small 0.001, medium 0.005, large 0.01, xl 0.02 a request, so one request less on
xl → small  saves 0.02 - 0.001 = 0.019      large → small  saves 0.01 - 0.001 = 0.009
xl → medium saves 0.02 - 0.005 = 0.015      large → medium saves 0.01 - 0.005 = 0.005
xl → large  saves 0.02 - 0.01  = 0.010      medium → small saves 0.005 - 0.001 = 0.004
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from factories_questions import WEEK, Row, asked, at, make_row, scope

# time, task, class, input tokens                  suitable class, so
REQUESTS: tuple[tuple[str, str, str | None, int], ...] = (
    ("09:05", "text-classification", "xl", 100),  # small: 0.019, overkill
    ("09:10", "text-classification", "xl", 255),  # small: 0.019, overkill
    ("09:15", "text-classification", "large", 256),  # small: 0.009, overkill
    ("09:20", "text-classification", "medium", 2047),  # small: 0.004
    ("09:25", "text-classification", "small", 3000),  # medium, bigger than used
    ("09:30", "text-classification", "xl", 2048),  # medium: 0.015, overkill
    ("09:50", "token-classification", "large", 50),  # small: 0.009, overkill
    ("10:00", "token-classification", "medium", 50),  # small: 0.004
    ("10:05", "fill-mask", "small", 20),  # small, as used
    ("10:10", "fill-mask", "medium", 5000),  # medium, as used
    ("10:15", "feature-extraction", "small", 300),  # small, as used
    ("10:20", "feature-extraction", "large", 300),  # small: 0.009, overkill
    ("10:30", "sentence-similarity", "medium", 300),  # small: 0.004
    ("14:00", "summarization", "xl", 100),  # small: 0.019, overkill
    ("14:05", "summarization", "xl", 1000),  # medium: 0.015, overkill
    ("14:10", "summarization", "xl", 4000),  # large: 0.010
    ("14:15", "summarization", "large", 4000),  # large, as used
    ("14:20", "translation", "large", 255),  # small: 0.009, overkill
    ("14:25", "translation", "medium", 255),  # small: 0.004
    ("14:30", "question-answering", "large", 300),  # medium: 0.005
    ("14:35", "question-answering", "medium", 9000),  # large, bigger than used
    ("14:40", "chat-completion", "xl", 100),  # medium: 0.015, overkill
    ("14:45", "chat-completion", "xl", 500),  # large: 0.010
    ("15:00", "chat-completion", "xl", 3000),  # xl, as used
    ("15:05", "chat-completion", "large", 200),  # medium: 0.005
    ("15:10", "chat-completion", "medium", 200),  # medium, as used
    ("15:20", "text-generation", "xl", 255),  # medium: 0.015, overkill
    ("15:30", "text-generation", "small", 10),  # medium, bigger than used
    ("20:00", "text-to-image", "large", 10),  # none: unknown task
    ("21:00", "chat-completion", None, 100),  # medium, but the size used is unknown
)


def request(time: str, task: str, size_class: str | None, tokens: int) -> Row:
    """Answers of two tokens everywhere: the original rule looks at the input only."""
    return make_row(
        ts=at(f"2026-08-12T{time}:00"),
        task=task,
        size_class=size_class,
        uncached_input_tokens=tokens,
        output_tokens=2,
    )


@pytest.fixture(scope="module")
def answer() -> list[Row]:
    ask = asked([request(*each) for each in REQUESTS])
    rows: list[Row] = ask("flat", WEEK).to_pylist()
    return rows


def section(answer: list[Row], name: str, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row[c] for c in columns) for row in answer if row["section"] == name]


def test_there_are_thirty_requests() -> None:
    assert len(REQUESTS) == 30


def test_spend_at_flat_prices(answer: list[Row]) -> None:
    # 4 small, 7 medium, 8 large, 10 xl; the request of unknown size has no price.
    total = 4 * Decimal("0.001") + 7 * Decimal("0.005") + 8 * Decimal("0.01") + 10 * Decimal("0.02")
    assert total == Decimal("0.319")
    found = section(answer, "spend", "label", "calls", "amount", "per_call")
    assert found == [("total", 29, total, Decimal("0.011"))]  # 0.319 / 29


def test_peak_hours(answer: list[Row]) -> None:
    # 09: requests 1 to 7; 10: 8 to 13; 14: 14 to 23; 15: 24 to 28; 20 and 21: one each.
    assert section(answer, "peak_hour", "label", "calls", "share") == [
        ("14:00", 10, pytest.approx(10 / 30)),
        ("09:00", 7, pytest.approx(7 / 30)),
        ("10:00", 6, pytest.approx(6 / 30)),
    ]


def test_size_distribution(answer: list[Row]) -> None:
    assert section(answer, "size", "label", "calls", "share", "amount") == [
        ("small", 4, pytest.approx(4 / 30), Decimal("0.004")),
        ("medium", 7, pytest.approx(7 / 30), Decimal("0.035")),
        ("large", 8, pytest.approx(8 / 30), Decimal("0.08")),
        ("xl", 10, pytest.approx(10 / 30), Decimal("0.2")),
        ("unknown", 1, pytest.approx(1 / 30), None),
    ]


def test_savings_by_move(answer: list[Row]) -> None:
    expected = {
        "xl → small": (3, Decimal("0.019")),
        "xl → medium": (4, Decimal("0.015")),
        "xl → large": (2, Decimal("0.01")),
        "large → small": (4, Decimal("0.009")),
        "large → medium": (2, Decimal("0.005")),
        "medium → small": (4, Decimal("0.004")),
    }
    found = section(answer, "move", "label", "calls", "per_call", "amount")
    assert found == [(m, n, each, n * each) for m, (n, each) in expected.items()]


def test_total_saving_and_affected_requests(answer: list[Row]) -> None:
    total = Decimal("0.057") + Decimal("0.06") + Decimal("0.02")  # from xl
    total += Decimal("0.036") + Decimal("0.01")  # from large
    total += Decimal("0.016")  # from medium
    assert total == Decimal("0.199")
    # 0.199 / 19 = 0.0104736842…
    found = section(answer, "saving", "label", "calls", "amount", "per_call")
    assert found == [("total", 19, total, Decimal("0.010473684"))]


def test_overkill_scenarios(answer: list[Row]) -> None:
    small, medium, large = Decimal("0.019"), Decimal("0.015"), Decimal("0.009")
    assert section(answer, "overkill", "label", "calls", "per_call", "amount") == [
        ("summarization: xl → small", 1, small, small),
        ("text-classification: xl → small", 2, small, 2 * small),
        ("chat-completion: xl → medium", 1, medium, medium),
        ("summarization: xl → medium", 1, medium, medium),
        ("text-classification: xl → medium", 1, medium, medium),
        ("text-generation: xl → medium", 1, medium, medium),
        ("feature-extraction: large → small", 1, large, large),
        ("text-classification: large → small", 1, large, large),
        ("token-classification: large → small", 1, large, large),
        ("translation: large → small", 1, large, large),
    ]


def test_recommendations(answer: list[Row]) -> None:
    sentences = [s for (s,) in section(answer, "recommendation", "sentence")]
    assert sentences[:6] == [
        "4 requests on xl models fit a medium one by task and length: $0.06 less at flat prices, "
        "$0.015 a request, untested.",
        "3 requests on xl models fit a small one by task and length: $0.057 less at flat prices, "
        "$0.019 a request, untested.",
        "4 requests on large models fit a small one by task and length: $0.036 less at flat "
        "prices, $0.009 a request, untested.",
        "2 requests on xl models fit a large one by task and length: $0.02 less at flat prices, "
        "$0.01 a request, untested.",
        "4 requests on medium models fit a small one by task and length: $0.016 less at flat "
        "prices, $0.004 a request, untested.",
        "2 requests on large models fit a medium one by task and length: $0.01 less at flat "
        "prices, $0.005 a request, untested.",
    ]
    assert len(sentences) == 6 + 10 + 1
    assert sentences[7] == (
        "Overkill: 2 requests for text-classification on xl models, where small is the smallest "
        "suitable class by the rule."
    )
    assert sentences[-1] == "Busiest hour of the day: 14:00, with 10 requests."


def test_peak_hours_are_local() -> None:
    ask = asked([request(*each) for each in REQUESTS])
    rows = ask("flat", scope(zone="Asia/Kolkata")).to_pylist()
    # Half past five ahead: 14:00–14:29 UTC is 19:30–19:59 there, 14:30–14:59 is 20:00–20:29.
    # 20: 14:30 … 14:45 and 15:00 … 15:20, so 4 + 4; 19: 14:00 … 14:25, so 6; 15: 10:00 … 10:20
    # and 09:30, 09:50, so 5 + 2; 14: 09:05 … 09:25, so 5.
    assert section(rows, "peak_hour", "label", "calls") == [
        ("20:00", 8),
        ("15:00", 7),
        ("19:00", 6),
    ]


def test_moves_add_up_to_the_saving_and_sizes_to_the_spend(answer: list[Row]) -> None:
    assert sum(a for (a,) in section(answer, "move", "amount")) == Decimal("0.199")  # type: ignore[misc]
    sizes = [a for (a,) in section(answer, "size", "amount") if a is not None]
    assert sum(sizes) == Decimal("0.319")  # type: ignore[arg-type]


def test_nothing_too_big_is_said_in_words() -> None:
    rows = asked([make_row(task="fill-mask", size_class="small")])("flat", WEEK).to_pylist()
    assert section(rows, "saving", "calls", "amount", "per_call") == [(0, Decimal(0), None)]
    assert section(rows, "recommendation", "sentence")[0] == (
        "No request used a larger class than its task and length call for.",
    )


def test_an_empty_ledger_recommends_nothing() -> None:
    rows = asked()("flat", WEEK).to_pylist()
    assert [row["section"] for row in rows] == ["spend", "saving"]
    assert all(row["calls"] == 0 and row["amount"] == 0 for row in rows)
    assert all(row["per_call"] is None for row in rows)
