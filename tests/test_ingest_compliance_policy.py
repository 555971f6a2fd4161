"""Classes of data, and where they may go."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.compliance.findings import KINDS
from hf_ledger.ingest.doors.gateway.compliance.policy import (
    CLASS_HEADER,
    CLASSES,
    RAISES,
    Allowed,
    Policy,
    fits,
    highest,
    hold_call,
    hold_place,
    regions_of,
    stated,
)
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

ENDPOINT = "https://abc123.eu-west-1.aws.endpoints.huggingface.cloud"


def call(**given: object) -> Call:
    return Call(**{"call_id": "c", "ts": 0, "host_kind": "router", **given})  # type: ignore[arg-type]


def test_the_order_of_classes() -> None:
    assert CLASSES == ("public", "internal", "confidential", "restricted")
    for some in itertools.permutations(CLASSES, 2):
        assert CLASSES.index(highest(*some)) == max(map(CLASSES.index, some))


def test_the_header_names_a_class() -> None:
    assert stated({}) == "public"
    assert stated({CLASS_HEADER: " Restricted "}) == "restricted"
    for wrong in ("", "secret", "public, restricted"):
        with pytest.raises(Refused) as refused:
            stated({CLASS_HEADER: wrong})
        assert (refused.value.status, refused.value.code) == (400, "unknown_data_class")
        assert "confidential" in refused.value.sentence
        assert not wrong or wrong not in refused.value.sentence


def refusal(allowed: Allowed, call: Call | None) -> str | None:
    try:
        hold_call(allowed, "confidential", call)
    except Refused as refused:
        assert (refused.status, refused.code) == (403, "data_not_allowed")
        return refused.sentence
    return None


def test_nothing_named_allows_everything() -> None:
    assert refusal(Allowed(), None) is None
    assert refusal(Allowed(), call()) is None
    hold_place(Allowed(), "restricted", "https://example.org")


def test_models() -> None:
    allowed = Allowed(models=("mistralai/*", "Qwen/Qwen3-8B"))
    assert refusal(allowed, call(requested_model="MistralAI/Mistral-7B")) is None
    assert refusal(allowed, call(requested_model="Qwen/Qwen3-8B")) is None
    said = refusal(allowed, call(requested_model="Qwen/Qwen3-80B"))
    assert said is not None
    assert "mistralai/*" in said
    assert "80B" not in said
    assert refusal(allowed, call()), "a model that is not known is none of them"
    assert refusal(allowed, None)
    assert refusal(Allowed(models=()), call(requested_model="a/b")), "an empty list allows none"


def test_providers() -> None:
    allowed = Allowed(providers=("groq", "scaleway"))
    assert refusal(allowed, call(provider="groq", routing="explicit")) is None
    said = refusal(allowed, call(provider="together", routing="explicit"))
    assert said is not None
    assert "groq, scaleway" in said
    assert refusal(allowed, None)


@pytest.mark.parametrize("routing", ["auto", "fastest", "cheapest", "preferred"])
def test_a_call_without_a_provider_must_name_one(routing: str) -> None:
    said = refusal(Allowed(providers=("groq",)), call(routing=routing, provider=None))
    assert said is not None
    assert "name one of them" in said
    assert "model:provider" in said


def test_a_provider_that_the_router_chose_is_none_that_was_named() -> None:
    assert refusal(Allowed(providers=("groq",)), call(routing="auto", provider="groq"))
    assert refusal(Allowed(providers=("groq",)), call(provider="groq")) is None


def test_endpoints_and_own_servers_go_by_their_kind() -> None:
    allowed = Allowed(providers=("groq", "endpoint"))
    assert refusal(allowed, call(host_kind="endpoint")) is None
    assert refusal(allowed, call(host_kind="self_hosted"))


@pytest.mark.parametrize(
    ("allowed", "upstream", "passes"),
    [
        (Allowed(regions=("eu-*",)), ENDPOINT, True),
        (Allowed(regions=("eu-west-1.aws",)), ENDPOINT + "/v1", True),
        (Allowed(regions=("eu-west-1.azure",)), ENDPOINT, False),
        (Allowed(regions=("us-*",)), ENDPOINT, False),
        (Allowed(regions=("eu-*",)), "https://router.huggingface.co", False),
        (Allowed(regions=("eu-*",)), "https://eu-west-1.aws.endpoints.huggingface.cloud", False),
        (Allowed(regions=("eu-*",)), ENDPOINT + ".evil.example", False),
        (Allowed(regions=("eu-*",), hosts=("llm.corp.example",)), "http://llm.corp.example", True),
        (Allowed(regions=("eu-*",), hosts=("llm.corp.example",)), ENDPOINT, True),
        (Allowed(hosts=("*.corp.example",)), "http://LLM.corp.example:8000/v1", True),
        (Allowed(hosts=("*.corp.example",)), "http://corp.example.org", False),
        (Allowed(hosts=("*.corp.example",)), "http://x@evil.org/a.corp.example", False),
        (Allowed(hosts=()), ENDPOINT, False),
    ],
)
def test_places(allowed: Allowed, upstream: str, passes: bool) -> None:
    if passes:
        hold_place(allowed, "restricted", upstream)
        return
    with pytest.raises(Refused, match="restricted"):
        hold_place(allowed, "restricted", upstream)


def test_regions_of_a_host() -> None:
    assert regions_of("x.us-east-1.aws.endpoints.huggingface.cloud") == (
        "us-east-1",
        "us-east-1.aws",
    )
    assert regions_of("api.endpoints.huggingface.cloud") == ()
    assert regions_of("x.y.us-east-1.aws.endpoints.huggingface.cloud") == ()


def test_patterns() -> None:
    assert fits("A/b", ("a/*",))
    assert not fits(None, ("*",))
    assert not fits("a", ())


# -- settings --------------------------------------------------------------------------------------


def loaded(tmp_path: Path, text: str) -> Policy:
    places = Places(tmp_path)
    places.config.write_text(text)
    return Settings.load(places).compliance.policy()


def test_out_of_the_box_every_class_may_go_anywhere(tmp_path: Path) -> None:
    policy = loaded(tmp_path, "")
    assert set(policy.allowed.values()) == {Allowed()}
    assert policy.raises == RAISES
    assert set(RAISES) == set(KINDS)
    assert policy.region is None


def test_the_table_of_settings(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        """
[compliance]
region = "DE"
detect = { email = "internal" }
[compliance.confidential]
providers = ["groq"]
models = []
[compliance.restricted]
regions = ["eu-*"]
hosts = ["llm.corp.example"]
""",
    )
    assert policy.allowed["confidential"] == Allowed(providers=("groq",), models=())
    assert policy.allowed["restricted"] == Allowed(regions=("eu-*",), hosts=("llm.corp.example",))
    assert policy.allowed["public"] == Allowed()
    assert policy.raises == {**RAISES, "email": "internal"}
    assert policy.region == "DE"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[compliance]\ndetect = { shoe = 'internal' }", "Setting compliance.detect.shoe"),
        ("[compliance]\ndetect = { card = 'secret' }", "Setting compliance.detect.card"),
        (
            "[compliance]\nregion = 'Germany'",
            "Setting compliance.region is wrong: it is no country",
        ),
        ("[compliance.secret]\nhosts = []", "There is no setting compliance.secret"),
        ("[compliance.public]\nhost = []", "There is no setting compliance.public.host"),
    ],
)
def test_mistakes_in_it(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Unusable, match=sentence):
        loaded(tmp_path, text)
