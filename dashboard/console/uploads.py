"""Files that a person gives the console: what is taken, how large, and what they are.

They are read into memory and nowhere else.
"""

from __future__ import annotations

import csv
import io
from typing import Literal, NamedTuple

from hf_ledger.ingest.errors import Usage

MEGABYTE = 1_000_000

#: What a file is uploaded as.
Sort = Literal["image", "audio", "table"]


class Limit(NamedTuple):
    """Endings that are offered, and the most that is read."""

    endings: tuple[str, ...]
    megabytes: int
    what: str


LIMITS: dict[Sort, Limit] = {
    "image": Limit(("png", "jpg", "jpeg", "webp", "gif"), 10, "picture"),
    "audio": Limit(("wav", "mp3", "flac", "m4a", "ogg", "webm"), 25, "recording"),
    "table": Limit(("csv",), 2, "table"),
}
MOST_ROWS = 1_000
MOST_COLUMNS = 50

#: The first bytes of pictures that Hugging Face's tasks read, and their media types.
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_SOUNDS = (b"RIFF", b"ID3", b"fLaC", b"OggS", b"\x1aE\xdf\xa3")

Table = dict[str, list[str]]


def picture_type(content: bytes) -> str | None:
    """The media type by the first bytes; None for what is no picture."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _PICTURES if content.startswith(start)), None)


def is_sound(content: bytes) -> bool:
    """Whether the first bytes are those of a recording: WAV, MP3, FLAC, Ogg, WebM or MP4."""
    if content[4:8] == b"ftyp" or (content[:1] == b"\xff" and content[1:2] >= b"\xe0"):
        return True  # MP4's box, MPEG's frame
    return content.startswith(_SOUNDS) and content[8:12] != b"WEBP"


def sound_type(content: bytes) -> str:
    """The media type of a recording by its first bytes; MP3 where nothing else is seen."""
    starts = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg", b"\x1aE\xdf\xa3": "webm"}
    known = starts.get(content[:4]) or ("mp4" if content[4:8] == b"ftyp" else "mpeg")
    return f"audio/{known}"


def typed(content: bytes) -> bytes:
    """The same bytes, told to hub's client with their media type: else it calls them JSON."""
    from huggingface_hub.inference._common import MimeBytes

    return MimeBytes(content, picture_type(content) or sound_type(content))


def checked(sort: Sort, name: str, content: bytes) -> bytes:
    """The content, if it is what it shall be. Raises Usage with one sentence."""
    limit = LIMITS[sort]
    if len(content) > limit.megabytes * MEGABYTE:
        size = len(content) / MEGABYTE
        raise Usage(f"{name} has {size:.1f} MB; a {limit.what} may have {limit.megabytes} MB.")
    if not content:
        raise Usage(f"{name} is empty.")
    if (sort == "image" and picture_type(content) is None) or (
        sort == "audio" and not is_sound(content)
    ):
        raise Usage(f"{name} is no {limit.what} that can be read; use {', '.join(limit.endings)}.")
    return content


def table_of(name: str, content: bytes) -> Table:
    """Columns of a CSV as texts, of tabs where its first row has one. Raises Usage."""
    try:
        text = content.decode("utf-8-sig")
        mark = "\t" if "\t" in text.partition("\n")[0] else ","
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Usage(f"{name} is no CSV in UTF-8.") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise Usage(f"{name} needs a row of column names and a row of values below it.")
    return columns_of(name, rows[0], rows[1:])


def columns_of(name: str, head: list[str], rows: list[list[str]]) -> Table:
    """Rows turned into columns. Raises Usage where they don't fit together."""
    names = [each.strip() for each in head]
    if len(set(names)) < len(names) or "" in names:
        raise Usage(f"{name} has columns without a name or with the same name.")
    if len(rows) > MOST_ROWS or len(names) > MOST_COLUMNS:
        raise Usage(f"{name} may have {MOST_ROWS:,} rows and {MOST_COLUMNS} columns.")
    uneven = next((place for place, row in enumerate(rows, 2) if len(row) != len(names)), None)
    if uneven is not None:
        raise Usage(f"Row {uneven} of {name} has not {len(names)} cells, as the first row has.")
    return {each: [row[place] for row in rows] for place, each in enumerate(names)}
