"""Settings of one installation: the environment first, then `hf-ledger.toml`, then the defaults.

The file lies in the ledger's folder (`HF_LEDGER_DIR`, else the platform's data folder). Nothing is
read at import time; `Settings.load()` reads once and turns every mistake into one sentence.
"""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hf_ledger.ingest.doors.gateway.compliance.findings import Kind
from hf_ledger.ingest.doors.gateway.state import DataClass
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.targets import Route, Target

if TYPE_CHECKING:
    from hf_ledger.ingest.catalogue.fetching import Addresses
    from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
    from hf_ledger.ingest.doors.gateway.sources import Source
    from hf_ledger.ingest.doors.gateway.vault import Vault


class Allowed(BaseModel):
    """Where data of one class may be sent: patterns as of fnmatch; none given: anywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] | None = Field(default=None, description="Models it may go to.")
    providers: tuple[str, ...] | None = Field(
        default=None, description="Providers it may go to; also `endpoint` and `self_hosted`."
    )
    regions: tuple[str, ...] | None = Field(
        default=None, description="Regions of dedicated endpoints it may go to, such as eu-west-1."
    )
    hosts: tuple[str, ...] | None = Field(default=None, description="Hosts it may go to.")


class Compliance(BaseModel):
    """What the gateway looks for before it sends a request, and where data may go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public: Allowed = Field(default_factory=Allowed, description="Where public data may go.")
    internal: Allowed = Field(default_factory=Allowed, description="Where internal data may go.")
    confidential: Allowed = Field(
        default_factory=Allowed, description="Where confidential data may go."
    )
    restricted: Allowed = Field(
        default_factory=Allowed, description="Where restricted data may go."
    )
    detect: dict[Kind, DataClass] = Field(
        default_factory=dict, description="Kind of finding → class that it raises a request to."
    )
    region: str | None = Field(
        default=None,
        description="Country whose national telephone numbers are recognised, such as DE.",
    )

    @field_validator("region")
    @classmethod
    def _known_region(cls, region: str | None) -> str | None:
        if region is None:
            return None
        from phonenumbers import SUPPORTED_REGIONS

        if region not in SUPPORTED_REGIONS:
            raise ValueError("it is no country of two capital letters, such as DE or US")
        return region

    def policy(self) -> Policy:
        """The same as the gateway reads it."""
        from hf_ledger.ingest.doors.gateway.compliance import policy

        return policy.Policy(
            allowed={
                each: policy.Allowed(**getattr(self, each).model_dump()) for each in policy.CLASSES
            },
            raises={**policy.RAISES, **self.detect},
            region=self.region,
        )


