"""Texts with known sentences, and files of every kind that is read."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "de", "zh", "ja", "ar", "th")


class Labelled(NamedTuple):
    """A paragraph, and where sentences begin within it."""

    text: str
    beginnings: frozenset[int]


def labelled(language: str) -> list[Labelled]:
    """The paragraphs whose sentences were marked by hand."""
    read = json.loads((HERE / f"sentences_{language}.json").read_text("utf-8"))
    return [_labelled(each, read["joined_by"]) for each in read["paragraphs"]]


def _labelled(sentences: list[str], joined_by: str) -> Labelled:
    beginnings, at = set(), 0
    for sentence in sentences[:-1]:
        at += len(sentence) + len(joined_by)
        beginnings.add(at)
    return Labelled(joined_by.join(sentences), frozenset(beginnings))


def book(characters: int) -> str:
    """Prose of headings, paragraphs and lists, the same each time."""
    parts: list[str] = []
    size = number = 0
    while size < characters:
        number += 1
        parts.append(_page(number))
        size += len(parts[-1])
    return "".join(parts)[:characters]


def _page(number: int) -> str:
    prose = "".join(
        f"Sentence {each} of page {number} says that Dr. Smith paid $3.{each:02} for it. "
        for each in range(number % 7 + 3)
    )
    rows = "".join(f"| {each} | row {each} of {number} |\n" for each in range(number % 4 + 1))
    return (
        f"## Chapter {number}\n\n{prose}\n\n{prose}\n\n- one of {number}\n- two of {number}\n\n"
        f"| a | b |\n|---|---|\n{rows}\n```python\nprint({number})\n\nprint()\n```\n\n"
    )


def pdf_of(*pages: str, title: str = "", encrypted: bool = False) -> bytes:
    """A PDF with these pages, a line of text a line; an empty page has none."""
    count = len(pages)
    kids = " ".join(f"{number} 0 R" for number in range(4, 4 + 2 * count, 2))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents"
            f" {5 + 2 * number} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        drawn = "".join(f"({line}) Tj T* " for line in page.split("\n") if line)
        stream = f"BT /F1 12 Tf 14 TL 50 740 Td {drawn}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title}) >>")
    return _numbered(objects, encrypted)


def _numbered(objects: list[str], encrypted: bool) -> bytes:
    made = b"%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{each}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    # No password fits these: what is asked for is all that a locked file is tried for.
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'ab' * 32}> /U <{'cd' * 32}> /P -4 >>"
    trailer = (
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R"
        f" /ID [<00><00>] {locked if encrypted else ''} >>\nstartxref\n{len(made)}\n%%EOF"
    )
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    return made + (head + table + trailer).encode("latin-1")


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
)


def paragraph(text: str, style: str = "", level: int | None = None) -> str:
    """One of Word's; with a level it is an item of a list."""
    listed = (
        "" if level is None else f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>'
    )
    styled = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{styled}{listed}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def docx_of(body: str, note: str = "", title: str = "", prolog: str = "") -> bytes:
    """A Word file with this body; the footnote is called for by `NOTE_MARK`."""
    kinds = ("footnotes", "styles", "numbering")
    related = "".join(
        f'<Relationship Id="r{each}" Type="{OFFICE}/{each}" Target="{each}.xml"/>' for each in kinds
    )
    main = f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
        for key, name in (("Title", "Title"), ("Heading1", "heading 1"), ("Heading2", "heading 2"))
    )
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}">{main}</Relationships>',
        "word/_rels/document.xml.rels": (
            f'<Relationships xmlns="{PACKAGE}">{related}</Relationships>'
        ),
        "word/document.xml": f"{prolog}{_word('document', f'<w:body>{body}</w:body>')}",
        "word/styles.xml": _word("styles", styles),
        "word/numbering.xml": _word("numbering", NUMBERING),
        "word/footnotes.xml": _word(
            "footnotes", f'<w:footnote w:id="2">{paragraph(note)}</w:footnote>'
        ),
        "docProps/core.xml": f"<core xmlns:dc='dc'><dc:title>{title}</dc:title></core>",
    }
    return zip_of(parts)


NOTE_MARK = '<w:r><w:footnoteReference w:id="2"/></w:r>'
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)


def _word(part: str, inside: str) -> str:
    return f'<w:{part} xmlns:w="{WORD}">{inside}</w:{part}>'


def zip_of(parts: dict[str, str]) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return made.getvalue()
