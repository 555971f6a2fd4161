"""The two halves of an exchange as the doors hand them in, and what traffic is that is no call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from hf_ledger.ingest.call import Call

#: Why an exchange with a Hugging Face host is not a call; counted, never kept.
AsideReason = Literal["mapping", "poll", "download", "telemetry", "hub_api", "other"]

#: How a reply came to its end, as the door saw it.
#: complete: read to its end · closed: the caller closed or left it early · error: the transport
#: failed · cancelled: the caller's task was cancelled
Ending = Literal["complete", "closed", "error", "cancelled"]


class Aside(msgspec.Struct, frozen=True):
    """Not a call, and why. A mapping look-up's reply is worth reading: it teaches routes."""

    reason: AsideReason


class WireSettings(msgspec.Struct, frozen=True):
    """What a reader must be told because no exchange says it."""

    own_key_providers: frozenset[str] = frozenset()  # billed by the provider, not Hugging Face
    extra_hosts: Mapping[str, str] = {}  # host[:port] → "self_hosted", …
    any_openai_host: bool = False  # imports: a recorded POST to an OpenAI-style path is a call


class Asked(Call, kw_only=True, omit_defaults=True, tag_field="kind", tag="call", gc=False):
    """A call between its request and its reply: what the reply's reader must know of the request.

    Both extra fields are None again when the reply has been read, so the line is a plain call.
    """

    form: str | None = None  # content asked about: text, image, audio, …, see wire/forms.py
    task_from: str | None = None  # "path", "form" or "route": how sure `task` is
