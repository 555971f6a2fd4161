"""How people write a model's id: the Hub's, links, providers' own ids and endings, made plain."""

from __future__ import annotations

import re

LINK = re.compile(
    r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:models/|api/models/)?", re.I
)
#: Behind the id in a link: files, a revision, a query.
BEHIND = re.compile(r"/(?:tree|blob|resolve|raw|discussions)/.*$|[?#].*$")
#: "llama-v3p1-8b", as Fireworks writes 3.1.
POINT = re.compile(r"(?<=\d)p(?=\d)")
#: Of "llama3.1:8b" the size stands behind the colon; of "…:groq" and "…:Q4_K_M" nothing does.
SIZED_TAG = re.compile(r":(?=[^:/]*\d[bm](?![a-z0-9]))", re.I)


def plain_id(text: str) -> str:
    """`owner/name` (or the bare name) of an id as somebody wrote it; other text as it stands."""
    plain = text.strip()
    if LINK.match(plain):
        plain = BEHIND.sub("", LINK.sub("", plain)).rstrip("/")
    if plain.startswith("accounts/"):
        return POINT.sub(".", plain.rpartition("/")[2])
    return SIZED_TAG.sub("-", plain).partition(":")[0]


def owner_and_name(plain: str) -> str:
    """The last two parts: `huggingface/together/owner/name` is `owner/name`."""
    return "/".join(plain.split("/")[-2:])
