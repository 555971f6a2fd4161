"""HTML becomes Markdown that can be split without losing what holds together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.webpage import webpage
from hf_ledger.ingest.errors import Unusable


def text_of(page: str) -> str:
    return webpage(page.encode(), "page.html").text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h2>A <em>b</em></h2><p>c", "## A *b*\n\nc\n"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c\n"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b\n"),
        (
            "<table><tr><th>A<th>B<tr><td>1|2<td>3</table>",
            "| A | B |\n| --- | --- |\n| 1\\|2 | 3 |\n",
        ),
        ("<pre><code>x = 1\n  y</code></pre>", "```\nx = 1\n  y\n```\n"),
        ("<p>a&nbsp;&amp; b &lt;c&gt;</p>", "a & b <c>\n"),
        ("<p>see <a href='https://x.y/z'>this</a></p>", "see [this](https://x.y/z)\n"),
    ],
)
def test_what_holds_together_stays(page: str, text: str) -> None:
    assert text_of(page) == text


@pytest.mark.parametrize(
    "page",
    [
        "<script>marker()</script>",
        "<style>.marker{}</style>",
        "<nav>marker</nav>",
        "<div role=navigation>marker</div>",
        "<form><input value=marker><button>marker</button></form>",
        "<!-- marker -->",
        "<template>marker</template>",
        "<iframe src='http://marker/'></iframe>",
        "<svg><text>marker</text></svg>",
        "<img src='data:image/png;base64,marker'>",
        "<p hidden>marker</p>",
        "<head><meta name=description content=marker></head>",
    ],
)
def test_what_is_no_text_goes(page: str) -> None:
    assert text_of(f"<p>before</p>{page}<p>after</p>").split() == ["before", "after"]


def test_the_title_is_kept_apart() -> None:
    found = webpage(b"<title>Cats &amp; dogs</title><p>Text", "page.html")
    assert (found.title, found.text) == ("Cats & dogs", "Text\n")


def test_a_rule_at_the_top_is_no_header_of_the_page() -> None:
    assert "first" in text_of("<hr><p>first</p><hr><p>second</p>")


@pytest.mark.parametrize("tag", ["div", "b", "blockquote"])
def test_a_page_nested_without_end_is_refused(tag: str) -> None:
    with pytest.raises(Unusable, match="more than a thousand deep"):
        text_of(f"<{tag}>" * 30_000 + "x")


def test_a_cell_over_a_million_columns_stays_small() -> None:
    assert len(text_of(f"<table><tr>{'<td colspan=1000000>x' * 50}</table>")) < 1_000_000


@given(st.lists(st.sampled_from(["<p>", "</div>", "<table>", "<td>", "a & b", "<!--", "é"])))
def test_any_tags_are_read(parts: list[str]) -> None:
    assert webpage("".join(parts).encode(), "page.html").kind == "html"
