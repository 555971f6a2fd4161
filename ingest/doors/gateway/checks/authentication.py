"""Who asks: the key is found by its id and compared in constant time."""

from __future__ import annotations

import hmac
from math import ceil

from hf_ledger.ingest.doors.api.key_form import KEY, key_hash
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.failures import Failures
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, State

MISSING = "Send a key of this gateway: Authorization: Bearer hfl_…"
INVALID = "This key is unknown or revoked: ask whoever runs this gateway for another."
EXPIRED = "This key has ended: ask whoever runs this gateway for another."
TOO_MANY = "Too many wrong keys came from this address: wait {seconds} s."
ASK = {"www-authenticate": "Bearer"}
NOBODY = "0" * 64


class Authentication:
    """Lets pass who has a good key; wrong ones are answered slower and slower.

    Only failures are counted: behind one address there may be many, and a good key passes there
    whatever a wrong one did. 256 random bits are not found by trying.
    """

    name = "authentication"

    def __init__(self, failures: Failures | None = None) -> None:
        self._failures = Failures() if failures is None else failures
        self._state: State | None = None
        self._keys: dict[str, Key] = {}

    def identify(self, raw: str | None, asking: Asking) -> Key:
        """The key that the request shows, now on `asking` too; `raw` is kept nowhere."""
        if not raw:
            raise Refused(401, "missing_key", MISSING, ASK)
        key = self._known(raw, asking.state)
        if key is None:
            raise self._refused(asking.address)
        if key.expires_at is not None and asking.ts >= key.expires_at * 1_000_000:
            raise Refused(403, "expired_key", EXPIRED)
        asking.key = key
        asking.verdicts[self.name] = key.key_id
        return key

    def check(self, asking: Asking) -> None:
        """That it was identified: no request goes on without."""
        if asking.key is None:
            raise Refused(401, "missing_key", MISSING, ASK)

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Nothing is held."""

    def _known(self, raw: str, state: State) -> Key | None:
        """An unknown id costs the same as a wrong key: a hash and a comparison."""
        if state is not self._state:
            self._keys = {key.key_id: key for key in state.keys}
            self._state = state
        said = KEY.fullmatch(raw)
        key = self._keys.get(said[1]) if said else None
        kept = key.key_hash if key else NOBODY
        return key if hmac.compare_digest(kept, key_hash(raw)) else None

    def _refused(self, address: str) -> Refused:
        wait = ceil(self._failures.count(address))
        if not wait:
            return Refused(401, "invalid_key", INVALID, ASK)
        headers = {"retry-after": str(wait)}
        return Refused(429, "too_many_failures", TOO_MANY.format(seconds=wait), headers)
