"""Settings: environment before file before defaults, and one sentence for every mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hf_ledger.ingest.doors.gateway.compliance.policy import CLASSES
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Allowed, Compliance, Settings
from hf_ledger.targets import Route, Target

DOCS = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def write(places: Places, text: str) -> None:
    places.make()
    places.config.write_text(text)


def test_everything_has_a_default(places: Places) -> None:
    settings = Settings.load(places)
    assert (settings.host, settings.port, settings.zone) == ("127.0.0.1", 8501, "UTC")
    assert not settings.practice
    assert not settings.insecure


def test_the_file_is_read(places: Places) -> None:
    write(places, 'zone = "Europe/Berlin"\nport = 9000\nown_key_providers = ["together"]\n')
    settings = Settings.load(places)
    assert (settings.zone, settings.port) == ("Europe/Berlin", 9000)
    assert settings.own_key_providers == frozenset({"together"})


def test_the_environment_stands_above_the_file(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(places, "port = 9000\n")
    monkeypatch.setenv("HF_LEDGER_PORT", "9001")
    assert Settings.load(places).port == 9001


def test_options_stand_above_the_environment(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_LEDGER_PORT", "9001")
    assert Settings.load(places, port=9002).port == 9002
    assert Settings.load(places, port=None).port == 9001


def test_variables_of_the_recorder_are_not_mistaken_for_settings(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_LEDGER_TEAM", "search")
    monkeypatch.setenv("HF_LEDGER_HOSTS", "127.0.0.1:9=router")
    assert Settings.load(places).port == 8501


def test_targets_by_name(places: Places) -> None:
    write(
        places,
        '[targets.mine]\nurl = "https://x.example/v1"\nkind = "self_hosted"\n'
        'token_variable = "MY_TOKEN"\n',
    )
    target = Settings.load(places).targets["mine"]
    assert target == Target(
        url="https://x.example/v1", kind="self_hosted", token_variable="MY_TOKEN"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('zone = "Mars/Olympus"', "Mars/Olympus is no time zone"),
        ("port = 70000", "Setting port is wrong"),
        ('port = "many"', "Setting port is wrong"),
        ("colour = 3", "There is no setting colour"),
        ("zone = ", "is not valid TOML"),
        ('[targets.mine]\nkind = "magic"', "Setting targets.mine.kind is wrong"),
        ('[targets.mine]\ntoken = "x"', "There is no setting targets.mine.token"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(
    places: Places, text: str, words: str
) -> None:
    write(places, text)
    with pytest.raises(Unusable) as wrong:
        Settings.load(places)
    said = str(wrong.value)
    assert words in said
    assert str(places.config) in said
    assert "\n" not in said


def test_a_secret_in_the_wrong_place_is_not_repeated(places: Places) -> None:
    write(places, '[targets.mine]\nurl = "https://x.example"\ntoken = "marker-secret-815"\n')
    with pytest.raises(Unusable) as wrong:
        Settings.load(places)
    assert "marker-secret-815" not in str(wrong.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.7", False),
        ("ledger.example", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool, places: Places) -> None:
    assert Settings.load(places, host=host).loopback is loopback


def test_settings_are_not_changed_after_loading(places: Places) -> None:
    settings = Settings.load(places)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_every_setting_and_target_key_is_explained() -> None:
    text = DOCS.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w.]+)`", text, re.MULTILINE))
    wanted = set(Settings.model_fields) | {f"targets.NAME.{key}" for key in Target.model_fields}
    wanted |= {f"routes.NAME.{key}" for key in Route.model_fields}
    wanted |= {f"compliance.{key}" for key in Compliance.model_fields if key not in CLASSES}
    wanted |= {f"compliance.CLASS.{key}" for key in Allowed.model_fields}
    assert wanted <= documented


def test_every_default_in_the_document_is_the_default(places: Places) -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", text, re.MULTILINE)
    settings = Settings.load(places)
    assert len(rows) == len(Settings.model_fields)
    for name, default in rows:
        value = getattr(settings, name)
        shown = "" if value in ((), frozenset(), {}, Compliance()) else str(value).lower()
        assert shown == default.lower(), name
