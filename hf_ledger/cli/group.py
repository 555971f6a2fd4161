"""The typer group that loads a command's module only when that command is called."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hf_ledger.cli.commands import BASE, COMMANDS
from hf_ledger.ingest.errors import Usage

HELP = "The cost and usage ledger for Hugging Face inference."

#: typer gives single commands and groups of commands; both are run alike.
Runnable = TyperCommand | TyperGroup


def load(name: str) -> Runnable:
    """Import the module of one command and give its runnable form."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target: Any = getattr(import_module(module), attribute)
    app = target
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name, help=target.__doc__)(target)
    command = typer.main.get_command(app)
    assert isinstance(command, Runnable)
    command.name = name
    return command


def listed(name: str) -> TyperCommand:
    """What `--help` needs of a command, without importing it."""
    return TyperCommand(name, help=COMMANDS[name].help)


class LazyGroup(TyperGroup):
    """Commands of `COMMANDS`, in their order there."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Runnable | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in BASE or not ctx.meta.get("loading"):
            return listed(cmd_name)
        return load(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        ctx.meta["loading"] = True
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See hf-ledger --help."
            raise Usage(f"no command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


def show_version(wanted: bool) -> None:
    if wanted:
        from hf_ledger import __version__

        typer.echo(f"hf-ledger {__version__}")
        raise typer.Exit


def root(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options that stand before the command."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line; wrong usage is a `Usage` error, as everywhere else."""
    app = typer.Typer(
        cls=LazyGroup, help=HELP, no_args_is_help=True, add_completion=False, name="hf-ledger"
    )
    app.callback(cls=LazyGroup, help=HELP)(root)
    command = typer.main.get_command(app)
    given = list(arguments) or ["--help"]
    try:
        result = command.main(args=given, prog_name="hf-ledger", standalone_mode=False)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        if not sentence(error):  # a group called without a command has shown its help
            return 2
        raise Usage(f"{sentence(error)} See hf-ledger {given[0]} --help.") from error
    return result if isinstance(result, int) else 0


def sentence(error: typer.TyperException) -> str:
    """The message of a usage error, ended as a sentence."""
    message: str = getattr(error, "format_message", error.__str__)().strip()
    return f"{message}." if message and message[-1] not in ".?" else message
