"""What the practice server answers to a pipeline task: JSON, or the bytes of a file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from hf_ledger.practice import media
from hf_ledger.practice.answers import TITLE, Json, items_of, part_of, text_of, vector

#: Words that a mask may stand for.
FILLERS = (("practice", 0.5), ("nothing", 0.25), ("something", 0.125))
MASK = re.compile(r"\[MASK\]|<mask>")
#: What this server takes for a name: a capital letter and what follows it.
NAME = re.compile(r"\b[A-Z]\w+")
KINDS = ("PER", "ORG", "LOC")


def first_words(text: str, count: int = 8) -> str:
    return " ".join(text.split()[:count])


def summarised(body: Json) -> object:
    return [{"summary_text": f"{TITLE}: {first_words(text_of(body.get('inputs')))}"}]


def translated(body: Json) -> object:
    return [{"translation_text": f"{TITLE}: {text_of(body.get('inputs'))}"}]


def classified(body: Json) -> object:
    return [[{"label": "POSITIVE", "score": 0.75}, {"label": "NEGATIVE", "score": 0.25}]]


def named_entities(body: Json) -> object:
    """Words with a capital letter; their kinds take turns."""
    found = list(NAME.finditer(text_of(body.get("inputs"))))
    return [
        {
            "entity_group": KINDS[place % len(KINDS)],
            "score": 0.9,
            "word": name[0],
            "start": name.start(),
            "end": name.end(),
        }
        for place, name in enumerate(found)
    ]


def labelled(body: Json) -> object:
    labels = items_of(part_of(body, "parameters"), "candidate_labels") or ["practice"]
    return [{"label": label, "score": round(1 / len(labels), 4)} for label in labels]


def filled(body: Json) -> object:
    text = text_of(body.get("inputs"))
    return [
        {
            "score": score,
            "token": place,
            "token_str": word,
            "sequence": MASK.sub(word, text),
        }
        for place, (word, score) in enumerate(FILLERS, 1)
    ]


def answered_question(body: Json) -> object:
    """The first words of the context; without one, who says so."""
    context = text_of(part_of(body, "inputs").get("context"))
    found = re.search(r"\S+(?:\s\S+){0,2}", context)
    answer = found[0] if found else TITLE
    start = found.start() if found else 0
    return {"answer": answer, "score": 0.5, "start": start, "end": start + len(answer)}


def answered_table(body: Json) -> object:
    """The first cell of the table."""
    columns = part_of(part_of(body, "inputs"), "table").values()
    first = next(iter(columns), None)
    cell = str(first[0]) if isinstance(first, list) and first else TITLE
    return {"answer": cell, "coordinates": [[0, 0]], "cells": [cell], "aggregator": "NONE"}


def features(body: Json) -> object:
    inputs = body.get("inputs")
    texts = inputs if isinstance(inputs, list) else [inputs]
    return [vector(text_of(each)) for each in texts]


def similarities(body: Json) -> object:
    sentences = items_of(part_of(body, "inputs"), "sentences")
    return [abs(vector(text_of(each))[0]) for each in sentences]


def transcribed(body: Json) -> object:
    """With times where they are asked for, as Whisper does."""
    said: Json = {"text": TITLE}
    if part_of(body, "parameters").get("return_timestamps"):
        words = re.findall(r"\S+\s*", TITLE)
        said["chunks"] = [
            {"text": word, "timestamp": [place / 2, place / 2 + 0.5]}
            for place, word in enumerate(words)
        ]
    return said


def heard(body: Json) -> object:
    return [{"label": "Speech", "score": 0.75}, {"label": "Music", "score": 0.25}]


def cleaned(body: Json) -> object:
    blob = base64.b64encode(media.tone()).decode()
    return [{"label": "label_0", "content-type": "audio/wav", "blob": blob}]


def recognised(body: Json) -> object:
    return [{"label": "practice", "score": 0.75}, {"label": "nothing", "score": 0.25}]


def told(body: Json) -> object:
    return [{"generated_text": f"{TITLE}: a picture"}]


def detected(picture: bytes) -> object:
    return [{"label": "practice", "score": 0.9, "box": media.middle_of(picture)}]


def segmented(picture: bytes) -> object:
    return [
        {"label": label, "score": 0.9, "mask": media.mask(picture, inside=inside)}
        for label, inside in (("practice", True), ("background", False))
    ]


def seen(body: Json) -> object:
    return [{"answer": "practice", "score": 0.75}, {"answer": "nothing", "score": 0.25}]


def read(body: Json) -> object:
    return [{"answer": TITLE, "score": 0.5, "start": 0, "end": 2}]


#: One reply by task, from the request's JSON.
PIPELINES: dict[str, Callable[[Json], object]] = {
    "summarization": summarised,
    "translation": translated,
    "text-classification": classified,
    "token-classification": named_entities,
    "zero-shot-classification": labelled,
    "fill-mask": filled,
    "question-answering": answered_question,
    "table-question-answering": answered_table,
    "feature-extraction": features,
    "sentence-similarity": similarities,
    "automatic-speech-recognition": transcribed,
    "audio-classification": heard,
    "audio-to-audio": cleaned,
    "text-to-speech": lambda body: media.tone(),
    "text-to-image": lambda body: media.picture(text_of(body.get("inputs"))),
    "image-to-image": lambda body: media.picture(
        text_of(part_of(body, "parameters").get("prompt"))
    ),
    "image-to-text": told,
    "image-classification": recognised,
    "zero-shot-image-classification": labelled,
    "visual-question-answering": seen,
    "document-question-answering": read,
}
#: And from the picture that was sent: what stands where depends on its size.
ON_PICTURES: dict[str, Callable[[bytes], object]] = {
    "object-detection": detected,
    "image-segmentation": segmented,
}


def file_of(body: Json, raw: bytes) -> bytes:
    """The file that was sent: as the body itself, or in its JSON as base64."""
    inputs = body.get("inputs")
    if not isinstance(inputs, str):
        return raw
    try:
        return base64.b64decode(inputs)
    except (binascii.Error, ValueError):
        return b""


def pipeline_reply(task: str, body: Json, raw: bytes = b"") -> object:
    """The reply of one pipeline task, or a note that this one is not played."""
    if task in ON_PICTURES:
        return ON_PICTURES[task](file_of(body, raw))
    play = PIPELINES.get(task)
    return play(body) if play else {"note": f"{TITLE}: {task} is not played here"}
