"""The few parameters of each task that people change, as a table from which the fields are drawn.

Names are those of the client's own arguments; `generate_parameters.max_length` is the field
`max_length` inside of `generate_parameters`. What is left open is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import streamlit as st

Sort = Literal["whole", "number", "switch", "text", "choice"]


class Parameter(NamedTuple):
    """One argument of a task's method, and how it is asked for."""

    name: str
    label: str
    sort: Sort
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    note: str | None = None  # where the label does not say it all


TEMPERATURE = Parameter("temperature", "Temperature", "number", 0.0, 2.0, 0.1)
TOP_P = Parameter("top_p", "Top p", "number", 0.0, 1.0, 0.05)
TOP_K = Parameter("top_k", "Top k", "whole", 1, 1000, 1)
SEED = Parameter("seed", "Seed", "whole", 0, 2**31 - 1, 1)
MOST_LABELS = Parameter("top_k", "Most labels", "whole", 1, 1000, 1)
STEPS = Parameter("num_inference_steps", "Steps", "whole", 1, 200, 1)
GUIDANCE = Parameter("guidance_scale", "Guidance", "number", 0.0, 30.0, 0.5)
NEGATIVE = Parameter("negative_prompt", "Not in the picture", "text")
HYPOTHESIS = Parameter(
    "hypothesis_template", "Hypothesis", "text", note="{} stands for the label: This is about {}."
)
ANSWERS = Parameter("top_k", "Most answers", "whole", 1, 20, 1)


def side(name: str, label: str) -> Parameter:
    """Width or height of a picture, in pixels."""
    return Parameter(name, label, "whole", 64, 2048, 64)


PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    "chat-completion": (
        Parameter("max_tokens", "Most tokens", "whole", 1, 131_072, 64),
        TEMPERATURE,
        TOP_P,
        SEED,
    ),
    "text-generation": (
        Parameter("max_new_tokens", "Most tokens", "whole", 1, 131_072, 64),
        TEMPERATURE,
        TOP_P,
        TOP_K,
        SEED,
    ),
    "summarization": (
        Parameter("generate_parameters.min_length", "Least tokens", "whole", 1, 10_000, 10),
        Parameter("generate_parameters.max_length", "Most tokens", "whole", 1, 10_000, 10),
    ),
    "translation": (
        Parameter(
            "src_lang", "From language", "text", note="As the model names it: en, or eng_Latn"
        ),
        Parameter("tgt_lang", "To language", "text", note="As the model names it: fr, or fra_Latn"),
    ),
    "text-classification": (MOST_LABELS,),
    "token-classification": (
        Parameter(
            "aggregation_strategy",
            "Join tokens",
            "choice",
            choices=("none", "simple", "first", "average", "max"),
        ),
    ),
    "zero-shot-classification": (
        Parameter("multi_label", "Several labels may be true", "switch"),
        HYPOTHESIS,
    ),
    "fill-mask": (Parameter("top_k", "Most words", "whole", 1, 100, 1),),
    "question-answering": (
        ANSWERS,
        Parameter("max_answer_len", "Longest answer, tokens", "whole", 1, 500, 5),
        Parameter("handle_impossible_answer", "May have no answer", "switch"),
    ),
    "feature-extraction": (
        Parameter("normalize", "Normalise to length 1", "switch"),
        Parameter("truncate", "Cut what is too long", "switch"),
    ),
    "automatic-speech-recognition": (
        Parameter(
            "extra_body.language", "Language", "text", note="As the provider names it: en, or de"
        ),
    ),
    "audio-classification": (MOST_LABELS,),
    "text-to-speech": (
        Parameter("extra_body.voice", "Voice", "text", note="As the provider names it"),
    ),
    "text-to-image": (
        side("width", "Width"),
        side("height", "Height"),
        STEPS,
        GUIDANCE,
        NEGATIVE,
        SEED,
    ),
    "text-to-video": (
        Parameter("num_frames", "Frames", "whole", 1, 500, 1),
        STEPS,
        GUIDANCE,
        SEED,
    ),
    "image-to-image": (STEPS, GUIDANCE, NEGATIVE),
    "image-classification": (MOST_LABELS,),
    "image-segmentation": (
        Parameter("subtask", "Kind", "choice", choices=("instance", "panoptic", "semantic")),
        Parameter("threshold", "Least score", "number", 0.0, 1.0, 0.05),
    ),
    "object-detection": (Parameter("threshold", "Least score", "number", 0.0, 1.0, 0.05),),
    "zero-shot-image-classification": (HYPOTHESIS,),
    "visual-question-answering": (ANSWERS,),
    "document-question-answering": (ANSWERS,),
}


def choose(task: str, key: str) -> dict[str, Any]:
    """Draw the task's parameters and give back what was set, as the method takes it."""
    offered = PARAMETERS.get(task, ())
    if not offered:
        st.caption("This task has no parameters.")
    found = {each.name: field(each, f"{key}-{each.name}") for each in offered}
    return nested({name: value for name, value in found.items() if value is not None})


def field(parameter: Parameter, key: str) -> Any:
    """One field; None where it is left open."""
    label, note = parameter.label, parameter.note
    if parameter.sort == "switch":
        chosen = st.segmented_control(label, ("Yes", "No"), key=key, help=note)
        return None if chosen is None else chosen == "Yes"
    if parameter.sort == "choice":
        return st.selectbox(
            label, parameter.choices, index=None, key=key, help=note, placeholder="Default"
        )
    if parameter.sort == "text":
        return (st.text_input(label, key=key, help=note) or "").strip() or None
    return number(parameter, key)


def number(parameter: Parameter, key: str) -> float | int | None:
    kind = int if parameter.sort == "whole" else float
    low, high, step = (kind(each or 0) for each in parameter[3:6])
    return st.number_input(
        parameter.label, low, high, value=None, step=step, key=key, placeholder="Default"
    )


def put(task: str, key: str, values: Mapping[str, Any]) -> None:
    """Set the fields that `choose` will draw; for callbacks, before they are drawn."""
    for each in PARAMETERS.get(task, ()):
        outer, _, inner = each.name.rpartition(".")
        value = values.get(outer, {}).get(inner) if outer else values.get(inner)
        if each.sort == "switch" and value is not None:
            value = "Yes" if value else "No"
        blank = "" if each.sort == "text" else None
        st.session_state[f"{key}-{each.name}"] = blank if value is None else value


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        outer, _, inner = name.rpartition(".")
        (found.setdefault(outer, {}) if outer else found)[inner] = value
    return found
