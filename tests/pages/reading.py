"""A page's HTML as a list of elements, enough to say what a browser would make of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

_VOID = frozenset({"input", "meta", "link", "img", "br", "hr"})


class Element(NamedTuple):
    """An element: its name, attributes, the text in it, and the number of the form that it stands in, if any."""

    tag: str
    attributes: dict[str, str]
    text: str
    form: int | None


class Document(HTMLParser):
    """Reads HTML. An element that is not closed, or closed twice, is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[int] = []
        self._form: int | None = None
        self.feed(html)
        self.close()
        assert not self._open, [self.elements[index].tag for index in self._open]

    def all(self, *tags: str) -> list[Element]:
        """The elements of these names, in order."""
        return [element for element in self.elements if element.tag in tags]

    def in_form(self, number: int) -> list[Element]:
        """What stands in a form, the form itself first."""
        return [element for element in self.elements if element.form == number]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        if tag == "form":
            assert self._form is None, "a form in a form"
            self._form = len(self.elements)
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, "", self._form))
        if tag not in _VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        """Close the element."""
        last = self.elements[self._open.pop()].tag
        assert last == tag, f"</{tag}> where </{last}> must be"
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        """Text belongs to every element that is open."""
        for index in self._open:
            element = self.elements[index]
            self.elements[index] = element._replace(text=element.text + data)
