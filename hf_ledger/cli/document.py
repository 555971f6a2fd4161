"""`hf-ledger document`: a whole document through one task, in order, with one cost."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import typer

from hf_ledger.cli import document_options as options
from hf_ledger.cli import document_output as output_of
from hf_ledger.cli.document_output import as_text
from hf_ledger.ingest.doors.documents.answers import answering, possible
from hf_ledger.ingest.doors.documents.caching import Kind, open_cache
from hf_ledger.ingest.doors.documents.estimating import Estimate, estimate
from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.doors.documents.meter import Meter
from hf_ledger.ingest.doors.documents.parts import DocumentFailed, Processed, Progress
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.doors.documents.reading import read
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.places import Places

INTERRUPTED = 130


def document(
    file: options.File,
    *,
    task: options.Task,
    model: options.Model = None,
    provider: options.Provider = None,
    target: options.Target = None,
    route: options.Route = None,
    instruction: options.Instruction = None,
    tree: options.Tree = False,
    language_pair: options.LanguagePair = None,
    inputs: options.Inputs = None,
    parameters: options.Parameters = None,
    size: options.Size = 1000,
    unit: options.UnitOption = options.Unit.characters,
    tokenizer: options.Tokenizer = None,
    overlap: options.Overlap = None,
    at_once: options.AtOnce = 10,
    timeout: options.Timeout = 10.0,
    on_failure: options.OnFailureOption = options.OnFailure.retry,
    retries: options.Retries = 2,
    cache: options.CacheOption = options.CacheKind.memory,
    pay_again: options.PayAgain = False,
    name: options.Name = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    ask_above: options.AskAbove = "1.00",
    output: options.Output = None,
    written: options.Shape = options.Written.text,
) -> int:
    """Send a whole document through one task, in order, with one cost.

    Exit code 0: done; 1: a part is missing or failed; 2: used wrongly.
    """
    job = options.job_of(
        task=task,
        model=model,
        provider=provider,
        target=target,
        instruction=instruction,
        tree=tree,
        language_pair=language_pair,
        inputs=inputs,
        parameters=parameters,
        size=size,
        unit=unit.value,
        tokenizer=tokenizer,
        overlap=overlap,
        at_once=at_once,
        timeout_s=timeout,
        on_failure=on_failure.value,
        retries=retries,
        pay_again=pay_again,
        name=name,
    )
    limit, given, places = options.usd_of(ask_above), read(file), Places.default()
    text = given.text
    prices = Prices(Watched(places.gateway_state).now())
    who = possible(job, route=route, places=places)
    found = estimate(text, job, prices, who, time.time())
    as_json = written is options.Written.json
    if dry_run:
        shown = json.dumps(output_of.estimate_json(found), indent=2)
        output_of.write(shown if as_json else output_of.estimate_line(found), output)
        return 0
    output_of.say(*given.notes, output_of.estimate_line(found))
    confirm(found, limit, yes=yes)
    work = Work(
        text,
        job,
        route=route,
        cache=cache.value,
        places=places,
        found=found,
        output=output,
        as_json=as_json,
    )
    return work.run()


def confirm(found: Estimate, limit: Decimal, *, yes: bool) -> None:
    """Ask before it costs more than was said, or nobody knows how much."""
    most = found.cost if found.high is None else found.high
    if yes or not sys.stdin.isatty() or (most is not None and most <= limit):
        return
    if not typer.confirm("Send it?", err=True):
        raise typer.Abort


class Work:
    """One document on its way, and what is said of it."""

    def __init__(
        self,
        text: str,
        job: Job,
        *,
        route: str | None,
        cache: Kind,
        places: Places,
        found: Estimate,
        output: Path | None,
        as_json: bool,
    ) -> None:
        self.text, self.job, self.route, self.cache = text, job, route, cache
        self.places, self.found, self.output, self.as_json = places, found, output, as_json
        self.meter = Meter()
        self.answered = 0

    def run(self) -> int:
        """To its end; the exit code. Raises Usage and Unusable."""
        try:
            with output_of.bar(self.found.calls) as tell:
                done = asyncio.run(self.processed(tell))
        except KeyboardInterrupt:
            on_disk = self.cache == "disk"
            lines = output_of.stopped_lines(self.meter.spent, self.answered, on_disk=on_disk)
            output_of.say(*lines)
            return INTERRUPTED
        except DocumentFailed:
            output_of.say(output_of.cost_line(self.meter.spent))
            raise
        whole = output_of.result_json(done, self.found) if self.as_json else as_text(done.value)
        output_of.write(whole, self.output)
        output_of.say(*output_of.done_lines(done, self.meter.spent))
        return int(bool(done.failed))

    async def processed(self, tell: Callable[[Progress], None] | None) -> Processed:
        def told(progress: Progress) -> None:
            self.answered = progress.done - progress.failed
            if tell is not None:
                tell(progress)

        kept = open_cache(self.cache, self.places)
        try:
            async with answering(self.job, route=self.route, places=self.places) as answer:
                return await process(
                    self.text, self.job, answer, cache=kept, progress=told, meter=self.meter
                )
        finally:
            if kept is not None:
                kept.close()