class Settings(BaseSettings):
    """Every setting of the server and the commands; each has a default that works."""

    model_config = SettingsConfigDict(env_prefix="HF_LEDGER_", extra="forbid", frozen=True)

    zone: str = Field("UTC", description="Time zone of days, weeks and hours on pages and reports.")
    host: str = Field("127.0.0.1", description="Address the server binds.")
    port: int = Field(
        8501, ge=0, le=65535, description="Port the server binds; 0 picks a free one."
    )
    insecure: bool = Field(
        False, description="Bind another address than loopback although nobody has to log in."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Further host names by which browsers may reach the server."
    )
    practice: bool = Field(
        False, description="Start the practice server beside the pages, for the console."
    )
    targets: dict[str, Target] = Field(
        default_factory=dict, description="Endpoints and servers of your own, by name."
    )
    routes: dict[str, Route] = Field(
        default_factory=dict, description="What programs ask of the router, by name."
    )
    compliance: Compliance = Field(
        default_factory=Compliance,
        description="What the gateway screens requests for, and where data may go.",
    )
    own_key_providers: frozenset[str] = Field(
        frozenset(),
        description="Providers that bill you and not Hugging Face: your own key is used.",
    )

    refresh_prices: bool = Field(
        False, description="Look at Hugging Face's price list once a day while the server runs."
    )
    endpoint_namespace: str = Field(
        "", description="User or organisation whose dedicated endpoints are polled for hours."
    )
    token_variable: str = Field(
        "HF_TOKEN", description="Environment variable with the token for polling endpoints."
    )
    router_url: str = Field(
        "https://router.huggingface.co", description="Where the price list is asked for."
    )
    hub_url: str = Field(
        "https://huggingface.co", description="Where providers' ids of models are asked for."
    )
    endpoints_url: str = Field(
        "https://api.endpoints.huggingface.cloud",
        description="Where the states and prices of dedicated endpoints are asked for.",
    )

    gateway_port: int = Field(
        8600, ge=0, le=65535, description="Port of a gateway that runs alone; 0 picks a free one."
    )
    gateway_bill_to: str = Field(
        "", description="Organisation that Hugging Face bills; callers can't name another."
    )
    gateway_body_mib: int = Field(
        16, ge=1, le=1024, description="Largest request body that a gateway takes."
    )
    gateway_max_tokens: int = Field(
        4096, ge=1, description="Limit put on a call that names none and counts on a hard budget."
    )
    gateway_silent_seconds: float = Field(
        300, gt=0, description="How long a reply may say nothing before it counts as failed."
    )
    owner_lost: Literal["within_lease", "refuse"] = Field(
        "within_lease",
        description="What a gateway does while the ledger's owner does not answer.",
    )
    audit_lost: Literal["refuse", "go_on"] = Field(
        "refuse", description="What a gateway does with a request that the audit can't note."
    )
    replay_judge_model: str = Field(
        "", description="Model that judges replayed free text; none: words are compared."
    )
    replay_embedding_model: str = Field(
        "", description="Model of embeddings that compares replayed free text, before a judge."
    )
    audit_days: int = Field(400, ge=1, description="Days that files of the audit are kept.")
    encryption_key_file: str = Field(
        "", description="File with the key that the gateway's token is encrypted with."
    )
    encryption_keyring: bool = Field(
        False, description="Take that key from the operating system's keyring where no file is set."
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone} is no time zone; use a name such as UTC or Europe/Berlin")
        return zone

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def addresses(self) -> Addresses:
        """Where prices and endpoints are asked for; the token is read only now, never kept."""
        from hf_ledger.ingest.catalogue.fetching import Addresses

        return Addresses(
            router=self.router_url,
            hub=self.hub_url,
            endpoints=self.endpoints_url,
            namespace=self.endpoint_namespace or None,
            token=os.environ.get(self.token_variable),
        )

    def key_source(self) -> Source:
        """Where the key is that the gateway's token is encrypted with; `Unusable` without one."""
        from hf_ledger.ingest.doors.gateway.sources import key_source

        file, keyring = self.encryption_key_file, self.encryption_keyring
        return key_source(os.environ, file, keyring=keyring)

    def vault(self, places: Places) -> Vault:
        """The gateway's token; takes ENCRYPTION_KEY out of this process's environment."""
        from hf_ledger.ingest.doors.gateway.vault import open_vault

        file, keyring = self.encryption_key_file, self.encryption_keyring
        return open_vault(places, os.environ, key_file=file, keyring=keyring)

    @classmethod
    def load(cls, places: Places | None = None, **given: Any) -> Settings:
        """Settings with `given` (command options) above environment, file and defaults.

        Options that are None count as not given. Raises `Unusable` with one sentence.
        """
        path = (places or Places.default()).config
        options = {name: value for name, value in given.items() if value is not None}
        try:
            return _from(path)(**options)
        except ValidationError as wrong:
            raise Unusable(_sentence(wrong, path)) from wrong
        except tomllib.TOMLDecodeError as wrong:
            raise Unusable(f"{path} is not valid TOML: {wrong}.") from wrong
        except OSError as wrong:
            raise Unusable(f"{path} cannot be read: {wrong.strerror}.") from wrong


def _from(path: Path) -> type[Settings]:
    """Settings that also read this file, below the environment."""

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)

    return FromFile


def _sentence(wrong: ValidationError, path: Path) -> str:
    """The first mistake, named by setting; values are left out, they may be secrets."""
    first = wrong.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(Settings.model_fields))
        return f"There is no setting {name}; known are {known} ({path} or HF_LEDGER_*)."
    why = first["msg"].removeprefix("Value error, ")
    return f"Setting {name} is wrong: {why} ({path} or HF_LEDGER_{name.upper()})."
