"""Sends a document whose answers come from a server on loopback, until it ends or is killed.

Arguments: address, text file, folder of the ledger, file for what is told. After each part that
counts a line is written there; at the end one line of JSON goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from hf_ledger.ingest.doors.documents.parts import Progress
from hf_ledger.ingest.doors.documents.programs import process_document
from hf_ledger.ingest.places import Places

AT_ONCE = 5


def main(address: str, book: str, ledger: str, told: str) -> None:
    notes = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client = httpx2.AsyncClient(timeout=60)

    async def answer(task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
        reply = await client.post(address, json={"text": inputs["text"]})
        reply.raise_for_status()
        return str(reply.json()["said"])

    def note(progress: Progress) -> None:
        os.write(notes, f"{progress.done}\n".encode())

    done = process_document(
        Path(book).read_text(encoding="utf-8"),
        "translation",
        answer=answer,
        cache="disk",
        places=Places(Path(ledger)),
        progress=note,
        size=40,
        at_once=AT_ONCE,
        timeout_s=60,
    )
    said = {
        "value": done.value,
        "called": done.called,
        "from_cache": done.from_cache,
        "asked_again": done.asked_again,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
