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
    size = max(11, min(drawn.size) // 25)
    for place, box in enumerate(boxes, 1):
        left, right = sorted(max(0, min(side, drawn.width - 1)) for side in (box.xmin, box.xmax))
        top, low = sorted(max(0, min(side, drawn.height - 1)) for side in (box.ymin, box.ymax))
        pen.rectangle((left, top, right, low), outline=tints[box.label], width=width)
        name = f" {place} "
        pen.rectangle(pen.textbbox((left, top), name, font_size=size), fill=tints[box.label])
        pen.text((left, top), name, fill="white", font_size=size)
    return drawn


def masked(picture: Image.Image, segments: Sequence[Segment]) -> Image.Image:
    """A copy tinted where each mask is white, in the colour of its label."""
    drawn = picture.convert("RGB")
    tints = colours([segment.label for segment in segments])
    for segment in segments:
        layer = Image.new("RGB", drawn.size, tints[segment.label])
        drawn.paste(layer, mask=segment.mask.point(lambda shade: shade * 0.55))
    return drawn
