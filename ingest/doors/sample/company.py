"""The made-up company: six teams, what they build, when they work and which models they call.

Every name is fictional. Shares are of all calls; routes carry their weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["chat", "embedding", "pipeline", "image", "endpoint"]

OFFICE = (1, 1, 1, 1, 1, 2, 6, 20, 55, 90, 100, 96, 70, 84, 98, 94, 82, 60, 30, 16, 10, 6, 3, 2)
SHOPS = (14, 9, 6, 4, 4, 7, 16, 32, 48, 60, 70, 78, 82, 78, 72, 70, 74, 82, 92, 100, 98, 80, 50, 28)
# As flat as the busiest clients of public traces: peak to trough below 2.
ROUND_THE_CLOCK = (
    *(99, 97, 84, 68, 60, 58, 60, 70, 77, 88, 100, 104),
    *(100, 102, 116, 112, 118, 114, 106, 104, 102, 100, 106, 98),
)
NIGHT_BATCH = (2, 70, 100, 95, 60, 10, 2, 1, 1, 2, 4, 5, 4, 5, 6, 6, 5, 4, 3, 2, 2, 2, 2, 2)


@dataclass(frozen=True)
class Route:
    """A model at a provider, with its speed as a caller sees it."""

    provider: str | None
    model: str
    weight: float = 1.0
    first_ms: float = 420.0
    tokens_per_second: float = 70.0


@dataclass(frozen=True)
class Service:
    """One use of models by one team."""

    name: str
    kind: Kind
    task: str
    share: float
    routes: tuple[Route, ...]
    tokens: str | tuple[tuple[int, int], tuple[int, int]] = "chat"  # shape, or two ranges
    stream: float = 0.0  # share of calls
    repeats: float = 0.0  # share of calls whose input was seen before
    cached: float = 0.0  # share of calls with cache reads
    reasoning: float = 0.0  # share of the output that is reasoning
    falls_back: bool = False
    hours: tuple[int, ...] | None = None  # None: the team's
    compute: tuple[str, float] | None = None  # type and median seconds
    begins: float = 0.0  # share of the period after which it first appears
    spike: tuple[float, float] | None = None  # when (share of the period), how many times


@dataclass(frozen=True)
class Team:
    name: str
    zone: str
    hours: tuple[int, ...]
    weekend: float
    growth: float  # over 90 days
    projects: tuple[str, ...]
    users: tuple[str, ...]
    services: tuple[Service, ...]


LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
BATCH_SIZES = ((120, 420), (40, 160))
LABELS = ((140, 480), (2, 7))

SUPPORT = Team(
    "support",
    "Europe/London",
    SHOPS,
    0.55,
    0.30,
    ("help-centre", "inbox"),
    ("mira", "jonas", "aylin", "tomas", "svc-helpdesk"),
    (
        Service(
            "chat-assistant",
            "chat",
            "chat-completion",
            0.15,
            (
                Route("groq", LLAMA, 5, 180, 260),
                Route("novita", LLAMA, 3, 650, 42),
                Route("together", LLAMA, 2, 430, 95),
            ),
            stream=0.92,
            cached=0.22,
            repeats=0.01,
            falls_back=True,
        ),
        Service(
            "ticket-triage",
            "chat",
            "chat-completion",
            0.08,
            (Route("novita", "deepseek-ai/DeepSeek-V3.1", 1, 900, 38),),
            tokens=LABELS,
            repeats=0.06,
        ),
        Service(
            "conversation-summary",
            "pipeline",
            "summarization",
            0.015,
            (Route("hf-inference", "facebook/bart-large-cnn"),),
            compute=("gpu", 1.9),
        ),
    ),
)

SEARCH = Team(
    "search",
    "Europe/Berlin",
    SHOPS,
    0.95,
    0.15,
    ("shop-search", "recommendations"),
    ("svc-query", "svc-ranker", "lena", "piotr"),
    (
        Service(
            "query-rewrite",
            "chat",
            "chat-completion",
            0.12,
            (
                Route("novita", "meta-llama/Llama-3.1-8B-Instruct", 6, 260, 110),
                Route("nscale", "Qwen/Qwen3-4B-Instruct-2507", 4, 190, 150),
            ),
            tokens=((60, 260), (8, 36)),
            repeats=0.05,
        ),
        Service(
            "answer-box",
            "chat",
            "chat-completion",
            0.06,
            (
                Route("deepinfra", "Qwen/Qwen3-32B", 7, 480, 60),
                Route("nscale", "Qwen/Qwen3-32B", 3, 520, 55),
            ),
            stream=0.7,
        ),
        Service(
            "query-embedding",
            "embedding",
            "feature-extraction",
            0.045,
            (Route("hf-inference", "BAAI/bge-m3"),),
            compute=("cpu", 0.038),
            repeats=0.12,
        ),
    ),
)

ENGINEERING = Team(
    "engineering",
    "America/Los_Angeles",
    OFFICE,
    0.14,
    0.45,
    ("editor", "code-review", "ci"),
    ("ruth", "dimitri", "kwame", "noor", "elif", "sanjay", "svc-ci"),
    (
        Service(
            "code-completion",
            "chat",
            "chat-completion",
            0.11,
            (
                Route("novita", "Qwen/Qwen3-Coder-480B-A35B-Instruct", 5, 700, 65),
                Route("scaleway", "Qwen/Qwen3-Coder-30B-A3B-Instruct", 3, 240, 140),
                Route("nscale", "Qwen/Qwen2.5-Coder-32B-Instruct", 2, 380, 60),
            ),
            tokens="code",
            stream=0.8,
        ),
        Service(
            "review-agent",
            "chat",
            "chat-completion",
            0.06,
            (
                Route("novita", "moonshotai/Kimi-K2.5", 6, 1100, 48),
                Route("deepinfra", "moonshotai/Kimi-K2.5", 4, 950, 55),
            ),
            tokens="long",
            cached=0.62,
            begins=0.35,
            falls_back=True,
        ),
        Service(
            "log-explainer",
            "endpoint",
            "chat-completion",
            0.035,
            (Route(None, "Qwen/Qwen2.5-Coder-32B-Instruct", 1, 210, 85),),
            tokens="code",
        ),
    ),
)

MODERATION = Team(
    "moderation",
    "Asia/Kolkata",
    ROUND_THE_CLOCK,
    1.05,
    0.10,
    ("reviews", "uploads"),
    ("svc-guard", "svc-labels", "asha"),
    (
        Service(
            "policy-check",
            "chat",
            "chat-completion",
            0.09,
            (
                Route("deepinfra", "meta-llama/Llama-Guard-4-12B", 6, 200, 100),
                Route("together", "meta-llama/Llama-Guard-4-12B", 4, 230, 100),
            ),
            tokens=((180, 620), (3, 9)),
            repeats=0.04,
        ),
        Service(
            "label-comments",
            "chat",
            "chat-completion",
            0.07,
            (Route("novita", "Qwen/Qwen3-235B-A22B-Instruct-2507", 1, 520, 52),),
            tokens=LABELS,
            repeats=0.16,
            spike=(0.62, 9.0),
        ),
        Service(
            "toxicity",
            "pipeline",
            "text-classification",
            0.018,
            (Route("hf-inference", "unitary/toxic-bert"),),
            compute=("cpu", 0.018),
            repeats=0.08,
        ),
    ),
)

MARKETING = Team(
    "marketing",
    "America/Sao_Paulo",
    OFFICE,
    0.05,
    -0.10,
    ("campaigns", "newsletter"),
    ("caio", "beatriz", "helena"),
    (
        Service(
            "copy-drafts",
            "chat",
            "chat-completion",
            0.045,
            (
                Route("cerebras", "openai/gpt-oss-120b", 4, 150, 1400),
                Route("together", "openai/gpt-oss-120b", 4, 380, 120),
                Route("fireworks-ai", "openai/gpt-oss-120b", 2, 330, 160),
            ),
            stream=0.6,
            reasoning=0.35,
            falls_back=True,
        ),
        Service(
            "translation",
            "pipeline",
            "translation",
            0.012,
            (Route("hf-inference", "Helsinki-NLP/opus-mt-en-es"),),
            compute=("cpu", 0.31),
        ),
        Service(
            "visuals",
            "image",
            "text-to-image",
            0.008,
            (Route("fal-ai", "black-forest-labs/FLUX.1-dev"),),
        ),
    ),
)

RESEARCH = Team(
    "research",
    "Asia/Tokyo",
    OFFICE,
    0.35,
    0.20,
    ("paper-digest", "evaluation"),
    ("haruka", "ken", "yui", "svc-eval"),
    (
        Service(
            "paper-digest",
            "chat",
            "chat-completion",
            0.05,
            (
                Route("deepinfra", "deepseek-ai/DeepSeek-V3.2", 6, 1300, 35),
                Route("novita", "deepseek-ai/DeepSeek-R1-0528", 4, 1500, 32),
            ),
            tokens="long",
            cached=0.30,
            reasoning=0.4,
        ),
        Service(
            "evaluation-runs",
            "chat",
            "chat-completion",
            0.06,
            (
                Route("nscale", "openai/gpt-oss-20b", 6, 250, 180),
                Route("ovhcloud", "openai/gpt-oss-20b", 4, 300, 140),
            ),
            tokens=BATCH_SIZES,
            hours=NIGHT_BATCH,
            reasoning=0.5,
        ),
        Service(
            "entity-mining",
            "pipeline",
            "token-classification",
            0.012,
            (Route("hf-inference", "dslim/bert-base-NER"),),
            compute=("gpu", 0.14),
            hours=NIGHT_BATCH,
        ),
    ),
)

TEAMS = (SUPPORT, SEARCH, ENGINEERING, MODERATION, MARKETING, RESEARCH)

#: One morning of one provider: most calls fail.
OUTAGE_PROVIDER = "groq"
OUTAGE = (0.78, 3)  # share of the period, hours

ENDPOINT = "q7v2logs.us-east-1.aws.endpoints.huggingface.cloud"
