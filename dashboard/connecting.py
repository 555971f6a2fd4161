"""The words that connect a program: three lines, and snippets for what people use."""

from __future__ import annotations

#: Said once, so that terminal, page and docs never differ.
RECORD = 'import hf_ledger; hf_ledger.record(app="search", team="search")'
NOTHING_TO_SET = "# nothing to set: recorder and dashboard meet in one folder of yours"

HUB = f"""\
{RECORD}

from huggingface_hub import InferenceClient

client = InferenceClient()  # your HF_TOKEN, as before
reply = client.chat_completion(
    [{{"role": "user", "content": "Say hello."}}],
    model="meta-llama/Llama-3.1-8B-Instruct",
)
print(reply.choices[0].message.content)
"""

OPENAI = f"""\
{RECORD}

import os
from openai import OpenAI

client = OpenAI(base_url="https://router.huggingface.co/v1", api_key=os.environ["HF_TOKEN"])
reply = client.chat.completions.create(
    model="meta-llama/Llama-3.1-8B-Instruct",
    messages=[{{"role": "user", "content": "Say hello."}}],
)
print(reply.choices[0].message.content)
"""

PRACTICE = """\
import hf_ledger; hf_ledger.record(app="search", team="search", hosts=["{host}=router"])

from openai import OpenAI

# Practice server, no model runs: any key will do, and nothing leaves this machine.
client = OpenAI(base_url="{url}/v1", api_key="practice")
reply = client.chat.completions.create(
    model="meta-llama/Llama-3.1-8B-Instruct:novita",
    messages=[{{"role": "user", "content": "Say hello."}}],
)
print(reply.choices[0].message.content)
"""

WRAPPER = """\
hf-ledger record --app search --team search -- python your_program.py
"""

DOCTOR = "hf-ledger doctor"

SNIPPETS = {
    "huggingface_hub": (HUB, "python"),
    "openai": (OPENAI, "python"),
    "A program you can't change": (WRAPPER, "bash"),
}


def snippets(practice_url: str | None) -> dict[str, tuple[str, str]]:
    """Title → text and language; one without token or network where the practice server runs."""
    if practice_url is None:
        return SNIPPETS
    practice = PRACTICE.format(url=practice_url, host=practice_url.removeprefix("http://"))
    return {**SNIPPETS, "Without a token": (practice, "python")}


def install(checkout: str | None) -> str:
    """The line that puts the recorder into a program's own environment."""
    return f"pip install -e {quoted(checkout)}" if checkout else "pip install hf-ledger"


def quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def lines(checkout: str | None) -> tuple[str, str, str]:
    """The three lines, in order: install, nothing to set, record."""
    return install(checkout), NOTHING_TO_SET, RECORD
