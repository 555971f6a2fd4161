"""A whole document from a program without an event loop of its own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from hf_ledger.ingest.doors.documents.answering import answering
from hf_ledger.ingest.doors.documents.caching import Kind, open_cache
from hf_ledger.ingest.doors.documents.document import Document
from hf_ledger.ingest.doors.documents.job import Answer, Job
from hf_ledger.ingest.doors.documents.meter import Meter
from hf_ledger.ingest.doors.documents.parts import Processed
from hf_ledger.ingest.doors.documents.processing import Told, process
from hf_ledger.ingest.places import Places

T = TypeVar("T")


def process_document(
    document: Document | Path | str,
    task: str,
    *,
    route: str | None = None,
    answer: Answer | None = None,
    cache: Kind = "memory",
    progress: Told | None = None,
    meter: Meter | None = None,
    places: Places | None = None,
    **job: Any,
) -> Processed:
    """The document's value, its parts in order, and what they cost together.

    A `str` is the text, a `Path` a file to be read. Keywords are those of `Job`; who answers is
    said by `model` (and `provider`), `target`, `route`, or an `answer` of one's own. In a notebook
    it runs in a thread of its own. Raises DocumentFailed, Usage or Unusable with one sentence.
    """
    asked = Job(task=task, **job)

    async def work() -> Processed:
        if answer is not None:
            return await whole(answer)
        async with answering(asked, route=route, places=places) as answers:
            return await whole(answers)

    async def whole(answers: Answer) -> Processed:
        kept = open_cache(cache, places)
        try:
            return await process(
                document, asked, answers, cache=kept, progress=progress, meter=meter
            )
        finally:
            if kept is not None:
                kept.close()

    return run(work)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end, here or, where a loop is running here, in a thread beside it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(1, "hf-ledger document") as beside:
        return beside.submit(contextvars.copy_context().run, asyncio.run, work()).result()
