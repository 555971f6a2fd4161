"""The commands by name: where each is defined, and the line that `--help` shows.

Modules are imported only when their command is called, so that `hf-ledger --help` stays fast.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """`target` is "module:attribute" of a typer app or of a function."""

    target: str
    help: str


COMMANDS: dict[str, Command] = {
    "serve": Command(
        "hf_ledger.cli.serve:serve", "Dashboard, collector and API on one loopback port."
    ),
    "gateway": Command(
        "hf_ledger.cli.gateway:gateway",
        "Own keys, limits, budgets and audit between your programs and Hugging Face.",
    ),
    "sample": Command("hf_ledger.cli.sample:sample", "Make the sample ledger."),
    "practice": Command(
        "hf_ledger.cli.practice:practice",
        "A server that speaks Hugging Face's wire format; no model runs.",
    ),
    "record": Command(
        "hf_ledger.cli.record:main", "Record the calls of a program that can't be changed."
    ),
    "send": Command(
        "hf_ledger.cli.send:main", "Send what this host has recorded to a ledger on another."
    ),
    "doctor": Command(
        "hf_ledger.cli.doctor:main",
        "Is the hook on, where do calls go, what was seen but not counted.",
    ),
    "import": Command("hf_ledger.cli.imports:app", "Bring in what was recorded elsewhere, once."),
    "calls": Command(
        "hf_ledger.cli.calls:calls", "The calls themselves, or one with how it was priced."
    ),
    "spend": Command("hf_ledger.cli.spend:spend", "Estimated cost by any dimension and period."),
    "peaks": Command("hf_ledger.cli.peaks:peaks", "Busiest hours, and hour by weekday."),
    "sizes": Command(
        "hf_ledger.cli.sizes:sizes", "Calls, tokens and cost over model size classes."
    ),
    "overkill": Command(
        "hf_ledger.cli.overkill:overkill", "Work done by models two or more classes too big."
    ),
    "savings": Command(
        "hf_ledger.cli.savings:savings", "Price difference of smaller or cheaper routes, untested."
    ),
    "recommend": Command(
        "hf_ledger.cli.recommend:recommend", "Observations in words, with their figures."
    ),
    "coverage": Command(
        "hf_ledger.cli.coverage:coverage", "How much of the traffic is priced, and by what."
    ),
    "model": Command("hf_ledger.cli.model:model", "Size, class and source for model ids."),
    "prices": Command("hf_ledger.cli.prices:app", "The price list and its history."),
    "document": Command(
        "hf_ledger.cli.document:document",
        "A whole document through one task, in order, with one cost.",
    ),
    "key": Command(
        "hf_ledger.cli.key:app",
        "Keys of users, of hosts that post their calls here, and of the hashes of prompts.",
    ),
    "audit": Command(
        "hf_ledger.cli.audit:app", "Who asked and who changed what; whether that was tampered with."
    ),
    "token": Command(
        "hf_ledger.cli.hf_token:app",
        "The gateway's Hugging Face token: encrypt it, check it, change its encryption key.",
    ),
    "budget": Command(
        "hf_ledger.cli.budget:app", "Budgets that the gateway keeps, and what is left of them."
    ),
    "route": Command(
        "hf_ledger.cli.route:app", "What the router knows of targets, and how it would choose."
    ),
    "reprice": Command(
        "hf_ledger.cli.reprice:reprice", "Price calls again, in a recorded run that can be undone."
    ),
    "month": Command("hf_ledger.cli.month:app", "Close months, and what came after the close."),
    "endpoints": Command(
        "hf_ledger.cli.endpoints:app", "Hours of dedicated endpoints: billed with calls or without."
    ),
    "report": Command("hf_ledger.cli.report:app", "Weekly report as HTML and XLSX."),
}

#: Commands that work with the base install alone: msgspec and the standard library.
BASE = ("record", "send", "doctor")
