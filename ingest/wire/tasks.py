"""What the shape of a reply says about its task.

A *telling* shape (`summary_text`, `entity_group`, …) belongs to one task alone and overrides what
the request's parameters suggested; an *open* shape (labels and scores, numbers) needs the request's
form.
"""

from __future__ import annotations

from hf_ledger.ingest.wire import media, raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw

_TELLING: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"summary_text"}), "summarization"),
    (frozenset({"translation_text"}), "translation"),
    (frozenset({"entity_group"}), "token-classification"),
    (frozenset({"entity", "word"}), "token-classification"),
    (frozenset({"token_str"}), "fill-mask"),
    (frozenset({"sequence", "labels", "scores"}), "zero-shot-classification"),
    (frozenset({"label", "score", "mask"}), "image-segmentation"),
    (frozenset({"label", "blob"}), "audio-to-audio"),
    (frozenset({"answer", "cells"}), "table-question-answering"),
    (frozenset({"answer", "coordinates"}), "table-question-answering"),
    (frozenset({"conversation", "generated_text"}), "conversational"),
    (frozenset({"predicted_depth"}), "depth-estimation"),
    (frozenset({"generated_text", "details"}), "text-generation"),
)

#: labels with scores, by what was asked about
_LABELS: dict[str | None, str] = {
    "text": "text-classification",
    "text+labels": "zero-shot-classification",
    "image": "image-classification",
    "image+labels": "zero-shot-image-classification",
    "audio": "audio-classification",
    "video": "video-classification",
}
_GENERATED: dict[str | None, str] = {
    "text": "text-generation",
    "image": "image-to-text",
    "image+text": "image-text-to-text",
}
#: a file as reply, by its kind and by what was asked about
_MADE: dict[tuple[str, str | None], str] = {
    ("image", "text"): "text-to-image",
    ("image", "image"): "image-to-image",
    ("image", "image+text"): "image-to-image",
    ("audio", "text"): "text-to-speech",
    ("audio", "audio"): "audio-to-audio",
    ("video", "text"): "text-to-video",
    ("video", "image"): "image-to-video",
    ("video", "image+text"): "image-to-video",
    ("video", "video"): "video-to-video",
}


def task_of_file(kind: str, form: str | None) -> str | None:
    """The task of a reply that is (or links to) an image, audio or video file."""
    return _MADE.get((kind, form))


def task_of_body(body: bytes | Raw, form: str | None) -> tuple[str | None, bool]:
    """Task of a JSON reply, and whether its shape is telling; (None, False) if it says nothing."""
    opening = bytes(memoryview(body)[:256]).lstrip()
    inside = opening.lstrip(b"[ \r\n\t")
    if inside[:1] in b"-0123456789" and inside[:1]:
        return _task_of_numbers(opening, form)
    nested = opening.startswith(b"[") and opening[1:].lstrip().startswith(b"[")
    item = _first_object(body)
    if form is None and "answer" in item:
        return _task_of_unseen_question(frozenset(item), opening[:1] == b"["), False
    return _task_of_item(item, form, nested) if item else (None, False)


def _first_object(body: bytes | Raw) -> dict[str, Raw]:
    """The object itself, or the first one inside at most two lists."""
    for _ in range(2):
        if raw.start(body) != b"[":
            break
        found = raw.items(body)
        body = found[0] if found else raw.NOTHING
    return raw.fields(body)


def _task_of_numbers(opening: bytes, form: str | None) -> tuple[str | None, bool]:
    if not opening.startswith(b"["):
        return None, False
    if form == "table":
        whole = b"." not in opening
        return ("tabular-classification" if whole else "tabular-regression"), False
    return ("sentence-similarity" if form == "sentences" else "feature-extraction"), False


def _task_of_item(item: dict[str, Raw], form: str | None, nested: bool) -> tuple[str | None, bool]:
    names = frozenset(item)
    for shape, task in _TELLING:
        if shape <= names:
            return task, True
    if {"label", "score", "box"} <= names:
        labelled = form == "image+labels"
        return ("zero-shot-object-detection" if labelled else "object-detection"), True
    return _task_of_open_shape(item, names, form, nested), False


def _task_of_open_shape(
    item: dict[str, Raw], names: frozenset[str], form: str | None, nested: bool
) -> str | None:
    if {"label", "score"} <= names:
        return _LABELS.get(form) or ("text-classification" if nested else None)
    if "answer" in names:
        return _task_of_answer(names, form)
    if "generated_text" in names:
        return _GENERATED.get(form)
    if "text" in names and form in ("audio", None):
        return "automatic-speech-recognition"
    if form == "audio" and raw.stated(item.get("output", NOTHING)):
        return _task_of_files(item, form) or "automatic-speech-recognition"
    return _task_of_files(item, form)


def _task_of_answer(names: frozenset[str], form: str | None) -> str | None:
    """A document's answer stands at a place or has no score; a picture's has a score only."""
    if form == "image+text":
        seen = "score" in names and "start" not in names
        return "visual-question-answering" if seen else "document-question-answering"
    return "question-answering" if {"start", "end"} <= names else None


def _task_of_unseen_question(names: frozenset[str], listed: bool) -> str | None:
    """Answers about pictures come in a list, whatever their number; recorders drop the pictures."""
    if not names.isdisjoint({"cells", "coordinates"}):
        return "table-question-answering"
    if listed and "score" in names:
        return _task_of_answer(names, "image+text")
    return _task_of_answer(names, None)


def _task_of_files(item: dict[str, Raw], form: str | None) -> str | None:
    for name, kind in _FILE_FIELDS:
        if name in item and raw.stated(item[name]):
            return task_of_file(kind, form)
    # Replicate and wavespeed list addresses only: their endings tell.
    listed = raw.items(item.get("output", NOTHING))
    address = raw.text(listed[0] if listed else item.get("output", NOTHING))
    kind_seen = media.kind_of_url(address) if address else None
    return task_of_file(kind_seen, form) if kind_seen else None


_FILE_FIELDS = (
    ("images", "image"),
    ("image", "image"),
    ("video", "video"),
    ("videos", "video"),
    ("audio", "audio"),
)
