"""The notebooks as an analyst runs them: served by marimo, on published marts."""

from __future__ import annotations

import sys

import pytest

from tests.browser.conftest import ROOT, free_port, served, words_of

NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").glob("*.py")) if "marimo.App(" in path.read_text("utf-8")]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_without_an_error_and_asks_nobody(ui, look, environment, tmp_path, notebook):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "marimo", "run", notebook, "--headless", "--no-token", "--port", port]
    with served(words, address, environment | {"HANDRAIL_HOME": str(ui.home)}, tmp_path / "log.txt"):
        seen = look()
        seen.at(address, f"notebook_{notebook.stem}_early", wait="h1")
        seen.page.wait_for_timeout(4_000)
        seen.shoot(f"notebook_{notebook.stem}")
        text = words_of(seen.page.inner_text("body"))
        assert "Publication" in text or "publication" in text
        assert "Traceback" not in text
        assert "An internal error" not in text
