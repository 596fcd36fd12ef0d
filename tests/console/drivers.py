"""One page of the console in two hands: with a mouse that counts clicks, and by keyboard alone."""

from __future__ import annotations

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (extra 'test')"
)

MOST_TABS = 300
# Tag, label and form of the focused element, as a reader of the page would name it.
FOCUSED = """() => {
  const one = document.activeElement;
  const label = one.labels && one.labels.length ? one.labels[0].innerText : '';
  const form = one.form ? (one.form.getAttribute('aria-label') || '') : '';
  const name = one.getAttribute('aria-label') || label || one.innerText || one.value || '';
  return [one.tagName, name.split('\\n')[0].trim(), form, getComputedStyle(one).outlineStyle];
}"""


class Page:
    """A page that is used by its labels."""

    def __init__(self, page):
        self.page, self.clicks = page, 0

    def expect(self, text, within="main"):
        """Wait until a part of the page contains a text."""
        playwright.expect(self.page.locator(within)).to_contain_text(text, timeout=30_000)
        return self

    def enter(self):
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def download(self, name):
        with self.page.expect_download() as started:
            self.activate("link", name)  # type: ignore[attr-defined]
        return started.value


class Mouse(Page):
    """Clicks are counted; filling in a field is none, as a key is none."""

    def _within(self, form):
        return self.page.locator(f"form[aria-label^='{form}']") if form else self.page

    def activate(self, role, name, form=""):
        self.clicks += 1
        self._within(form).get_by_role(role, name=name).first.click()

    press = activate

    def choose(self, label, text):
        self.clicks += 1
        options = self.page.get_by_role("combobox", name=label, exact=True)
        value = options.locator("option").filter(has_text=text).first.get_attribute("value")
        options.select_option(value)

    def fill(self, label, text, form=""):
        self._within(form).get_by_label(label, exact=True).fill(text)


class Keyboard(Page):
    """Tab, letters, Space and Enter."""

    TAGS = {"link": "A", "button": "BUTTON"}  # noqa: RUF012

    def reach(self, tag, name, form=""):
        """Press Tab until an element has the focus, which must be visible."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            found, label, owner, outline = self.page.evaluate(FOCUSED)
            if found == tag and label.startswith(name) and owner.startswith(form):
                assert outline != "none", f"the focus on {name} cannot be seen"
                return self
        pytest.fail(f"{tag} {name} cannot be reached by Tab")

    def activate(self, role, name, form=""):
        self.reach(self.TAGS[role], name, form)
        self.page.keyboard.press("Enter")

    def press(self, role, name, form=""):
        self.reach(self.TAGS[role], name, form)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def choose(self, label, text):
        self.reach("SELECT", label)
        self.page.keyboard.type(text)

    def fill(self, label, text, form=""):
        self.reach("INPUT", label, form)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
