"""Answers that are seen or heard, and what was found on a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import streamlit as st

from hf_ledger.dashboard.console import findings
from hf_ledger.dashboard.console.bars import MOST_ROWS, bars, labels
from hf_ledger.dashboard.console.column import Run
from hf_ledger.dashboard.console.drawing import Segment, boxed, masked, opened, png_of
from hf_ledger.dashboard.console.findings import Chunk, Score
from hf_ledger.dashboard.console.foreign import download, show_text
from hf_ledger.dashboard.console.uploads import is_sound, sound_type

MOST_BYTES = 200_000_000  # of a recording or a film that is played
MOST_MASKS = 50

#: First bytes of films: MP4 has them behind its length.
_FILMS = (b"\x1aE\xdf\xa3", b"RIFF", b"OggS")


# -- heard -------------------------------------------------------------------------------------


def transcript(run: Run) -> bool:
    said = findings.text_of(run.value)
    if said is None:
        return False
    show_text(said, run.id)
    chunks = findings.chunks_of(run.value)
    if chunks:
        rows = [{"Time": times(each), "Text": each.text.strip()} for each in chunks[:MOST_ROWS]]
        st.dataframe(rows, hide_index=True, alt="Parts of the transcript with their times")
    return True


def times(chunk: Chunk) -> str:
    return f"{clock(chunk.start_s)} – {clock(chunk.end_s)}"


def clock(seconds: float | None) -> str:
    """Minutes and seconds; unknown is said."""
    if seconds is None or not 0 <= seconds < 1e6:
        return "unknown"
    whole, tenths = divmod(round(seconds * 10), 10)
    return f"{whole // 60}:{whole % 60:02d}.{tenths}"


def speech(run: Run) -> bool:
    return play(run.value, "Speech", f"{run.id}-speech")


def sounds(run: Run) -> bool:
    """Each recording that came, with its label."""
    found = findings.sounds_of(run.value)
    if found is None:
        return False
    for place, (label, blob) in enumerate(found[:MOST_ROWS]):
        st.text(label)
        play(blob, f"Recording {place + 1}", f"{run.id}-sound-{place}")
    return True


def play(content: object, name: str, key: str) -> bool:
    if not isinstance(content, bytes) or not is_sound(content) or len(content) > MOST_BYTES:
        return False
    kind = sound_type(content)
    st.audio(content, kind, alt=name)
    download(f"{name} as a file", content, f"{key}.{kind.rpartition('/')[2]}", key)
    return True


# -- seen --------------------------------------------------------------------------------------

#: What was drawn for a run, for as long as there is the run: pages are drawn over and over.
_DRAWN: WeakKeyDictionary[Run, tuple[bytes | None, list[Score] | None]] = WeakKeyDictionary()


def once(
    run: Run, draw: Callable[[Run], tuple[bytes | None, list[Score] | None]]
) -> tuple[bytes | None, list[Score] | None]:
    """A picture as PNG and what was found on it; None for what has not come or can't be read."""
    if run not in _DRAWN:
        _DRAWN[run] = draw(run)
    return _DRAWN[run]


def picture(run: Run) -> bool:
    content, _ = once(run, made)
    if content is None:
        return False
    st.image(content, alt="The picture that was made")
    download("Picture as PNG", content, "picture.png", f"{run.id}-picture")
    return True


def made(run: Run) -> tuple[bytes | None, None]:
    found = opened(run.value)
    return (png_of(found) if found else None), None


def film(run: Run) -> bool:
    content = run.value
    if not isinstance(content, bytes) or len(content) > MOST_BYTES:
        return False
    if content[4:8] != b"ftyp" and not content.startswith(_FILMS):
        return False
    st.video(content, alt="The film that was made")
    download("Film as a file", content, "film.mp4", f"{run.id}-film")
    return True


def asked(run: Run) -> bool:
    """Answers about a picture as bars, surest first."""
    found = findings.scores_of(run.value, "answer")
    if found is None:
        return False
    bars("Answer", found, "Answers and how sure the model is of each, surest first")
    return True


def detected(run: Run) -> bool:
    """The picture with numbered boxes, and what is in each."""
    return found_on(run, with_boxes, "The picture with a numbered box on each object")


def segmented(run: Run) -> bool:
    """The picture tinted by its parts, and which they are."""
    return found_on(run, with_masks, "The picture with each part tinted in a colour of its own")


def found_on(
    run: Run, draw: Callable[[Run], tuple[bytes | None, list[Score] | None]], alt: str
) -> bool:
    content, found = once(run, draw)
    if found is None:
        return False
    if content:
        st.image(content, alt=alt)
    numbered(found)
    return True


def with_boxes(run: Run) -> tuple[bytes | None, list[Score] | None]:
    found = findings.boxes_of(run.value)
    if found is None:
        return None, None
    found = found[:MOST_ROWS]
    scene = opened(run.question.inputs.get("image"))
    drawn = png_of(boxed(scene, found)) if scene else None
    return drawn, [Score(box.label, box.score) for box in found]


def with_masks(run: Run) -> tuple[bytes | None, list[Score] | None]:
    scene = opened(run.question.inputs.get("image"))
    found = segments_of(run.value, scene.size if scene else (1, 1))
    if found is None:
        return None, None
    drawn = png_of(masked(scene, found)) if scene else None
    return drawn, [Score(part.label, part.score) for part in found]


def segments_of(value: object, size: tuple[int, int]) -> list[Segment] | None:
    """Parts with masks of this size; None where one has not that form."""
    found = []
    for each in findings.items(value)[:MOST_MASKS]:
        label, mask = findings.field(each, "label"), opened(findings.field(each, "mask"))
        if not isinstance(label, str) or mask is None:
            return None
        score = findings.number(findings.field(each, "score"))
        found.append(Segment(label, score, mask.convert("L").resize(size)))
    return found if found or findings.empty(value) else None


def numbered(found: Sequence[Score]) -> None:
    """What was found, in the order of its numbers on the picture."""
    if not found:
        st.caption("Nothing was found on this picture.")
        return
    scores = [Score(f"{place} {each.label}", each.score) for place, each in enumerate(found, 1)]
    bars("Found", scores, "What was found on the picture, and how sure the model is of each")


DRAWERS: dict[str, Callable[[Run], bool]] = {
    "automatic-speech-recognition": transcript,
    "audio-classification": labels,
    "audio-to-audio": sounds,
    "text-to-speech": speech,
    "text-to-image": picture,
    "text-to-video": film,
    "image-to-image": picture,
    "image-classification": labels,
    "image-segmentation": segmented,
    "object-detection": detected,
    "zero-shot-image-classification": labels,
    "visual-question-answering": asked,
    "document-question-answering": asked,
}
