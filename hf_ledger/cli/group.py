"""The typer group that loads a command's module only when that command is called."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
import typer
from typer.core import TyperGroup

from hf_ledger.cli.commands import BASE, COMMANDS

HELP = "The cost and usage ledger for Hugging Face inference. Docs: docs/index.md"


def load(name: str) -> click.Command:
    """Import the module of one command and give its click form."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target: Any = getattr(import_module(module), attribute)
    app = target
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name, help=target.__doc__)(target)
    command = typer.main.get_command(app)
    command.name = name
    return command


def listed(name: str) -> click.Command:
    """What `--help` needs of a command, without importing it."""
    return click.Command(name, help=COMMANDS[name].help)


class LazyGroup(TyperGroup):
    """Commands of `COMMANDS`, in their order there."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in BASE or not ctx.meta.get("loading"):
            return listed(cmd_name)
        return load(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta["loading"] = True
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See hf-ledger --help."
            raise click.UsageError(f"no command {args[0]!r}.{hint}", ctx)
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
    """Run the command line; usage errors exit with 2, as click has them."""
    app = typer.Typer(
        cls=LazyGroup, help=HELP, no_args_is_help=True, add_completion=False, name="hf-ledger"
    )
    app.callback(cls=LazyGroup, help=HELP)(root)
    command = typer.main.get_command(app)
    try:
        result = command.main(args=list(arguments), prog_name="hf-ledger", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        return 130
    return result if isinstance(result, int) else 0
