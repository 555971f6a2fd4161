"""The options of `hf-ledger document`, and the job that they say together."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.errors import Usage


class Unit(StrEnum):
    """What sizes are measured in."""

    characters = "characters"
    tokens = "tokens"


class OnFailure(StrEnum):
    """What becomes of the document where a part fails."""

    retry = "retry"
    skip = "skip"
    fail = "fail"


class CacheKind(StrEnum):
    """Where answers are kept."""

    memory = "memory"
    disk = "disk"
    off = "off"


class Written(StrEnum):
    """How the result is written."""

    text = "text"
    json = "json"


File = Annotated[Path, typer.Argument(metavar="FILE", help="A txt, md, html, pdf or docx file.")]
Task = Annotated[str, typer.Option(help="summarization, translation, token-classification, …")]
Model = Annotated[str | None, typer.Option(help="Hugging Face id of the model that answers.")]
Provider = Annotated[str | None, typer.Option(help="Its provider; without, Hugging Face chooses.")]
Target = Annotated[str | None, typer.Option(help="A target of the settings instead.")]
Route = Annotated[str | None, typer.Option(help="A route of the settings instead.")]
Instruction = Annotated[
    str | None,
    typer.Option(help="What a chat is told to do with each part (--task chat-completion)."),
]
Tree = Annotated[
    bool, typer.Option("--tree", help="Sum the answers up again until one is left (summaries do).")
]
LanguagePair = Annotated[
    str | None, typer.Option(help="FROM:TO as the model names them, as eng_Latn:deu_Latn.")
]
Inputs = Annotated[
    str | None, typer.Option(help='Further inputs as JSON, as {"question": "Who signed?"}.')
]
Parameters = Annotated[
    str | None, typer.Option(help='Parameters of the task as JSON, as {"max_tokens": 300}.')
]
Size = Annotated[int, typer.Option(help="The most that one call is sent.")]
UnitOption = Annotated[Unit, typer.Option("--unit", help="What sizes are measured in.")]
Tokenizer = Annotated[
    Path | None, typer.Option(help="tokenizer.json to count tokens by; without, an estimate.")
]
Overlap = Annotated[
    int | None,
    typer.Option(help="How much of the part before is sent again; a fifth where it helps, else 0."),
]
AtOnce = Annotated[int, typer.Option(help="Calls under way at the same time.")]
Timeout = Annotated[float, typer.Option(help="Seconds that one call may take.")]
OnFailureOption = Annotated[
    OnFailure,
    typer.Option(help="retry and then stop; skip after that, with a mark; or fail at once."),
]
Retries = Annotated[int, typer.Option(help="Further tries of a part that failed.")]
CacheOption = Annotated[
    CacheKind,
    typer.Option("--cache", help="disk keeps answers encrypted for 7 days: what was paid stays."),
]
PayAgain = Annotated[
    bool,
    typer.Option("--pay-again", help="Ask again for what a gateway paid for and nobody received."),
]
Name = Annotated[str | None, typer.Option(help="Name of the operation in the ledger.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The estimate alone; nothing is sent.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, whatever it may cost.")]
AskAbove = Annotated[
    str, typer.Option(help="USD above which a terminal is asked first; also where it is unknown.")
]
Output = Annotated[Path | None, typer.Option(help="File for the result instead of the terminal.")]
Shape = Annotated[Written, typer.Option("--format", help="text or json.")]


def job_of(
    *,
    tokenizer: Path | None,
    unit: str,
    inputs: str | None,
    parameters: str | None,
    language_pair: str | None,
    tree: bool,
    **said: Any,
) -> Job:
    """The job that the options say. Raises Usage."""
    more = {**json_of("--parameters", parameters), **languages_of(language_pair)}
    return Job(
        inputs=json_of("--inputs", inputs),
        parameters=more,
        unit=unit,  # type: ignore[arg-type] # the option's own words
        count=counter(tokenizer, said.get("model")) if unit == "tokens" else None,
        combine="tree" if tree else None,
        **said,
    )


def counter(tokenizer: Path | None, model: str | None) -> Any:
    """How tokens are counted: by a file, the model's own where it is at hand, or an estimate."""
    from hf_ledger.ingest.doors.documents.tokens import counter_of_file, counter_of_model

    found = counter_of_file(tokenizer) if tokenizer else counter_of_model(model)
    return found.count


def json_of(option: str, said: str | None) -> dict[str, Any]:
    try:
        found = json.loads(said or "{}")
    except ValueError as error:
        raise Usage(f"{option} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Usage(f"{option} takes a JSON object, as {{}}.")
    return found


def languages_of(pair: str | None) -> dict[str, str]:
    if pair is None:
        return {}
    source, between, target = pair.partition(":")
    if not (source and between and target):
        raise Usage("--language-pair is FROM:TO, as eng_Latn:deu_Latn.")
    return {"src_lang": source, "tgt_lang": target}


def usd_of(said: str) -> Decimal:
    try:
        found = Decimal(said)
    except InvalidOperation:
        raise Usage(f"--ask-above is an amount in USD, not {said!r}.") from None
    if not found.is_finite() or found < 0:
        raise Usage(f"--ask-above is an amount in USD, not {said!r}.")
    return found
