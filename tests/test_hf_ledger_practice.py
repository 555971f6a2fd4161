"""What the practice server knows and says, without a network."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.errors import Unusable
from hf_ledger.practice import TITLE, answers, media, mishaps, models, pipelines
from hf_ledger.practice.serving import bound

CHAT = "meta-llama/Llama-3.1-8B-Instruct"


def asked(text: str, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], **more}


def events(pieces: list[bytes]) -> list[dict[str, object]]:
    found = [piece.removeprefix(b"data: ").strip() for piece in pieces]
    return [json.loads(piece) for piece in found if piece != b"[DONE]"]


def test_a_token_is_a_word() -> None:
    answered = answers.chat_answer(asked("one two three"), {})
    assert answered.input_tokens == 3
    # title in one word, "You", "wrote:", and the three words of the question
    assert answered.output_tokens == 1 + 2 + 3


def test_the_answer_is_titled_and_echoes() -> None:
    assert (
        answers.chat_answer(asked("good morning"), {}).text == f"{TITLE}. You wrote: good morning"
    )


def test_all_messages_count_as_input() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "what is this"}]},
        ]
    }
    assert answers.chat_answer(body, {}).input_tokens == 2 + 3


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer(name: str) -> None:
    answered = answers.chat_answer(asked("a b c d", **{name: 2}), {})
    assert (answered.output_tokens, answered.finish_reason) == (2, "length")


@given(st.text(max_size=200), st.integers(1, 50))
def test_usage_adds_up(text: str, limit: int) -> None:
    usage = answers.chat_answer(asked(text, max_tokens=limit), {"reasoning": "3"}).usage()
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] <= limit + 3


def test_wishes_set_length_and_cached_and_reasoning_tokens() -> None:
    wishes = {"words": "7", "cached": "2", "reasoning": "5"}
    usage = answers.chat_answer(asked("one two three"), wishes).usage()
    assert usage["completion_tokens"] == 7 + 5
    assert usage["prompt_tokens_details"] == {"cached_tokens": 2}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 5}


def test_never_more_cached_than_sent() -> None:
    usage = answers.chat_answer(asked("one"), {"cached": "99"}).usage()
    assert usage["prompt_tokens_details"] == {"cached_tokens": 1}


def stream(provider: str, body: dict[str, object], wishes: dict[str, str]) -> list[bytes]:
    answered = answers.chat_answer(body, wishes)
    return list(answers.chat_events(body, CHAT, answered, provider, wishes))


def test_streamed_words_joined_give_the_whole_answer() -> None:
    said = events(stream("cerebras", asked("a b"), {}))
    pieces = [c["delta"].get("content", "") for e in said for c in e["choices"]]  # type: ignore
    assert "".join(pieces) == answers.chat_answer(asked("a b"), {}).text


@pytest.mark.parametrize(
    ("provider", "unasked"),
    [("together", 1), ("cerebras", 1), ("novita", 1), ("hf-inference", 0), ("sambanova", 0)],
)
def test_usage_in_streams_follows_each_providers_habit(provider: str, unasked: int) -> None:
    quiet = events(stream(provider, asked("a"), {}))
    assert sum("usage" in event for event in quiet) == unasked
    asking = events(stream(provider, asked("a", stream_options={"include_usage": True}), {}))
    assert sum("usage" in event for event in asking) == 1


def test_hyperbolic_counts_up_on_every_chunk() -> None:
    said = events(stream("hyperbolic", asked("a b c"), {}))
    counts = [e["usage"]["completion_tokens"] for e in said if "usage" in e]  # type: ignore
    assert counts == list(range(1, 1 + 2 + 3 + 1))


def test_an_error_inside_a_stream_ends_it() -> None:
    said = stream("together", asked("a b c"), {"error-in-stream": ""})
    assert events(said[-1:]) == [mishaps.IN_STREAM]
    assert b"data: [DONE]\n\n" not in said


def test_tgi_streams_end_with_details_and_no_marker() -> None:
    answered = answers.generation_answer({"inputs": "x y"}, {})
    said = events(list(answers.generation_events(answered, {})))
    assert [event["details"] is None for event in said] == [True] * (len(said) - 1) + [False]
    assert said[-1]["details"]["input_length"] == 2  # type: ignore[index]
    assert said[-1]["details"]["generated_tokens"] == len(said)  # type: ignore[index]


def test_details_only_where_asked() -> None:
    answered = answers.generation_answer({"inputs": "x"}, {})
    assert "details" not in answers.generation_reply({"inputs": "x"}, answered)[0]
    asking = {"inputs": "x", "parameters": {"details": True}}
    assert answers.generation_reply(asking, answered)[0]["details"]["generated_tokens"] == 4


def test_vectors_depend_on_the_text_alone() -> None:
    assert answers.vector("a") == answers.vector("a") != answers.vector("b")
    assert all(-1 <= value < 1 for value in answers.vector("anything"))


def test_embeddings_count_words_of_all_texts() -> None:
    said = answers.embeddings_reply({"input": ["one two", "three"]}, "m")
    assert said["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [item["index"] for item in said["data"]] == [0, 1]


def test_the_picture_is_a_png() -> None:
    picture = media.picture()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    length = int.from_bytes(picture[8:12], "big")
    header = picture[12 : 16 + length]
    assert int.from_bytes(picture[16 + length : 20 + length], "big") == zlib.crc32(header)


@pytest.mark.parametrize("task", sorted(pipelines.PIPELINES))
def test_every_task_answers_something_of_its_own(task: str) -> None:
    body = {"inputs": "some text", "parameters": {"candidate_labels": ["a", "b"]}}
    said = pipelines.pipeline_reply(task, body)
    assert said is not None
    assert "is not played here" not in str(said)


def test_unplayed_tasks_say_so() -> None:
    assert "video" in str(pipelines.pipeline_reply("text-to-video", {}))


def test_labels_share_one() -> None:
    said = pipelines.labelled({"parameters": {"candidate_labels": ["a", "b", "c", "d"]}})
    assert [item["score"] for item in said] == [1 / 4] * 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("suffix", "provider"),
    [(None, "cerebras"), ("fastest", "cerebras"), ("cheapest", "novita"), ("groq", "groq")],
)
def test_routing_by_suffix(suffix: str | None, provider: str) -> None:
    assert models.choose_provider(CHAT, suffix) == provider


@pytest.mark.parametrize(
    ("provider", "spelling"),
    [
        ("novita", "meta-llama/llama-3.1-8b-instruct"),
        ("fireworks-ai", "accounts/fireworks/models/llama-3p1-8b-instruct"),
        ("cerebras", "llama-3.1-8b-instruct"),
        ("together", CHAT),
    ],
)
def test_providers_spell_models_their_own_way(provider: str, spelling: str) -> None:
    assert models.provider_id(provider, CHAT) == spelling


def test_the_mapping_names_each_lane() -> None:
    routes = models.mapping(CHAT)["inferenceProviderMapping"]
    assert {name: route["providerId"] for name, route in routes.items()} == {
        lane.provider: models.provider_id(lane.provider, CHAT) for lane in models.lanes_of(CHAT)
    }


def test_the_listing_has_prices_only_where_they_are_known() -> None:
    offers = {
        (model["id"], offer["provider"]): offer.get("pricing")
        for model in models.listing()["data"]
        for offer in model["providers"]
    }
    assert offers["meta-llama/Llama-3.1-8B-Instruct", "novita"] == {"input": 0.02, "output": 0.05}
    assert offers["deepseek-ai/DeepSeek-V3.1", "fireworks-ai"] is None


def test_wishes_come_from_header_and_model() -> None:
    assert mishaps.wishes_of("slow=1.5, cut", None) == {"slow": "1.5", "cut": ""}
    assert mishaps.wishes_of(None, "practice/402:together") == {"402": ""}
    assert mishaps.wishes_of("cached", "practice/words") == {"cached": "1", "words": "20"}
    assert mishaps.wishes_of(None, "meta-llama/402") == {}


@pytest.mark.parametrize(("said", "seconds"), [("1.5", 1.5), ("-3", 0), ("999", 60), ("soon", 0)])
def test_slowness_is_bounded(said: str, seconds: float) -> None:
    assert mishaps.seconds_of({"slow": said}) == seconds


def test_every_failure_is_written_as_it_says() -> None:
    for name, failure in mishaps.FAILURES.items():
        body, content_type = mishaps.written(failure)
        assert failure.status >= 400, name
        if content_type == "application/json":
            assert json.loads(body) == failure.body
        else:
            assert body.decode() == failure.body


def test_a_taken_port_is_one_sentence() -> None:
    listener = bound(0)
    port = listener.getsockname()[1]
    with listener, pytest.raises(Unusable, match=f"port {port} is not free .*--port"):
        bound(port)
