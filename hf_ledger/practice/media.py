"""Small files that the practice server makes up: a picture, a mask on a picture, a tone."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
import zlib
from collections.abc import Iterable

SIDE = 64
MOST_SIDE = 2048  # pixels: whatever a picture says of itself, its mask is no larger
RATE = 8000  # samples a second
SECONDS = 0.5
TONE_HZ = 440


def png(rows: Iterable[bytes]) -> bytes:
    """A grey picture of rows with a byte a pixel, 0 to 255."""
    lines = [b"\0" + row for row in rows]
    header = struct.pack(">IIBBBBB", len(lines[0]) - 1, len(lines), 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + block(b"IHDR", header)
        + block(b"IDAT", zlib.compress(b"".join(lines)))
        + block(b"IEND", b"")
    )


def block(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def picture(prompt: str = "") -> bytes:
    """Light falling off from a corner that depends on the prompt."""
    turned = zlib.crc32(prompt.encode("utf-8", "replace")) % 2
    across = range(SIDE - 1, -1, -1) if turned else range(SIDE)
    return png(bytes(64 + x + 2 * y for x in across) for y in range(SIDE))


def size_of(given: bytes) -> tuple[int, int]:
    """Width and height of a PNG or GIF; a square for all else."""
    if given[:8] == b"\x89PNG\r\n\x1a\n" and len(given) >= 24:
        found = struct.unpack(">II", given[16:24])
    elif given[:4] == b"GIF8" and len(given) >= 10:
        found = struct.unpack("<HH", given[6:10])
    else:
        found = (SIDE, SIDE)
    return max(1, min(found[0], MOST_SIDE)), max(1, min(found[1], MOST_SIDE))


def middle_of(given: bytes) -> dict[str, int]:
    """The box around the middle half of a picture."""
    width, height = size_of(given)
    return {
        "xmin": width // 4,
        "ymin": height // 4,
        "xmax": width - width // 4,
        "ymax": height - height // 4,
    }


def mask(given: bytes, *, inside: bool) -> str:
    """A mask as large as the picture, white in its middle or around it, as base64."""
    box, (width, height) = middle_of(given), size_of(given)
    lit, dark = (b"\xff", b"\0") if inside else (b"\0", b"\xff")
    side, middle = box["xmin"], box["xmax"] - box["xmin"]
    through = dark * side + lit * middle + dark * (width - side - middle)
    down = range(box["ymin"], box["ymax"])
    drawn = png(through if y in down else dark * width for y in range(height))
    return base64.b64encode(drawn).decode()


def tone() -> bytes:
    """Half a second of the concert pitch, as WAV."""
    turn = 2 * math.pi * TONE_HZ / RATE
    samples = bytes(128 + round(90 * math.sin(turn * at)) for at in range(int(RATE * SECONDS)))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(samples)
    return out.getvalue()


def type_of(made: bytes) -> str:
    """The media type of a file that was made here."""
    return "audio/wav" if made.startswith(b"RIFF") else "image/png"
