"""What a model's name says of its size: plain numbers, and the traps in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A mixture's experts share attention and embeddings: Mixtral 8x7B has 46.7 B, not 56.
EXPERT_SHARE = 0.8

NUMBER = r"(\d+(?:\.\d+)?)"
EXPERTS = re.compile(rf"(?<![a-z0-9.])(\d+)x{NUMBER}b(?![a-z0-9])")
ACTIVE_BY_EXPERTS = re.compile(rf"(?<![a-z0-9.]){NUMBER}b-\d+e(?![a-z0-9])")
TOTAL_ACTIVE = re.compile(rf"(?<![a-z0-9.]){NUMBER}([bt])[-_]?a{NUMBER}([bm])(?![a-z0-9])")
ACTIVE_ONLY = re.compile(rf"(?<![a-z0-9.])a{NUMBER}b(?![a-z0-9])")
BILLIONS = re.compile(rf"(?<![a-z0-9.]){NUMBER}b(?![a-z0-9])")
UNDERSCORED = re.compile(r"(?<![a-z0-9_.])(\d)_(\d)b(?![a-z0-9])")  # stablelm-2-1_6b
SEVEN_B_ONE = re.compile(r"(?<![a-z0-9.])(\d)b(\d)(?![a-z0-9])")  # bloom-7b1
MILLIONS = re.compile(rf"(?<![a-z0-9.]){NUMBER}m(?![a-z0-9])")
TRILLIONS = re.compile(r"(?<=-)(\d+(?:\.\d+)?)t(?![a-z0-9])")

#: Parts of another model, whose name they carry: their own size is not in it.
PARTS = re.compile(
    r"eagle|draft|speculator|medusa|[-_]mtp|(?<![a-z])lora|adapter|mmproj|controlnet|tiny-random"
)
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
    name = model.lower().rpartition("/")[2]
    if is_part(model):
        return UNNAMED
    return mixture(name) or dense(name) or UNNAMED


def is_part(model: str) -> bool:
    """Whether the name is of a drafter, an adapter and the like."""
    return bool(PARTS.search(model.lower()))


def mixture(name: str) -> NamedSize | None:
    """Names of mixtures of experts, where a number is not what it seems."""
    if found := TOTAL_ACTIVE.search(name):
        total = float(found[1]) * (1000 if found[2] == "t" else 1)
        return NamedSize(total, float(found[3]) / (1000 if found[4] == "m" else 1))
    if found := EXPERTS.search(name):
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
    sizes = [float(number) for number in BILLIONS.findall(UNDERSCORED.sub("", name))]
    sizes += [float(f"{whole}.{tenth}") for whole, tenth in UNDERSCORED.findall(name)]
    sizes += [float(f"{whole}.{tenth}") for whole, tenth in SEVEN_B_ONE.findall(name)]
    if not sizes:
        return smaller_or_larger(name)
    if "distill" in name:
        return NamedSize(sizes[-1])
    return NamedSize(sizes[0]) if max(sizes) <= min(sizes) * SAME_WITHIN else None


def smaller_or_larger(name: str) -> NamedSize | None:
    """Names in millions (smollm-135m) or trillions (ling-1t)."""
    millions = [float(number) for number in MILLIONS.findall(name)]
    if sizes := [each for each in millions if each >= SMALLEST_MILLIONS]:
        return NamedSize(sizes[0] / 1000)
    if found := TRILLIONS.search(name):
        return NamedSize(float(found[1]) * 1000)
    return None
