"""HTML becomes Markdown: headings, lists, tables and code stay, scripts, menus and forms go."""

from __future__ import annotations

import html
import re

from hf_ledger.ingest.doors.documents.decoding import decoded_page
from hf_ledger.ingest.doors.documents.document import NEEDED, Document, bounded
from hf_ledger.ingest.errors import Unusable

_TITLE = re.compile(r"<title[^>]*>([^<]{1,1000})", re.IGNORECASE)
#: What is no text, or another page's.
_LEFT_OUT = ("nav", "[role=navigation]", "iframe", "svg")


def webpage(data: bytes, name: str) -> Document:
    """What a web page says. Raises Unusable where it is nested beyond what can be read."""
    read = decoded_page(data, name)
    text = markdown_of(bounded(read.text, name), name, tidy=True)
    return Document(text, "html", _title(read.text), notes=(read.note,) if read.note else ())


def _title(page: str) -> str | None:
    found = _TITLE.search(page)
    return html.unescape(found[1]).strip() or None if found else None


def markdown_of(page: str, name: str, *, tidy: bool) -> str:
    """The Markdown of a page; `tidy` leaves out menus and forms. Fetches nothing."""
    try:
        from html_to_markdown import ConversionOptions, PreprocessingOptions, convert
    except ImportError as absent:
        raise Unusable(NEEDED.format(kind="HTML", library="html-to-markdown")) from absent
    options = ConversionOptions(
        bullets="-",
        compact_tables=True,
        extract_metadata=False,  # else the text begins with it
        skip_images=True,
        exclude_selectors=list(_LEFT_OUT) if tidy else [],
        preprocessing=PreprocessingOptions(enabled=tidy),
    )
    made = convert(page.encode("utf-8", "replace").decode(), options)
    if any("depth" in str(each.kind).lower() for each in made.warnings):
        raise Unusable(f"{name} nests its elements more than a thousand deep: nothing can read it.")
    return made.content or ""
