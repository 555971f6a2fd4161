"""Sends a document through a target of the settings until it ends or is killed.

Arguments: text file, `Job` as JSON. The ledger is where HF_LEDGER_DIR says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hf_ledger.ingest.doors.documents.programs import process_document


def main(book: str, job: str) -> None:
    text = Path(book).read_text(encoding="utf-8")
    done = process_document(text, "chat-completion", cache="disk", **json.loads(job))
    said = {
        "value": done.value,
        "parts": len(done.parts),
        "failed": [part.failed for part in done.failed],
        "from_cache": done.from_cache,
        "asked_again": done.asked_again,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
