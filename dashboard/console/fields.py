"""One input of a task: the field that asks for it, and what was given in it.

Readers give None for what was left empty, and raise Usage for what can't be used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from hf_ledger.dashboard.console import uploads
from hf_ledger.dashboard.console.uploads import LIMITS, Sort, picture_type
from hf_ledger.ingest.doors.router.tasks import Kind

LABELS: dict[str, str] = {
    "text": "Text",
    "prompt": "Prompt",
    "question": "Question",
    "context": "Text with the answer in it",
    "query": "Question",
    "candidate_labels": "Labels",
    "sentence": "Sentence",
    "other_sentences": "Sentences to compare it with",
    "image": "Picture",
    "audio": "Recording",
    "table": "Table",
    "messages": "Message",
}
#: Where the field's name alone would not tell.
NOTES: dict[tuple[str, str], str] = {
    ("fill-mask", "text"): "Write [MASK] or <mask>, as the model does, for the word to be found.",
    ("document-question-answering", "image"): "A picture of the page.",
}
LOW = 80  # pixels, for a field of one or two lines
HIGH = 160
HEIGHTS = {"question": LOW, "query": LOW, "sentence": LOW, "messages": 100}

ROLES = ("user", "assistant")

Message = dict[str, Any]

#: Draws a field of this name, key and note, and gives what is in it.
Draw = Callable[[str, str, str | None], Any]


def label_of(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def text(name: str, key: str, note: str | None) -> str | None:
    height = HEIGHTS.get(name, HIGH)
    given = st.text_area(label_of(name), key=key, help=note, height=height)
    return given if given and given.strip() else None


def words(given: str) -> list[str]:
    """Labels from one a line, or from one line with commas; each once."""
    lines = given.splitlines()
    found = lines if len([line for line in lines if line.strip()]) > 1 else given.split(",")
    return list(dict.fromkeys(each.strip() for each in found if each.strip()))


def labels(name: str, key: str, note: str | None) -> list[str] | None:
    help_text = note or "One a line, or with commas between them."
    given = st.text_area(label_of(name), key=key, help=help_text, height=LOW)
    return words(given or "") or None


def texts(name: str, key: str, note: str | None) -> list[str] | None:
    given = st.text_area(label_of(name), key=key, help=note or "One a line.", height=HIGH)
    return [line.strip() for line in (given or "").splitlines() if line.strip()] or None


def upload(sort: Sort, label: str, key: str, note: str | None = None) -> tuple[str, bytes] | None:
    """Name and content of an uploaded file that is what it shall be."""
    limit = LIMITS[sort]
    given = st.file_uploader(
        label, limit.endings, key=key, help=note, max_upload_size=limit.megabytes
    )
    if given is None:
        return None
    return given.name, uploads.checked(sort, given.name, given.getvalue())


def image(name: str, key: str, note: str | None) -> bytes | None:
    given = upload("image", label_of(name), key, note)
    return uploads.typed(given[1]) if given else None


def audio(name: str, key: str, note: str | None) -> bytes | None:
    """A file, or what was spoken here; the file counts where there are both."""
    given = upload("audio", label_of(name), key, note)
    spoken = st.audio_input("Or record it here", key=f"{key}-microphone")
    if given:
        return uploads.typed(given[1])
    if spoken is None:
        return None
    return uploads.typed(uploads.checked("audio", "The recording", spoken.getvalue()))


def table(name: str, key: str, note: str | None) -> uploads.Table | None:
    """A CSV file, or rows copied from a spreadsheet; the file counts where there are both."""
    given = upload("table", f"{label_of(name)} as CSV", key, note)
    pasted = st.text_area(
        "Or paste it",
        key=f"{key}-pasted",
        height=HIGH,
        help="The first row names the columns; commas, or tabs as a spreadsheet copies them.",
    )
    if given:
        return uploads.table_of(*given)
    return uploads.table_of("The table", (pasted or "").encode()) if pasted else None


def messages(
    name: str, key: str, note: str | None, said_in: Draw | None = None
) -> list[Message] | None:
    """The message, with a system prompt, earlier turns, and a picture for models that see.

    `said_in` is the field of the message, where it is not a plain one.
    """
    said = (said_in or text)(name, key, note)
    with st.expander("System prompt, earlier turns, picture"):
        system = st.text_area("System prompt", key=f"{key}-system", height=LOW)
        st.caption("Earlier turns")
        turns = st.data_editor(
            pd.DataFrame({"role": pd.Series(dtype="str"), "content": pd.Series(dtype="str")}),
            num_rows="dynamic",
            hide_index=True,
            key=f"{key}-turns",
            column_config={
                "role": st.column_config.SelectboxColumn("Who", options=ROLES, required=True),
                "content": st.column_config.TextColumn("What", width="large", required=True),
            },
            alt="Earlier turns of the conversation: who said what, one a row",
        )
        seen = upload("image", "Picture, for models that see", f"{key}-image")
    if said is None:
        return None
    picture = seen[1] if seen else None
    return conversation(system or "", turns.to_dict("records"), said, picture)


def conversation(
    system: str, turns: Sequence[Mapping[Any, Any]], said: str, picture: bytes | None = None
) -> list[Message]:
    """The messages as chat models take them; a picture goes along as a data URL."""
    found: list[Message] = []
    if system.strip():
        found.append({"role": "system", "content": system})
    found += [
        {"role": turn["role"], "content": turn["content"]}
        for turn in turns
        if turn.get("content") and turn.get("role") in ROLES
    ]
    content: Any = said
    if picture:
        shown = {"type": "image_url", "image_url": {"url": data_url(picture)}}
        content = [{"type": "text", "text": said}, shown]
    return [*found, {"role": "user", "content": content}]


def data_url(picture: bytes) -> str:
    encoded = base64.b64encode(picture).decode()
    return f"data:{picture_type(picture) or 'image/png'};base64,{encoded}"


FIELDS: dict[Kind, Draw] = {
    "text": text,
    "texts": texts,
    "labels": labels,
    "messages": messages,
    "image": image,
    "audio": audio,
    "table": table,
}
