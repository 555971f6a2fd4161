"""What the body of a request says: the model it names, its task, and the form of its content.

Forms: text, image, audio, video, table, `text+labels`, `image+labels`, `image+text`, `sentences`;
None when the body was not seen. The reply's shape decides between the tasks a form leaves open.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.wire import media, raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw


class Body(msgspec.Struct, gc=False):
    """The fields of any request that tell a model, a task or a form."""

    model: Raw = NOTHING
    model_name: Raw = NOTHING
    version: Raw = NOTHING
    stream: Raw = NOTHING
    messages: Raw = NOTHING
    prompt: Raw = NOTHING
    inputs: Raw = NOTHING
    input: Raw = NOTHING
    parameters: Raw = NOTHING
    question: Raw = NOTHING
    context: Raw = NOTHING
    query: Raw = NOTHING
    table: Raw = NOTHING
    text: Raw = NOTHING
    texts: Raw = NOTHING
    source_sentence: Raw = NOTHING
    image: Raw = NOTHING
    image_url: Raw = NOTHING
    image_urls: Raw = NOTHING
    input_image: Raw = NOTHING
    images: Raw = NOTHING
    reference_images: Raw = NOTHING
    frame_images: Raw = NOTHING
    audio: Raw = NOTHING
    audio_url: Raw = NOTHING
    video_url: Raw = NOTHING
    normalize: Raw = NOTHING
    prompt_name: Raw = NOTHING
    candidate_labels: Raw = NOTHING


class Form(NamedTuple):
    """What a request's body tells."""

    model: str | None = None
    stream: bool = False
    task: str | None = None
    kind: str | None = None


_BODY = msgspec.json.Decoder(Body)

#: Parameters that only one family of tasks takes; the content's form decides inside the family.
_PARAMETER_TASKS: tuple[tuple[frozenset[str], dict[str, str]], ...] = (
    (frozenset({"src_lang", "tgt_lang"}), {"text": "translation"}),
    (
        frozenset({"candidate_labels"}),
        {"text": "zero-shot-classification", "image": "zero-shot-image-classification"},
    ),
    (frozenset({"aggregation_strategy"}), {"text": "token-classification"}),
    (
        frozenset({"mask_threshold", "overlap_mask_area_threshold", "subtask"}),
        {"image": "image-segmentation"},
    ),
    (
        frozenset({"function_to_apply"}),
        {
            "text": "text-classification",
            "image": "image-classification",
            "audio": "audio-classification",
        },
    ),
    (
        frozenset({"num_frames", "fps"}),
        {"text": "text-to-video", "image": "image-to-video"},
    ),
    (
        frozenset({"num_inference_steps", "guidance_scale", "negative_prompt", "width", "height"}),
        {"text": "text-to-image", "image": "image-to-image", "image+text": "image-to-image"},
    ),
    (
        frozenset(
            {
                "max_new_tokens",
                "details",
                "decoder_input_details",
                "return_full_text",
                "best_of",
                "watermark",
                "adapter_id",
                "top_n_tokens",
                "typical_p",
            }
        ),
        {"text": "text-generation", "image": "image-to-text"},
    ),
)

_PAIRS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"question", "context"}), "question-answering"),
    (frozenset({"query", "table"}), "table-question-answering"),
    (frozenset({"source_sentence", "sentences"}), "sentence-similarity"),
    (frozenset({"query", "texts"}), "text-ranking"),
    (frozenset({"text", "generated_responses"}), "conversational"),
    (frozenset({"text", "past_user_inputs"}), "conversational"),
)

_MULTIPART_MODEL = rb'name="model"[^\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]{1,200})\r?\n'
_WINDOW = 65536


#: Beside messages these say something more; a request without them is a plain chat.
_BESIDE_MESSAGES = frozenset(Body.__struct_fields__) - {"model", "stream", "messages"}


def form_of(body: bytes | None, content_type: str, asked: object = None) -> Form:
    """What the body tells; an empty form for a body that was not kept.

    `asked` is the body's JSON where it has been read already: a chat needs no second reading.
    """
    if (
        isinstance(asked, dict)
        and "messages" in asked
        and asked.keys().isdisjoint(_BESIDE_MESSAGES)
    ):
        return _chat_form(asked)
    if not body:
        return Form(kind=media.kind_of_type(content_type))
    if body[:1] != b"{":
        kind = media.kind_of_type(content_type) or media.kind_of_bytes(body)
        if kind is not None:
            return Form(kind=kind)
        if content_type.startswith("multipart/"):
            return Form(model=_multipart_model(body))
    fields = raw.decode(_BODY, body)
    return _json_form(fields) if fields is not None else Form()


