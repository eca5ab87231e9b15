from models.document import Bullets, Document, Figure, Grid, Paragraph, Section, markdown


def test_a_document_reads_as_markdown_without_its_drawings():
    document = Document(
        "A card",
        "of something",
        (
            Section("One", (Paragraph("A text."), Bullets(("first", "second")))),
            Section("Two", (Figure("a drawing", "<svg/>"), Grid("figures", ("", "value"), (("here", "1\n(0 to 2)"),)))),
        ),
    )
    assert markdown(document) == (
        "# A card\n\nof something\n\n## One\n\nA text.\n\n- first\n- second\n\n## Two\n\n"
        "figures\n\n|  | value |\n| --- | --- |\n| here | 1 (0 to 2) |\n"
    )


def test_what_looks_like_markup_in_a_text_is_shown_and_not_obeyed():
    text = markdown(Document("t", "", (Section("s", (Paragraph("<b>|a|*b*_c_ [d](e)"),)),)))
    assert r"\<b\>\|a\|\*b\*\_c\_ \[d\](e)" in text
