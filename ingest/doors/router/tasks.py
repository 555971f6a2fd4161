"""Every task by Hugging Face's name: which method of its client does it, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from hf_ledger.ingest.errors import Usage

#: What a field holds; forms, files and checks follow it.
Kind = Literal["text", "texts", "labels", "messages", "image", "audio", "table"]


class Task(NamedTuple):
    """`inputs` are the method's own argument names, in order; all are needed unless `optional`."""

    method: str
    inputs: Mapping[str, Kind]
    optional: frozenset[str] = frozenset()
    streams: bool = False


TASKS: dict[str, Task] = {
    "chat-completion": Task("chat_completion", {"messages": "messages"}, streams=True),
    "text-generation": Task("text_generation", {"prompt": "text"}, streams=True),
    "summarization": Task("summarization", {"text": "text"}),
    "translation": Task("translation", {"text": "text"}),
    "text-classification": Task("text_classification", {"text": "text"}),
    "token-classification": Task("token_classification", {"text": "text"}),
    "zero-shot-classification": Task(
        "zero_shot_classification", {"text": "text", "candidate_labels": "labels"}
    ),
    "fill-mask": Task("fill_mask", {"text": "text"}),
    "question-answering": Task("question_answering", {"question": "text", "context": "text"}),
    "table-question-answering": Task(
        "table_question_answering", {"table": "table", "query": "text"}
    ),
    "feature-extraction": Task("feature_extraction", {"text": "text"}),
    "sentence-similarity": Task(
        "sentence_similarity", {"sentence": "text", "other_sentences": "texts"}
    ),
    "automatic-speech-recognition": Task("automatic_speech_recognition", {"audio": "audio"}),
    "audio-classification": Task("audio_classification", {"audio": "audio"}),
    "audio-to-audio": Task("audio_to_audio", {"audio": "audio"}),
    "text-to-speech": Task("text_to_speech", {"text": "text"}),
    "text-to-image": Task("text_to_image", {"prompt": "text"}),
    "text-to-video": Task("text_to_video", {"prompt": "text"}),
    "image-to-image": Task(
        "image_to_image", {"image": "image", "prompt": "text"}, frozenset({"prompt"})
    ),
    "image-to-text": Task("image_to_text", {"image": "image"}),
    "image-classification": Task("image_classification", {"image": "image"}),
    "image-segmentation": Task("image_segmentation", {"image": "image"}),
    "object-detection": Task("object_detection", {"image": "image"}),
    "zero-shot-image-classification": Task(
        "zero_shot_image_classification", {"image": "image", "candidate_labels": "labels"}
    ),
    "visual-question-answering": Task(
        "visual_question_answering", {"image": "image", "question": "text"}
    ),
    "document-question-answering": Task(
        "document_question_answering", {"image": "image", "question": "text"}
    ),
}


def task_named(name: str) -> Task:
    """The task of that name. Raises Usage."""
    found = TASKS.get(name)
    if found is None:
        raise Usage(f"There is no task {name!r}; known: {', '.join(sorted(TASKS))}.")
    return found


def arguments(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the method takes them. Raises Usage for one that is missing or unknown."""
    task = task_named(name)
    missing = [each for each in task.inputs if each not in inputs and each not in task.optional]
    unknown = [each for each in inputs if each not in task.inputs]
    if missing or unknown:
        wanted = ", ".join(task.inputs)
        wrong = ", ".join([*missing, *unknown])
        raise Usage(f"The task {name} takes {wanted}; missing or unknown: {wrong}.")
    return dict(inputs)
