"""One client whatever serves the model: the router, a dedicated endpoint, your own server.

All tasks are `huggingface_hub.InferenceClient`'s; ours adds named targets, labels, a timeout that
is never "for ever", and errors that say in one sentence what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from types import SimpleNamespace
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.hook.hosts import configured, netloc_of
from hf_ledger.ingest.doors.hook.labels import Labelled, given
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

TIMEOUT_SECONDS = 120.0

#: Sent where a server of one's own asks for no token: hub would send the user's Hugging Face token.
NO_TOKEN = "no-token"

EXTRA_MISSING = (
    "HuggingFaceInferenceClient needs the client extra, which is not installed here: "
    "pip install 'hf-ledger[client]'."
)
TOKEN_MISSING = "No Hugging Face token: set HF_TOKEN, run `hf auth login`, or pass token=…"

SENTENCES = {
    400: "{who} did not accept the request (400); check the parameters for this task and model.",
    401: "{who} refused the token (401): it is missing, wrong or expired; set HF_TOKEN or token=…",
    402: "The included credits are used up (402); buy credits or bill another account.",
    403: "The token may not call {who} (403): give it the permission to call Inference Providers.",
    404: "{who} does not know the model {model} (404); check its id and who serves it.",
    410: "{who} no longer serves the model {model} (410); choose another.",
    422: "{who} could not read the request (422); check its length and the parameters.",
    429: "{who} is over its rate limit (429); wait, or send fewer requests at a time.",
    503: "The model {model} is loading or overloaded at {who} (503); try again in a minute.",
    504: "{who} took too long (504); ask for less, or use stream=True.",
}
OTHER_STATUS = "{who} failed ({status}); try again later or choose another provider."


class InferenceFailed(Unusable):
    """A call that came back with an error; `status` is None where no reply came."""

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class Target(NamedTuple):
    """Where calls go. `url` is None for Hugging Face's router."""

    kind: str = "router"
    url: str | None = None
    model: str | None = None
    provider: str | None = None
    token: str | None = None

    @property
    def who(self) -> str:
        """How error sentences name it."""
        return netloc_of(self.url) if self.url else self.provider or "Hugging Face"


class HuggingFaceInferenceClient:
    """Any task of `huggingface_hub.InferenceClient`, recorded, on a named target or a model.

    `target` names a `[targets.NAME]` of `hf-ledger.toml`; `base_url` is an endpoint or a server of
    your own; without either, calls go through Hugging Face's router. Labels (`app`, `team`,
    `environment`, `project`, `user`, `tags`) go on every call. Starts recording if nothing has.
    Raises Unusable (a LedgerError) with one sentence, InferenceFailed for a failed call.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        target: str | None = None,
        base_url: str | None = None,
        provider: str | None = None,
        token: str | None = None,
        timeout: float | None = TIMEOUT_SECONDS,
        places: Places | None = None,
        headers: Mapping[str, str] | None = None,
        bill_to: str | None = None,
        **labels: Any,
    ) -> None:
        if target is not None and base_url is not None:
            raise Usage("Give a target or a base_url, not both.")
        where = places or Places.default()
        direct = Target("self_hosted" if base_url else "router", base_url)
        chosen = target_named(target, where) if target else direct
        self._target = chosen._replace(
            model=model or chosen.model,
            provider=provider or chosen.provider,
            token=token or chosen.token,
        )
        self._labels = given(source="client", **labels)
        self._inner = inner_client(self._target, timeout, dict(headers or {}), bill_to)
        start_recording(self._target, where)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._inner, name)
        return self._labelled(found) if callable(found) else found

    @property
    def chat(self) -> Any:
        """OpenAI's spelling: `client.chat.completions.create(…)`."""
        return SimpleNamespace(completions=SimpleNamespace(create=self.chat_completion))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._inner)})

    def __enter__(self) -> HuggingFaceInferenceClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.close()

    def _labelled(self, task: Callable[..., Any]) -> Callable[..., Any]:
        """The task with our labels around its request and our sentences for its errors."""

        @wraps(task)
        def call(*args: Any, **kwargs: Any) -> Any:
            if task.__name__ == "chat_completion" and self._target.url and self._target.model:
                # To a URL hub would send the model name "dummy".
                kwargs.setdefault("model", self._target.model)
            with Labelled(self._labels), Sentences(self._target):
                result = task(*args, **kwargs)
            return self._iterated(result) if isinstance(result, Iterator) else result

        return call

    def _iterated(self, pieces: Iterator[Any]) -> Iterator[Any]:
        with Sentences(self._target):
            yield from pieces


def target_named(name: str, places: Places) -> Target:
    """The target of that name in the settings. Raises Usage or Unusable with one sentence."""
    targets = configured(places).get("targets")
    targets = targets if isinstance(targets, dict) else {}
    said = targets.get(name)
    if not isinstance(said, dict):
        known = ", ".join(sorted(targets)) or "none"
        raise Usage(f"There is no target {name!r} in {places.config}; known: {known}.")
    url = said.get("url")
    kind = said.get("kind", "endpoint" if url else "router")
    if kind != "router" and not url:
        raise Unusable(f"Target {name!r} needs a url in {places.config}.")
    return Target(
        kind=kind,
        url=url,
        model=said.get("model"),
        provider=said.get("provider"),
        token=token_of(name, said.get("token_variable")),
    )


def token_of(target: str, variable: str | None) -> str | None:
    if variable is None:
        return None
    token = os.environ.get(variable)
    if not token:
        raise Unusable(f"Target {target!r} takes its token from {variable}, which is not set.")
    return token


def inner_client(
    target: Target, timeout: float | None, headers: dict[str, str], bill_to: str | None
) -> Any:
    """hub's own client for a target. Raises Unusable where hub is missing or misused."""
    try:
        from huggingface_hub import InferenceClient
    except ImportError as error:
        raise Unusable(EXTRA_MISSING) from error
    token = target.token
    if target.kind == "self_hosted" and token is None:
        token = NO_TOKEN
    where: dict[str, Any] = (
        {"base_url": target.url}
        if target.url
        else {"model": target.model, "provider": target.provider}
    )
    return InferenceClient(**where, token=token, timeout=timeout, headers=headers, bill_to=bill_to)


def start_recording(target: Target, places: Places) -> None:
    """Record from now on, and look at the target's host too."""
    if recording.active.hook is None:
        recording.record(places=places)
    if target.url:
        recording.watch({netloc_of(target.url): target.kind})


class Sentences:
    """Turns hub's and the client's exceptions into one sentence for people."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        sentence = self.sentence(error) if error is not None else None
        if sentence is not None:
            raise InferenceFailed(sentence, status_of(error)) from error

    def sentence(self, error: BaseException) -> str | None:
        """What to say of this error; None for one that is the caller's own."""
        names = {each.__name__ for each in type(error).__mro__}
        who = self._target.who
        status = status_of(error)
        if status is not None:
            said = SENTENCES.get(status, OTHER_STATUS)
            return said.format(who=who, model=self._target.model or "asked for", status=status)
        if names & {"InferenceTimeoutError", "TimeoutException"}:
            return f"{who} did not answer in time; raise timeout= or ask for less."
        if "TransportError" in names:
            return f"{who} cannot be reached; check the network and the address."
        if isinstance(error, ValueError) and "api_key" in str(error):
            return TOKEN_MISSING
        return None


def status_of(error: BaseException | None) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
