"""Who answers: a route, a target, a model; and a document from a program of any kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from factories_echo import BOOK, Echo, job, routed
from factories_practice import CHAT_MODEL, Practice, calls, practice_server

from hf_ledger.ingest.doors.documents.answers import Direct, answering, model_target, possible
from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.doors.documents.parts import DocumentFailed
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.doors.documents.programs import process_document
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.hook.labels import attribute, current
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

PRICE = Price(provider="cerebras", model=CHAT_MODEL, price_id="p", input="10", output="20")
SETTINGS = """
[targets.ill]
url = "{url}/v1"
kind = "router"
model = "practice/500"
provider = "cerebras"

[targets.well]
url = "{url}/v1"
kind = "router"
model = "{model}"
provider = "cerebras"

[routes.both]
targets = ["ill", "well"]
policy = "cheapest"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def settled(server: Practice, places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    places.make()
    places.config.write_text(SETTINGS.format(url=server.url, model=CHAT_MODEL), encoding="utf-8")
    publish(places, State(prices=(PRICE,)))
    yield places
    stop()


def chat(**said: Any) -> Job:
    return job("chat-completion", size=400, timeout_s=20, **said)


async def test_a_target_answers_all_as_one_operation(settled: Places) -> None:
    async with answering(chat(target="well")) as answer:
        done = await process(BOOK, chat(target="well"), answer)
    rows = calls(settled)
    assert {row.operation_id for row in rows} == {done.operation_id}
    assert (len(rows), done.coverage) == (len(done.parts), 1.0)
    assert {part.target for part in done.parts} == {"well"}


async def test_a_route_goes_on_to_the_next_target_and_all_of_it_is_one_cost(
    settled: Places,
) -> None:
    async with answering(chat(), route="both") as answer:
        done = await process(BOOK[:300], chat(), answer)
    rows = calls(settled)
    assert done.failed == ()
    assert {part.target for part in done.parts} == {"well"}
    assert {row.operation_id for row in rows} == {done.operation_id}
    assert done.cost is not None and done.cost > 0


async def test_a_model_is_asked_without_a_router_and_its_cost_is_the_ledgers(
    server: Practice, settled: Places
) -> None:
    target = Target(name="m:cerebras", url=server.url, model=CHAT_MODEL, provider="cerebras")
    direct = Direct(target, settled)
    done = await process(BOOK, chat(), direct.answer)
    await direct.pools.close()
    rows = calls(settled)
    spent = sum(10 * (r.uncached_input_tokens or 0) + 20 * (r.output_tokens or 0) for r in rows)
    assert done.cost is not None
    assert done.cost * 1_000_000 == spent


def test_a_model_has_the_provider_that_was_said() -> None:
    named = model_target(chat(model="o/m", provider="novita"))
    assert (named.name, named.provider, named.routing) == ("o/m:novita", "novita", "explicit")
    assert model_target(chat(model="o/m")).routing == "auto"


@pytest.mark.parametrize(
    ("said", "route"), [({}, None), ({"model": "o/m", "target": "t"}, None), ({"target": "t"}, "r")]
)
async def test_one_of_three_is_said(said: dict[str, Any], route: str | None) -> None:
    with pytest.raises(Usage, match="one of the three"):
        async with answering(chat(**said), route=route):
            pass


async def test_where_data_may_not_go_it_is_not_sent(settled: Places) -> None:
    text = settled.config.read_text(encoding="utf-8")
    rule = '[compliance.internal]\nproviders = ["novita"]\n'
    settled.config.write_text(text + rule, encoding="utf-8")
    with pytest.raises(Unusable, match="may not go to"):
        async with answering(chat(model="o/m", provider="cerebras")):
            pass


def test_who_might_answer_is_known_before(settled: Places) -> None:
    assert [each.name for each in possible(chat(target="well"))] == ["well"]
    assert {each.name for each in possible(chat(), route="both")} == {"ill", "well"}
    assert possible(chat()) == []


# -- programs --------------------------------------------------------------------------------------


def test_a_program_without_an_event_loop(settled: Places) -> None:
    done = process_document(BOOK, "chat-completion", target="well", size=400)
    assert done.value.startswith("Practice server")


async def test_in_a_running_loop_it_works_beside_it_with_the_callers_labels() -> None:
    seen: set[str | None] = set()

    async def noting(task: str, inputs: Any, parameters: Any) -> Any:
        seen.add(current.get().team)
        return routed(inputs["text"])

    with attribute(team="law"):
        done = process_document(BOOK, "translation", answer=noting, size=40)
    assert (done.value, seen) == (BOOK, {"law"})
    assert asyncio.get_running_loop().is_running()


def test_what_fails_there_is_raised_here() -> None:
    def broken(text: str, before: int) -> Any:
        raise ConnectionError

    with pytest.raises(DocumentFailed):
        process_document("One.", "translation", answer=Echo(broken), on_failure="fail")


def test_a_word_that_no_job_knows_is_a_mistake() -> None:
    with pytest.raises(TypeError):
        process_document("One.", "translation", answer=Echo(), sizes=3)


# -- six languages and a book ----------------------------------------------------------------------

LANGUAGES = {
    "en": 'He said: "Not now." Mr. Smith left at 3 p.m. It rained.\n\n',
    "de": "Dr. Müller kam am 3. Mai. Er sagte z. B. nichts; das war’s.\n",
    "ar": "قال الرجل: «لا أعرف». هل جاء أحد؟ نعم، جاء.\n\n",
    "zh": "他说：“现在不行。”下雨了！你来吗？我不知道。\n",
    "ja": "彼は「いいえ」と言った。雨が降った。どうする？\n\n",
    "th": "เขาไม่รู้ว่าจะทำอย่างไร ฝนตกหนัก ทุกคนกลับบ้าน\n",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_language_comes_back_to_the_letter(language: str) -> None:
    text = LANGUAGES[language] * 40
    done = await process(text, job(size=100), Echo(lambda said, _: f" {said}\n", delay_s=0.002))
    assert done.value == text


async def test_a_book_of_a_million_characters_keeps_its_order() -> None:
    sentence = "Sentence {at} of a long book that says nothing else. "
    text = "".join(sentence.format(at=at) for at in range(20_000))[:1_000_000]
    echo = Echo(lambda said, _: said, delay_s=0.002)
    done = await process(text, job(size=1000, at_once=50), echo)
    assert len(text) == 1_000_000
    assert done.value == text
    assert [part.index for part in done.parts] == list(range(len(done.parts)))
