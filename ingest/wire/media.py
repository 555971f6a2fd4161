"""What kind of content some bytes are, told by their first bytes or by a content type."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

#: How much of a base64 text is decoded to see its kind.
_HEAD = 24

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"BM", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"fLaC", "audio"),
    (b"OggS", "audio"),
    (b"ID3", "audio"),
    (b"\xff\xfb", "audio"),
    (b"\xff\xf3", "audio"),
    (b"\xff\xf2", "audio"),
    (b"\x1aE\xdf\xa3", "audio"),
)

_ENDINGS = {
    **dict.fromkeys(("png", "jpg", "jpeg", "webp", "gif"), "image"),
    **dict.fromkeys(("mp3", "wav", "flac", "ogg", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "webm", "mov"), "video"),
}

_BASE64 = r"[A-Za-z0-9+/_-]{16,}={0,2}"


def kind_of_bytes(body: bytes) -> str | None:
    """image, audio or video, by magic number; None for text and for what is not known."""
    if body[:4] == b"RIFF":
        return {b"WEBP": "image", b"WAVE": "audio"}.get(body[8:12])
    if body[4:8] == b"ftyp":
        return "audio" if body[8:11] == b"M4A" else "video"
    return next((kind for magic, kind in _MAGIC if body.startswith(magic)), None)


def kind_of_text(value: str) -> str:
    """image, audio or video for a data URL or base64 content; text for anything else."""
    head = value[:_HEAD]
    if " " in head:
        return "text"
    if value.startswith("data:"):
        return kind_of_type(value[5:40]) or "text"
    # Two letters are enough for a bitmap's magic, so ordinary words must not pass for one.
    if len(value) < 32 or not re.fullmatch(_BASE64, head):
        return "text"
    try:
        return kind_of_bytes(binascii.a2b_base64(head)) or "text"
    except binascii.Error:
        return "text"


def kind_of_url(url: str) -> str | None:
    """image, audio or video by the ending of a file's address."""
    name = url.split("?", 1)[0].split("#", 1)[0].lower()
    return _ENDINGS.get(name.rpartition(".")[2])


@lru_cache(maxsize=256)
def kind_of_type(content_type: str) -> str | None:
    """image, audio or video by the content type; None for any other."""
    kind = content_type.split("/", 1)[0].strip().lower()
    return kind if kind in ("image", "audio", "video") else None
