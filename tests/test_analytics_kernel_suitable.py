"""The rule of the smallest suitable class, asked of the real SQL, against its table in words."""

from __future__ import annotations

import pytest
from factories_questions import ALWAYS, Row, asked, make_row

from hf_ledger.analytics.kernel.suitable import CLASSES, FAMILIES, classes_over, rank

LABELLING, REWRITING, GENERATING = (tasks for tasks, _ in FAMILIES)


def suitable(**columns: object) -> str | None:
    """The class that one call gets."""
    rows: list[Row] = asked([make_row(**columns)])(
        "values", ALWAYS, dimension="suitable_class"
    ).to_pylist()
    value: str | None = rows[0]["value"]
    return value


LENGTHS = ((0, 0), (255, 0), (256, 1), (2047, 1), (2048, 2), (100_000, 2))


@pytest.mark.parametrize("tokens, place", LENGTHS)
@pytest.mark.parametrize(
    ("task", "classes"),
    [
        ("text-classification", ("small", "small", "medium")),
        ("zero-shot-classification", ("small", "small", "medium")),
        ("token-classification", ("small", "small", "medium")),
        ("fill-mask", ("small", "small", "medium")),
        ("feature-extraction", ("small", "small", "medium")),
        ("sentence-similarity", ("small", "small", "medium")),
        ("summarization", ("small", "medium", "large")),
        ("translation", ("small", "medium", "large")),
        ("question-answering", ("small", "medium", "large")),
        ("text-generation", ("medium", "large", "xl")),
        ("chat-completion", ("medium", "large", "xl")),
    ],
)
def test_task_and_input_length_decide(
    task: str, classes: tuple[str, str, str], tokens: int, place: int
) -> None:
    assert suitable(task=task, uncached_input_tokens=tokens, output_tokens=500) == classes[place]


@pytest.mark.parametrize("task", ["text-to-image", "automatic-speech-recognition", None, "other"])
def test_other_tasks_have_no_suitable_class(task: str | None) -> None:
    assert suitable(task=task) is None


def test_an_answer_of_a_few_tokens_is_a_label() -> None:
    long = {"task": "chat-completion", "uncached_input_tokens": 3000}
    assert suitable(**long, output_tokens=16) == "medium"
    assert suitable(**long, output_tokens=17) == "xl"
    assert suitable(task="chat-completion", uncached_input_tokens=300, output_tokens=1) == "small"


def test_an_answer_of_no_tokens_says_nothing_about_the_work() -> None:
    call = {"task": "chat-completion", "uncached_input_tokens": 300}
    assert suitable(**call, output_tokens=0) == "large"
    assert suitable(**call, output_tokens=None) == "large"


def test_cached_tokens_are_part_of_the_input() -> None:
    call = {"task": "chat-completion", "output_tokens": 500, "uncached_input_tokens": 200}
    assert suitable(**call) == "medium"
    assert suitable(**call, cache_read_tokens=56) == "large"
    assert suitable(**call, cache_read_tokens=1000, cache_write_tokens=848) == "xl"


def test_an_unknown_length_has_no_suitable_class() -> None:
    assert suitable(task="chat-completion", uncached_input_tokens=None, output_tokens=5) is None


@pytest.mark.parametrize("outcome", ["error", "interrupted", "cancelled", "lost", "refused"])
def test_a_call_without_a_whole_answer_shows_nothing(outcome: str) -> None:
    assert suitable(task="chat-completion", outcome=outcome) is None


def test_every_task_has_one_family() -> None:
    named = [*LABELLING, *REWRITING, *GENERATING]
    assert len(named) == len(set(named))
    assert all(set(classes) <= set(CLASSES) for _, classes in FAMILIES)


@pytest.mark.parametrize(
    ("used", "fit", "over"),
    [
        ("xl", "small", 3),
        ("xl", "large", 1),
        ("small", "small", 0),
        ("small", "medium", -1),
        (None, "small", None),
        ("xl", None, None),
        ("huge", "small", None),
    ],
)
def test_classes_are_counted(used: str | None, fit: str | None, over: int | None) -> None:
    assert classes_over(used, fit) == over


def test_classes_have_an_order() -> None:
    assert [rank(each) for each in ("small", "medium", "large", "xl", None)] == [0, 1, 2, 3, None]
