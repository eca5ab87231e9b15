"""A report's page needs nothing but itself, and can be read by everybody."""

from html.parser import HTMLParser

import pytest

from models.document import Bullets, Document, Figure, Grid, Paragraph, Section
from pipelines.reports.page import html

VOID = {"meta", "link", "img", "br", "input", "circle", "line", "path"}
LIGHT = {"ink": "#1b1f24", "soft": "#545d68", "accent": "#0b5cad", "back": "#ffffff", "band": "#f4f6f8"}
DARK = {"ink": "#e6e9ed", "soft": "#a8b1bb", "accent": "#7cb7ff", "back": "#14171a", "band": "#1d2226"}


class Page(HTMLParser):
    """Tags in order, and what is open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def text():
    grid = Grid("Figures & more", ("", "value"), (("here", "1\n(0 to 2)"), ("<script>alert(1)</script>", "2")))
    figure = Figure("A drawing", '<svg viewBox="0 0 1 1" role="img" aria-label="a dot"><circle r="1"/></svg>')
    sections = (
        Section("What it is for", (Paragraph("Help <i>in time</i>."), Bullets(("one", "two")))),
        Section("How good it is", (figure, grid)),
    )
    return html(Document("A card", "of a model", sections))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_every_tag_is_closed_in_order(page):
    assert page.open == []


def test_a_page_fetches_nothing_and_runs_nothing(text, page):
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("img")
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in text
    policy = next(attrs for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")


def test_texts_are_shown_as_they_are(text):
    assert "Help &lt;i&gt;in time&lt;/i&gt;." in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Figures &amp; more" in text


def test_headings_go_down_one_step_at_a_time_and_each_section_is_named(page):
    assert [tag for tag, _ in page.tags if tag in {"h1", "h2", "h3"}] == ["h1", "h2", "h2"]
    headings = {attrs["id"] for attrs in page.all("h2")}
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} == headings
    assert {attrs["href"].removeprefix("#") for attrs in page.all("a")} == headings | {"content"}


def test_a_table_has_a_caption_and_names_its_columns_and_rows(text, page):
    assert "<caption>Figures &amp; more</caption>" in text
    assert [attrs["scope"] for attrs in page.all("th")] == ["col", "row", "row"]
    assert '<th scope="row">here</th><td>1\n(0 to 2)</td>' in text


def test_a_wide_table_can_be_scrolled_with_the_keyboard(page):
    (region,) = [attrs for attrs in page.all("div") if attrs.get("class") == "scroll"]
    assert (region["tabindex"], region["role"], region["aria-label"]) == ("0", "region", "Figures & more")


def test_the_page_says_its_language_and_its_drawing_what_it_shows(page):
    assert page.all("html") == [{"lang": "en"}]
    assert [attrs["aria-label"] for attrs in page.all("svg")] == ["a dot"]


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_text_stands_out_from_its_ground_in_light_and_dark(text, colours):
    for name, colour in colours.items():
        assert f"--{name}: {colour}" in text
    for ground in ("back", "band"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one, other):
    """Contrast ratio by WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
