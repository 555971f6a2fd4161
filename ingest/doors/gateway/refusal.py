"""The gateway's own errors: one JSON shape with a code, a sentence and the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hf_ledger.ingest.errors import LedgerError

#: A request's id is its call's: where a client's recorder sees it, it leaves the call to us.
REQUEST_ID_HEADER = "x-hf-ledger-call-id"


class Refused(LedgerError):  # noqa: N818 - the request is
    """A request that goes no further: status, a code for programs and a sentence for people.

    `more` are further members of the error, for programs.

    The sentence never holds anything of the request's text, of a token or of a key.
    """

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.more = more

    def body(self, request_id: str) -> bytes:
        """`{"error": {"code": …, "message": …, "type": "gateway", "request_id": …}}`."""
        said = {
            "code": self.code,
            "message": self.sentence,
            "type": "gateway",
            "request_id": request_id,
            **self.more,
        }
        return msgspec.json.encode({"error": said})
