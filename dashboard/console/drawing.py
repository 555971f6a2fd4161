"""Pictures from bytes, with what was found drawn on them. Bytes that are no picture are None.

A picture of a model's server is opened here, so that one which unpacks to gigabytes never is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, UnidentifiedImageError

from hf_ledger.dashboard.console.findings import Box
from hf_ledger.dashboard.console.marked import COLOURS

#: Pixels: beyond it a picture is not opened. As a square, 5,000 a side.
MOST_PIXELS = 25_000_000

UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    ValueError,
    SyntaxError,
)


class Segment(NamedTuple):
    """A part of a picture: where its mask, in grey and as large, is white."""

    label: str
    score: float | None
    mask: Image.Image


def opened(content: object) -> Image.Image | None:
    """The picture in these bytes, or the picture itself, in colour; None where there is none."""
    try:
        made = content if isinstance(content, Image.Image) else _read(content)
        if made is None or made.width * made.height > MOST_PIXELS:
            return None
        return made.convert("RGBA") if "A" in made.getbands() else made.convert("RGB")
    except UNREADABLE:
        return None


def _read(content: object) -> Image.Image | None:
    """Opened, and so far only its head read."""
    return Image.open(io.BytesIO(content)) if isinstance(content, bytes) else None


def png_of(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, in their order."""
    return {
        label: COLOURS[place % len(COLOURS)] for place, label in enumerate(dict.fromkeys(labels))
    }


def boxed(picture: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A copy with each box drawn and its number beside it; a box is cut to the picture."""
    drawn = picture.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    tints = colours([box.label for box in boxes])
    width = max(2, min(drawn.size) // 150)
    for place, box in enumerate(boxes, 1):
        left, right = sorted(max(0, min(side, drawn.width - 1)) for side in (box.xmin, box.xmax))
        top, low = sorted(max(0, min(side, drawn.height - 1)) for side in (box.ymin, box.ymax))
        pen.rectangle((left, top, right, low), outline=tints[box.label], width=width)
        number(pen, place, (left, top), tints[box.label], min(drawn.size))
    return drawn


def number(pen: ImageDraw.ImageDraw, place: int, at: tuple[int, int], tint: str, side: int) -> None:
    """A number on its colour, so that it is read whatever the picture shows there."""
    name, size = f" {place} ", max(11, side // 25)
    pen.rectangle(pen.textbbox(at, name, font_size=size), fill=tint)
    pen.text(at, name, fill="white", font_size=size)


def masked(picture: Image.Image, segments: Sequence[Segment]) -> Image.Image:
    """A copy tinted where each mask is white, in the colour of its label, with its number there."""
    drawn = picture.convert("RGB")
    tints = colours([segment.label for segment in segments])
    for segment in segments:
        layer = Image.new("RGB", drawn.size, tints[segment.label])
        drawn.paste(layer, mask=segment.mask.point(lambda shade: shade * 0.55))
    pen = ImageDraw.Draw(drawn)
    for place, segment in enumerate(segments, 1):
        at = inside(segment.mask)
        if at:
            number(pen, place, at, tints[segment.label], min(drawn.size))
    return drawn


def inside(mask: Image.Image) -> tuple[int, int] | None:
    """A place in the mask: its middle, if that is white, else where white begins."""
    white = mask.point(lambda shade: 255 if shade > 127 else 0)
    box = white.getbbox()
    if box is None:
        return None
    middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
    if white.getpixel(middle):
        return middle
    low, left = divmod(white.tobytes().index(b"\xff"), white.width)
    return left, low
