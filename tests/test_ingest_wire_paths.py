"""What a path alone says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.wire.paths import Place, place_of, segments_of, task_name, task_of_tail


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/v1/chat/completions", ("v1", "chat", "completions")),
        ("//v1///chat/", ("v1", "chat")),
        ("/models/a%2Fb/x%20y", ("models", "a/b", "x y")),
        ("/a?b=c/d", ("a",)),
        ("/a#b", ("a",)),
        ("", ()),
        ("/", ()),
        ("/%ff", ("\ufffd",)),
    ],
)
def test_segments(path: str, segments: tuple[str, ...]) -> None:
    assert segments_of(path) == segments


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("/v1/chat/completions", "chat-completion"),
        ("/compatibility/v1/chat/completions", "chat-completion"),
        ("/v1/completions", "text-generation"),
        ("/v1/responses", "chat-completion"),
        ("/v1/messages", "chat-completion"),
        ("/v1/embeddings", "feature-extraction"),
        ("/embed_all", "feature-extraction"),
        ("/rerank", "text-ranking"),
        ("/v1/images/generations", "text-to-image"),
        ("/api/paas/v4/async/images/generations", "text-to-image"),
        ("/v1/images/edits", "image-to-image"),
        ("/v1/audio/transcriptions", "automatic-speech-recognition"),
        ("/v1/audio/translations", "automatic-speech-recognition"),
        ("/v1/audio/speech", "text-to-speech"),
        ("/v2/videos", "text-to-video"),
        ("/v1/predictions", None),
        ("/completions/x", None),
        ("", None),
    ],
)
def test_ends_of_paths(path: str, task: str | None) -> None:
    assert task_of_tail(segments_of(path)) == task


def test_coheres_own_paths_are_coheres_alone() -> None:
    assert task_of_tail(("v2", "chat"), "cohere") == "chat-completion"
    assert task_of_tail(("v2", "chat"), "other") is None
    assert task_of_tail(("v2", "chat")) is None


def test_the_hubs_name_for_chat() -> None:
    assert task_name("conversational") == "chat-completion"
    assert task_name("fill-mask") == "fill-mask"


@pytest.mark.parametrize(
    ("kind", "path", "host_provider", "place"),
    [
        (
            "router",
            "/v1/chat/completions",
            None,
            Place(task="chat-completion", rest=("v1", "chat", "completions")),
        ),
        ("router", "/", None, Place()),
        ("router", "/groq", None, Place(provider="groq")),
        ("router", "/hf-inference", None, Place(provider="hf-inference")),
        (
            "router",
            "/hf-inference/models/a/b/generate",
            None,
            Place(
                "hf-inference", "a/b", "a/b", "text-generation", ("models", "a", "b", "generate")
            ),
        ),
        (
            "legacy",
            "/models/a/b/unknown/tail",
            None,
            Place("hf-inference", "a/b", "a/b", None, ("models", "a", "b", "unknown", "tail")),
        ),
        ("legacy", "/models", None, Place("hf-inference", rest=("models",))),
        (
            "legacy",
            "/pipeline/fill-mask",
            None,
            Place("hf-inference", rest=("pipeline", "fill-mask")),
        ),
        (
            "provider",
            "/fal-ai/whisper",
            "fal-ai",
            Place("fal-ai", None, "fal-ai/whisper", None, ("fal-ai", "whisper")),
        ),
        ("provider", "/", "fal-ai", Place("fal-ai")),
        ("provider", "/", "black-forest-labs", Place("black-forest-labs")),
        (
            "provider",
            "/v1/models/a/b/predictions",
            "replicate",
            Place("replicate", None, "a/b", None, ("v1", "models", "a", "b", "predictions")),
        ),
        ("provider", "/v1/x", None, Place(rest=("v1", "x"))),
        ("endpoint", "/a/b", None, Place(rest=("a", "b"))),
    ],
)
def test_places(kind: str, path: str, host_provider: str | None, place: Place) -> None:
    assert place_of(kind, segments_of(path), host_provider) == place


@given(
    st.sampled_from(["router", "legacy", "provider", "endpoint", "self_hosted"]),
    st.lists(
        st.sampled_from(
            [
                "v1",
                "models",
                "pipeline",
                "chat",
                "a",
                "b",
                "hf-inference",
                "replicate",
                "predictions",
            ]
        )
    ),
    st.sampled_from(
        [None, "fal-ai", "replicate", "novita", "cohere", "black-forest-labs", "hf-inference"]
    ),
)
def test_every_path_has_a_place(kind: str, parts: list[str], host_provider: str | None) -> None:
    place = place_of(kind, tuple(parts), host_provider)
    assert place.model is None or place.provider == "hf-inference"
    assert place.model != ""
