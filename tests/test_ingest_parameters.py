"""Parameters of commands: read or refused, from however many threads at once."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.parameters import decoder_of, read


class Said(msgspec.Struct):
    name: str
    many: list[int] = []


def test_what_fits_is_read() -> None:
    assert read(b'{"name": "a", "many": [1]}', Said) == Said("a", [1])
    assert decoder_of(Said) is decoder_of(Said)


@pytest.mark.parametrize("payload", [b"", b"null", b'{"name": 1}', b"{", b'{"many": []}'])
def test_what_does_not_fit_is_refused(payload: bytes) -> None:
    with pytest.raises(Usage, match="not the parameters"):
        read(payload, Said)


MANY = """
import threading, msgspec
from hf_ledger.ingest.parameters import read
inner = msgspec.defstruct("Inner", [(f"f{n}", list[int], []) for n in range(40)])
kinds = [msgspec.defstruct(f"K{n}", [("a", list[inner], []), ("b", dict[str, inner], {})])
         for n in range(40)]
barrier = threading.Barrier(16)
def first():
    for kind in kinds:
        barrier.wait()
        read(b'{"a": [{}], "b": {"x": {}}}', kind)
threads = [threading.Thread(target=first) for _ in range(16)]
[each.start() for each in threads]
[each.join() for each in threads]
print("alive")
"""


def test_many_threads_may_be_the_first() -> None:
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "alive"