def model_of_chat(asked: Any) -> str | None:
    """The model that a plain chat names; None for any other body, and for a chat that names none.

    Of a plain chat its model and `stream` are all that the form depends on.
    """
    if (
        isinstance(asked, dict)
        and "messages" in asked
        and asked.keys().isdisjoint(_BESIDE_MESSAGES)
    ):
        model = asked.get("model")
        return model if isinstance(model, str) else None
    return None


def _chat_form(asked: dict[str, object]) -> Form:
    model = asked.get("model")
    return Form(
        model=model if isinstance(model, str) and model else None,
        stream=asked.get("stream") is True,
        task="chat-completion",
        kind="text",
    )


def _multipart_model(body: bytes) -> str | None:
    for part in (body[:_WINDOW], body[-_WINDOW:]):
        found = re.search(_MULTIPART_MODEL, part)
        if found:
            return found[1].decode("utf-8", "replace").strip()
    return None


def _json_form(body: Body) -> Form:
    kind = _kind_of(body)
    return Form(
        model=raw.text(body.model) or raw.text(body.model_name) or raw.text(body.version),
        stream=bytes(body.stream) == b"true",
        task=_task_of(body, kind),
        kind=kind,
    )


def _kind_of(body: Body) -> str | None:
    kind = _kind_at_root(body) or _kind_of_inputs(body.inputs) or _kind_of_inputs(body.input)
    labelled = body.candidate_labels or b'"candidate_labels"' in bytes(body.parameters)
    return f"{kind}+labels" if labelled and kind in ("text", "image") else kind


def _kind_at_root(body: Body) -> str | None:
    if body.messages:
        return "text"
    if body.audio_url or body.audio:
        return "audio"
    if body.video_url:
        return "video"
    if any(raw.stated(getattr(body, name)) for name in _PICTURES):
        return "image+text" if body.question or body.prompt else "image"
    if body.source_sentence:
        return "sentences"
    return "text" if body.prompt or body.text else None


_PICTURES = (
    "image",
    "image_url",
    "image_urls",
    "input_image",
    "images",
    "reference_images",
    "frame_images",
)


def _kind_of_inputs(inputs: Raw) -> str | None:
    """The kind of `inputs`: a string, a list of them, or an object with named parts."""
    first = raw.start(inputs)
    if first == b'"':
        return _kind_of_string(inputs)
    if first == b"[":
        return "text"
    return _kind_of_parts(frozenset(raw.fields(inputs))) if first == b"{" else None


def _kind_of_string(value: Raw) -> str:
    """Only the head is looked at: pictures come as megabytes of base64."""
    head = bytes(memoryview(value)[1:65]).decode("utf-8", "replace").rstrip('"')
    return media.kind_of_text(head)


def _kind_of_parts(names: frozenset[str]) -> str | None:
    if names & {"audio", "audio_url"}:
        return "audio"
    if names & _PICTURE_NAMES:
        return "image+text" if names & {"question", "prompt", "text"} else "image"
    if "sentences" in names:
        return "sentences"
    if names == {"data"}:
        return "table"
    return "text" if names & {"text", "prompt", "question", "query"} else None


_PICTURE_NAMES = frozenset(_PICTURES)


def _task_of(body: Body, kind: str | None) -> str | None:
    if body.messages:
        return "chat-completion"
    return _task_of_pairs(body) or _task_of_parameters(body, kind) or _task_of_root(body)


def _task_of_pairs(body: Body) -> str | None:
    names = frozenset(raw.fields(body.inputs)) if raw.start(body.inputs) == b"{" else frozenset()
    names |= frozenset(name for name in _ROOT_PARTS if getattr(body, name))
    return next((task for pair, task in _PAIRS if pair <= names), None)


_ROOT_PARTS = ("question", "context", "query", "table", "texts", "source_sentence")


def _task_of_parameters(body: Body, kind: str | None) -> str | None:
    names = frozenset(raw.fields(body.parameters))
    if body.candidate_labels:
        names |= {"candidate_labels"}
    base = (kind or "").removesuffix("+labels")
    for known, tasks in _PARAMETER_TASKS:
        if names & known and (base in tasks or kind in tasks):
            return tasks.get(base) or tasks.get(kind or "")
    return None


def _task_of_root(body: Body) -> str | None:
    """`normalize` and `prompt_name` stand beside `inputs` only where embeddings are asked for.

    Replicate's speech models take `text`, all others a `prompt`.
    """
    if body.inputs and (body.normalize or body.prompt_name):
        return "feature-extraction"
    if raw.start(body.input) == b"{":
        names = raw.fields(body.input).keys()
        return "text-to-speech" if "text" in names and "prompt" not in names else None
    return None
