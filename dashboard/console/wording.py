"""A call as it is to be said in code: where it goes, by which method, with which arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from hf_ledger.dashboard.console.column import Column, Question
from hf_ledger.dashboard.console.uploads import is_sound, picture_type, sound_type
from hf_ledger.ingest.doors.router.fitting import Where, fitted, routed_model, where_of
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import arguments, task_named
from hf_ledger.ingest.doors.router.wanted import CHAT

TOKEN = "HF_TOKEN"
ROUTER = "https://router.huggingface.co"

_DATA_URL = re.compile(r"data:(image/[a-z]+);base64,")


class Asked(NamedTuple):
    """What is to be said in code: where, by which method, and with which arguments."""

    target: Target
    task: str
    where: Where
    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]  # as the method takes them

    @property
    def model(self) -> str | None:
        """As a request names it: in a chat with provider or policy behind it."""
        return routed_model(self.target) if self.task == CHAT else self.target.model

    @property
    def token_variable(self) -> str | None:
        """The variable that the token is in; None for a server of one's own that wants none."""
        if self.target.token_variable is None and self.target.kind == "self_hosted":
            return None
        return self.target.token_variable or TOKEN

    @property
    def flat(self) -> dict[str, Any]:
        """Parameters as they stand in a request: those in `extra_body` beside the others."""
        given = dict(self.parameters)
        extra: Mapping[str, Any] = given.pop("extra_body", {})
        return {**given, **extra}


def asked_of(target: Target, column: Column, question: Question) -> Asked:
    """Raises Usage for what can't be asked there."""
    from huggingface_hub import InferenceClient

    task = task_named(question.task)
    method = getattr(InferenceClient, task.method)
    return Asked(
        target,
        question.task,
        where_of(target, question.task, None),
        arguments(question.task, question.inputs),
        fitted(method, question.task, task, column.parameters),
    )


def media_type_of(content: bytes) -> str:
    return picture_type(content) or sound_type(content)


def file_name(content: bytes) -> str:
    """What the file that was uploaded is called in code."""
    if is_sound(content):
        return f"recording.{sound_type(content).rpartition('/')[2]}"
    return "picture.png"


def type_of_url(url: str) -> str | None:
    """The media type of a picture that its address holds."""
    found = _DATA_URL.match(url)
    return found[1] if found else None


def replaced(
    value: object, content: Callable[[bytes], object], url: Callable[[str], object]
) -> Any:
    """The value with other things in the place of its files and of its pictures' addresses."""
    if isinstance(value, bytes):
        return content(value)
    if isinstance(value, Mapping):
        return {
            str(name): url(each)
            if name == "url" and isinstance(each, str)
            else replaced(each, content, url)
            for name, each in value.items()
        }
    return [replaced(each, content, url) for each in value] if isinstance(value, list) else value


def urls_in(value: object) -> Iterator[str]:
    """All addresses of pictures in messages."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name == "url" and isinstance(each, str):
                yield each
            else:
                yield from urls_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from urls_in(each)
