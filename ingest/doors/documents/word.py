"""Word's files become Markdown: headings, lists, tables and footnotes stay, pictures go.

Macros are never run, other files never opened.
"""

from __future__ import annotations

import html
import re
import zlib
from io import BytesIO
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile, ZipFile

from hf_ledger.ingest.doors.documents.document import NEEDED, Document, bounded
from hf_ledger.ingest.doors.documents.webpage import markdown_of
from hf_ledger.ingest.errors import Unusable

#: Unpacked XML; a novel has about 5 MB. Reading it takes seven times as much memory.
MOST_XML = 64 << 20
_MOST_PARTS = 10_000
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => h2:fresh"

_TITLE = re.compile(rb"<dc:title>([^<]{1,1000})</dc:title>")
_REFERENCE = re.compile(r'<sup><a href="#(footnote|endnote)-[^"]*" id="[^"]*">\[(\d+)\]</a></sup>')
_NOTES = re.compile(r'<ol>(?=<li id="(?:footnote|endnote)-)(.*)</ol>\s*$', re.DOTALL)
_NOTE = re.compile(
    r'<li id="(?:footnote|endnote)-[^"]*">(.*?) <a href="#[^"]*">↑</a></p></li>', re.DOTALL
)

#: What damaged files make zip, XML and mammoth raise.
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RuntimeError,
    EOFError,
    BadZipFile,
    ExpatError,
    zlib.error,
)


def word(data: bytes, name: str) -> Document:
    """What a docx file says. Raises Unusable for one that is damaged, or unpacks to too much."""
    try:
        import mammoth
    except ImportError as absent:
        raise Unusable(NEEDED.format(kind="docx", library="mammoth")) from absent
    try:
        title = _checked(data, name)
        page = mammoth.convert_to_html(
            BytesIO(data), style_map=_STYLES, convert_image=lambda _image: []
        ).value
    except _DAMAGE as error:
        raise Unusable(
            f"{name} is damaged or no Word document ({type(error).__name__}): open it in Word and"
            " save it again as docx."
        ) from None
    text = markdown_of(_with_notes(page), name, tidy=False)
    return Document(bounded(text, name), "docx", title)


def _checked(data: bytes, name: str) -> str | None:
    """The title that the file states; raises Unusable for what no reader should unpack."""
    with ZipFile(BytesIO(data)) as parts:
        infos = parts.infolist()
        xml = [each for each in infos if each.filename.endswith((".xml", ".rels"))]
        if len(infos) > _MOST_PARTS or sum(each.file_size for each in xml) > MOST_XML:
            raise Unusable(f"{name} unpacks to more than {MOST_XML >> 20} MB of text: divide it.")
        for each in xml:
            if _declares(parts.read(each)):
                raise Unusable(f"{name} declares XML entities, which no Word document does.")
        if "docProps/core.xml" not in parts.namelist():
            return None
        found = _TITLE.search(parts.read("docProps/core.xml"))
    return html.unescape(found[1].decode("utf-8", "replace")).strip() or None if found else None


def _declares(xml: bytes) -> bool:
    """Whether a part may name entities: they can grow without bound, or point outside."""
    return b"<!DOCTYPE" in xml.replace(b"\0", b"") or b"<!ENTITY" in xml.replace(b"\0", b"")


def _with_notes(page: str) -> str:
    """Footnotes as Markdown has them: a mark in the text, and the notes at its end."""
    page = _REFERENCE.sub(r"[^\2]", page)
    notes = _NOTES.search(page)
    if notes is None:
        return page
    bodies = _NOTE.findall(notes[1])
    listed = "".join(
        body.replace("<p>", f"<p>[^{number}]: ", 1) + "</p>"
        for number, body in enumerate(bodies, 1)
    )
    return page[: notes.start()] + listed
