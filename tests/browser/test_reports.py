"""The static reports as their readers open them: on a screen, a phone, on paper, by keyboard and in the dark."""

from __future__ import annotations

import pytest

# Text against the nearest background that is set, by WCAG 2's formula; 4.5 is what level AA asks of body text.
FAINT = """
() => {
  const channel = value => { value /= 255; return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4; };
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => { const [r, g, b] = numbers(colour).map(channel); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (numbers(colour).length < 4 || numbers(colour)[3] > .9) return colour;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(0, 0, 0)' : 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')].filter(one =>
      [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())).map(one => {
    const style = getComputedStyle(one), svg = one instanceof SVGElement;
    const [front, back] = [light(svg ? style.fill : style.color), light(behind(one))];
    const ratio = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
    return [ratio, one.tagName, one.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < 4.5);
}
"""
UNNAMED = """
() => [...document.querySelectorAll('svg, img')].filter(one => !one.closest('[aria-hidden=true]')
    && !one.getAttribute('alt') && !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby')
    && !one.querySelector('title')).length
"""
JUMPS = """
() => { const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]));
        return levels.filter((level, at) => at ? level > levels[at - 1] + 1 : level !== 1).length; }
"""


def pages(ui):
    """Every page under reports/ but those of Great Expectations, of which one is enough."""
    reports = ui.home / "reports"
    own = sorted(path.relative_to(reports) for path in reports.rglob("*.html") if "data-docs" not in path.parts)
    docs = sorted(path.relative_to(reports) for path in reports.glob("data-docs/**/*.html"))[:2]
    assert [str(path) for path in own[:1]] == ["index.html"]
    assert len(own) > 3
    assert docs
    return [*own, *docs]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_is_legible_and_fits_its_screen(ui, look, scheme, width):
    seen = look(scheme=scheme, width=width)
    for path in pages(ui):
        text = seen.at(f"{ui.reports}/{path}", f"report_{path.stem}_{scheme}_{width}")
        assert len(text) > 100, path
        assert seen.page.evaluate(FAINT) == [], path
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_every_page_has_a_language_ordered_headings_named_pictures_and_heads_of_tables(ui, look):
    seen = look()
    for path in pages(ui):
        seen.at(f"{ui.reports}/{path}", f"report_{path.stem}")
        assert seen.page.get_attribute("html", "lang"), path
        assert seen.page.evaluate(JUMPS) == 0, path
        assert seen.page.evaluate(UNNAMED) == 0, path
        assert seen.page.evaluate(
            "[...document.querySelectorAll('table')].every(one => one.querySelector('th[scope]'))"
        )


def test_no_page_of_the_reports_leads_nowhere(ui, look):
    seen, asked = look(), set()
    for path in pages(ui):
        seen.page.goto(f"{ui.reports}/{path}")
        links = seen.page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
        for link in {link.partition("#")[0] for link in links} - asked:
            assert link.startswith((ui.reports, ui.address)), (path, link)
            assert seen.page.request.get(link).ok, (path, link)
            asked.add(link)


def test_the_programme_report_prints(ui, look, tmp_path):
    seen = look()
    for page in sorted((ui.home / "reports" / "programmes").glob("*.html")):
        seen.at(f"{ui.reports}/programmes/{page.name}", f"print_{page.stem}")
        printed = tmp_path / f"{page.stem}.pdf"
        seen.page.pdf(path=printed, format="A4")
        assert printed.stat().st_size > 10_000
