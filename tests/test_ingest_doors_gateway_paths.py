"""What the gateway passes on is a list; no spelling of a path leads past it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.paths import GETS, POSTS, PROVIDERS, passed_on
from hf_ledger.ingest.doors.gateway.refusal import Refused


def refused(method: str, path: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        passed_on(method, path)
    return caught.value


@pytest.mark.parametrize("path", POSTS)
def test_work_is_asked_for_by_post(path: str) -> None:
    assert passed_on("POST", path.encode()) == path
    wrong = refused("GET", path.encode())
    assert (wrong.status, wrong.code, wrong.headers) == (405, "wrong_method", {"allow": "POST"})


def test_models_are_asked_for_by_get() -> None:
    assert passed_on("GET", b"/v1/models") == GETS[0]
    assert passed_on("GET", b"/v1/models/org/name") == "/v1/models/org/name"
    assert refused("POST", b"/v1/models").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/hf-inference/models/facebook/bart-large-cnn",
        "/hf-inference/models/org/name/pipeline/feature-extraction",
        "/together/v1/chat/completions",
        "/fal-ai/fal-ai/flux/dev",
        "/hf-inference/models/org/a%3Ab",
        "/replicate/v1/models/owner/name:5/predictions",
    ],
)
def test_hugging_faces_own_paths(path: str) -> None:
    assert passed_on("POST", path.encode()) == path


def test_how_far_work_has_come_is_asked_by_get() -> None:
    path = "/fal-ai/queue/requests/1/status"
    assert passed_on("GET", path.encode()) == path
    assert refused("DELETE", path.encode()).status == 405


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/files", "/api/models", "/together", "/nobody/v1/completions"]
)
def test_anything_else_is_unknown(path: str) -> None:
    assert (refused("POST", path.encode()).status, refused("POST", path.encode()).code) in [
        (404, "unknown_path"),
        (400, "bad_path"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/hf-inference/models/../../admin",
        "/hf-inference/models/%2e%2e/%2e%2e/admin",
        "/hf-inference/models/%252e%252e/admin",
        "/hf-inference/models/%25252e%25252e/admin",
        "/hf-inference/models/..%2fadmin",
        "/hf-inference/models/a%5c..%5cb",
        "/hf-inference//models/x",
        "/hf-inference/models/x%2f%2fy",
        "/hf-inference/models/./x",
        "/hf-inference/models/a\\b",
        "/hf-inference/models/a%00b",
        "/hf-inference/models/a%0d%0ahost:%20evil",
        "/hf-inference/models/a%zz",
        "/hf-inference/models/ünïcode",
        "/hf-inference/models/a#b",
        "//evil.example/v1/completions",
        "hf-inference/models/x",
        "/hf-inference/models/" + "x" * 3_000,
        "",
    ],
)
def test_no_part_leads_elsewhere(path: str) -> None:
    assert refused("POST", path.encode()).code == "bad_path"


@given(st.text(max_size=40), st.sampled_from(PROVIDERS), st.integers(0, 3))
def test_what_is_passed_on_stays_below_its_provider(text: str, provider: str, escaped: int) -> None:
    for _ in range(escaped):
        text = quote(text, safe="")
    path = f"/{provider}/models/{text}".encode("utf-8", "surrogatepass")
    try:
        shown = passed_on("POST", path)
    except Refused as error:
        assert error.status in (400, 404)
        return
    assert shown.encode() == path
    assert not {".", "..", ""} & set(shown[1:].split("/"))
