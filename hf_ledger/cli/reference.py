"""The command reference, from the commands themselves: `python -m hf_ledger.cli.reference`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from hf_ledger.cli.commands import BASE, COMMANDS
from hf_ledger.cli.group import load

HEAD = """# Commands

Exit codes: 0 done, 1 found something (or something was left out), 2 used wrongly or something is in the way.
`--format json` and `csv` are stable shapes; money is a decimal string, times are ISO 8601, unknown is null or empty.
The same question gives the same answer whether a server runs or not. This page is made from the commands
(`make docs`), and a test holds it to them.
"""  # noqa: E501 - a paragraph of Markdown

OPTIONS_HEAD = "| option | meaning |\n|---|---|"


def cell(text: str) -> str:
    return re.sub(r"\s+", " ", text or "").replace("|", "\\|").strip()


def row(names: list[str], shown: str | None, meaning: str | None) -> str:
    label = ", ".join(names) + (f" {shown}" if shown else "")
    return f"| `{cell(label)}` | {cell(meaning or '')} |"


def typer_rows(command: Any) -> Iterator[str]:
    for parameter in command.params:
        option = parameter.param_type_name == "option"
        names = [*parameter.opts, *parameter.secondary_opts] if option else []
        shown = parameter.metavar or (None if option else parameter.name.upper())
        yield row(names, shown, parameter.help)


def argparse_rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.dest != "help":
            shown = action.metavar if isinstance(action.metavar, str) else None
            yield row(list(action.option_strings), shown, action.help)


def table(rows: list[str]) -> str:
    return "\n".join([OPTIONS_HEAD, *rows]) if rows else "No options."


def base_section(name: str) -> str:
    module = import_module(COMMANDS[name].target.partition(":")[0])
    parser: argparse.ArgumentParser = module.parser()
    parts = [parser.description or COMMANDS[name].help, table(list(argparse_rows(parser)))]
    return "\n\n".join([*parts, *([parser.epilog] if parser.epilog else [])])


def server_section(name: str) -> str:
    command: Any = load(name)
    parts = [help_text(command) or COMMANDS[name].help]
    for each in getattr(command, "commands", {}).values():
        parts += [f"### `hf-ledger {name} {each.name}`", help_text(each)]
        parts.append(table(list(typer_rows(each))))
    if not hasattr(command, "commands"):
        parts.append(table(list(typer_rows(command))))
    return "\n\n".join(parts)


def help_text(command: Any) -> str:
    """The docstring as paragraphs, without the indent it has in code."""
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", each) for each in paragraphs)


def reference() -> str:
    """The whole page as Markdown."""
    sections = [HEAD.strip()]
    for name in COMMANDS:
        body = base_section(name) if name in BASE else server_section(name)
        sections.append(f"## `hf-ledger {name}`\n\n{body}")
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
