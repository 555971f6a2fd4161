"""huggingface_hub 0.x, which rides on requests and aiohttp, and openai 2 on httpx and httpx2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from factories_clients import Driven, cases, check, check_whole, driven

NAMES = cases("litellm", "langchain", "smolagents")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with driven(2, tmp_path_factory.mktemp("clients"), NAMES) as run:
        yield run


@pytest.mark.parametrize("case", NAMES)
def test_each_call_is_one_row(run: Driven, case: str) -> None:
    check(run, case)


def test_nothing_else_was_kept(run: Driven) -> None:
    check_whole(run, NAMES)
