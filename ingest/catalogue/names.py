"""What a model's name says of its size: plain numbers, and the traps in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A mixture's experts share attention and embeddings: Mixtral 8x7B has 46.7 B, not 56.
EXPERT_SHARE = 0.8

NUMBER = r"(\d+(?:\.\d+)?)"
EXPERTS = re.compile(rf"(?<![a-z0-9.])(\d+)x{NUMBER}b(?![a-z0-9])")
EXPERTS_LAST = re.compile(rf"(?<![a-z0-9.]){NUMBER}bx(\d+)(?![a-z0-9])")  # FusionNet_34Bx2_MoE
ACTIVE_BY_EXPERTS = re.compile(rf"(?<![a-z0-9.]){NUMBER}b-\d+e(?![a-z0-9])")
TOTAL_ACTIVE = re.compile(rf"(?<![a-z0-9.]){NUMBER}([bt])[-_]?a{NUMBER}([bm])(?![a-z0-9])")
ACTIVE_ONLY = re.compile(rf"(?<![a-z0-9.])a{NUMBER}b(?![a-z0-9])")
BILLIONS = re.compile(rf"(?<![a-z0-9.]){NUMBER}b(?![a-z0-9])")
UNDERSCORED = re.compile(r"(?<![a-z0-9_.])(\d)_(\d)b(?![a-z0-9])")  # stablelm-2-1_6b
SEVEN_B_ONE = re.compile(r"(?<![a-z0-9.])(\d)b(\d)(?![a-z0-9])")  # bloom-7b1
MILLIONS = re.compile(rf"(?<![a-z0-9.]){NUMBER}m(?![a-z0-9])")
TRILLIONS = re.compile(r"(?<=-)([12])t(?![a-z0-9])")  # more are tokens of training
GLUED = re.compile(
    r"(?:llama|mistral|qwen|gemma|phi|vicuna|alpaca|falcon|opt|bloom|pythia|yi|mpt)(\d{1,3}(?:\.\d+)?)"
    r"([bm])(?![a-z0-9])"
)
POINT = re.compile(r"(?<=\d)p(?=\d+b)")  # 1p5b

#: Parts of another model, whose name they carry: their own size is not in it.
PARTS = re.compile(
    r"(?<![a-z])eagle(?!-?2)|draft|speculator|[-_]spec[-_]|dflash|dspark|-it-([a-z0-9_]+-)*assistant|medusa"
    r"|(?<![a-z])lora(?![a-z])|adapters?([-_]|$)|mmproj|controlnet|tiny-random"
)
#: A prediction head alone ("-27B-MTP"), or a quantised model that kept its own ("-27B-AWQ-MTP").
HEAD = re.compile(r"[-_]mtp(?![a-z])")
QUANTISED = re.compile(r"awq|gptq|fp[48]|int[48]|w[48]a|mlx|\dbit|gguf|oq\d|exl\d|preserved")
#: Bits of a quantisation ("GPTQ-4b-128g") and samples of training ("laion2B-s39B-b160k").
NO_SIZES = re.compile(r"(?<=gptq[-_])\db(?=[-_])|laion[-_]?\d+b.*")
LEADING_ZERO = re.compile(r"(?<![a-z0-9.])0(?=\db)")  # 06B is 0.6 B
#: "1M" and "4m" are context lengths far oftener than sizes.
SMALLEST_MILLIONS = 5.0
SAME_WITHIN = 1.35


@dataclass(frozen=True)
class NamedSize:
    """Billions of parameters as a name gives them; None where it does not."""

    total_b: float | None
    active_b: float | None = None
    how: str = "name"


UNNAMED = NamedSize(None)


def named_size(model: str) -> NamedSize:
    """Read a model id's numbers. Unknown is better than wrong: parts, contradictions give None."""
    name = pupil(legible(model.lower().rpartition("/")[2]))
    if is_part(model):
        return UNNAMED
    return mixture(name) or dense(name) or UNNAMED


def legible(name: str) -> str:
    """A name whose numbers are sizes, written with a point."""
    return POINT.sub(".", LEADING_ZERO.sub("0.", NO_SIZES.sub("", name)))


def pupil(name: str) -> str:
    """The name without the teacher's: "Qwen3-0.6B-Distilled-30B-A3B" has 0.6 B."""
    before, _, _ = name.partition("distilled")
    return before if BILLIONS.search(before) else name


def is_part(model: str) -> bool:
    """Whether the name is of a drafter, an adapter and the like."""
    name = model.lower().rpartition("/")[2]
    return bool(PARTS.search(name) or (HEAD.search(name) and not QUANTISED.search(name)))


def mixture(name: str) -> NamedSize | None:
    """Names of mixtures of experts, where a number is not what it seems."""
    if found := TOTAL_ACTIVE.search(name):
        total = float(found[1]) * (1000 if found[2] == "t" else 1)
        return NamedSize(total, float(found[3]) / (1000 if found[4] == "m" else 1))
    if found := EXPERTS.search(EXPERTS_LAST.sub(r"\2x\1b", name)):
        experts, each = int(found[1]), float(found[2])
        return NamedSize(
            each * (1 + (experts - 1) * EXPERT_SHARE), None, "name, experts share parts"
        )
    if found := ACTIVE_BY_EXPERTS.search(name):
        return NamedSize(None, float(found[1]), "name gives the active part only")
    if (found := ACTIVE_ONLY.search(name)) and not BILLIONS.search(name):
        return NamedSize(None, float(found[1]), "name gives the active part only")
    return None


def dense(name: str) -> NamedSize | None:
    """The one size a plain name gives; of a distilled model the pupil's, which stands last."""
    if tokens_follow(name):
        return smaller_or_larger(name)
    sizes = [float(number) for number in BILLIONS.findall(UNDERSCORED.sub("", name))]
    sizes += [float(f"{whole}.{tenth}") for whole, tenth in UNDERSCORED.findall(name)]
    sizes += [float(f"{whole}.{tenth}") for whole, tenth in SEVEN_B_ONE.findall(name)]
    if not sizes:
        return smaller_or_larger(name)
    if "distill" in name:
        return NamedSize(sizes[-1])
    return NamedSize(sizes[0]) if max(sizes) <= min(sizes) * SAME_WITHIN else None


def tokens_follow(name: str) -> bool:
    """Whether billions behind millions are tokens of training: "gpt2-124m-fineweb-10b"."""
    millions, billions = MILLIONS.search(name), BILLIONS.search(name)
    if not millions or not billions or float(millions[1]) < SMALLEST_MILLIONS:
        return False
    return millions.start() < billions.start()


def smaller_or_larger(name: str) -> NamedSize | None:
    """Names in millions (smollm-135m) or trillions (ling-1t), or glued to a base's name."""
    millions = [float(number) for number in MILLIONS.findall(name)]
    if sizes := [each for each in millions if each >= SMALLEST_MILLIONS]:
        return NamedSize(sizes[0] / 1000)
    if found := GLUED.search(name):
        return NamedSize(float(found[1]) / (1000 if found[2] == "m" else 1))
    if found := TRILLIONS.search(name):
        return NamedSize(float(found[1]) * 1000)
    return None
