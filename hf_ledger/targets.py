"""`[targets.NAME]` and `[routes.NAME]` of the settings: what can answer, and what programs ask for.

The router reads the same tables without pydantic (`ingest/doors/router/stated.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hf_ledger.ingest.doors.gateway.state import DataClass
from hf_ledger.ingest.doors.router.stated import wrong_policy, wrong_routing, wrong_task


def _task(name: str) -> str:
    return _refused(wrong_task(name), name)


def _policy(name: str) -> str:
    return _refused(wrong_policy(name), name)


def _refused(why: str | None, name: str) -> str:
    if why:
        raise ValueError(why)
    return name


TaskName = Annotated[str, AfterValidator(_task)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1e9)]


class Target(BaseModel):
    """A place that answers inference calls, by a name of the user's own."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["router", "endpoint", "self_hosted"] = Field(
        "endpoint",
        description="Hugging Face's router, a dedicated endpoint, or a server of your own.",
    )
    url: str | None = Field(
        None, description="Base URL of the endpoint or server; none: the router."
    )
    model: str | None = Field(None, description="Hugging Face id of the model it serves.")
    provider: str | None = Field(None, description="Provider to ask, where calls go by the router.")
    token_variable: str | None = Field(
        None, description="Environment variable that holds its token; the token is never written."
    )
    routing: Literal["fastest", "cheapest", "preferred"] | None = Field(
        None, description="How Hugging Face's router chooses a provider where none is named."
    )
    tasks: frozenset[TaskName] | None = Field(None, description="What it does.", min_length=1)
    context_length: int | None = Field(
        None, ge=1, description="Tokens of input and output together."
    )
    max_output_tokens: int | None = Field(None, ge=1, description="Most tokens it writes.")
    tools: bool | None = Field(None, description="Whether it calls tools.")
    structured_output: bool | None = Field(None, description="Whether it keeps to a JSON schema.")
    data_classes: frozenset[DataClass] | None = Field(
        None, description="Classes of data that may go there; none given: as compliance says."
    )
    region: str | None = Field(None, description="Where it runs, such as eu-west-1.")
    most_at_once: int | None = Field(
        None, ge=1, description="Requests that one process has under way there."
    )
    requests_per_minute: int | None = Field(
        None, ge=1, description="Requests that one process sends there in a minute."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Target:
        told = "kind" in self.model_fields_set or self.url
        kind = self.kind if told else "router"
        why = wrong_routing(kind, self.provider, self.routing)
        if why:
            raise ValueError(why)
        return self


class Route(BaseModel):
    """What a program asks of the router, by a name of the user's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: TaskName = Field("chat-completion", description="What is to be done.")
    policy: Annotated[str, AfterValidator(_policy)] = Field(
        "cheapest", description="In which order targets are tried."
    )
    targets: tuple[str, ...] = Field((), description="Targets it may go to, by pattern.")
    models: tuple[str, ...] = Field((), description="Models it may go to, by pattern.")
    data_class: DataClass = Field("internal", description="Class of the data that is sent.")
    weights: dict[str, Share] = Field(
        default_factory=dict, description="Of price, speed and success, or of targets."
    )
    total_s: Seconds = Field(120.0, description="Seconds for the whole, all attempts.")
    attempt_s: Seconds = Field(60.0, description="Seconds for one attempt.")
    attempts: int = Field(4, ge=1, le=100, description="Attempts at most, over all targets.")
    hedge_after_s: Seconds | None = Field(
        None, description="Seconds after which a second target is asked too."
    )
