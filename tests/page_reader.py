"""Reads our pages as a browser without JavaScript does: what the form would send, and what refers to what."""

from __future__ import annotations

from html.parser import HTMLParser

Tag = dict[str, str]


class PageReader(HTMLParser):
    """`fields` is what the page's last form sends as it stands; `tags` every element, in order, its name under `<`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.fields: dict[str, list[str]] = {}
        self._name = ""  # of the select or textarea that is open
        self._area: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs} | {"<": tag}
        self.tags.append(have)
        match tag:
            case "form":
                self.fields = {}
            case "input" if have.get("type") not in ("checkbox", "radio") or "checked" in have:
                self._send(have["name"], have.get("value", ""))
            case "select":
                self._name = have["name"]
            case "option" if self._name not in self.fields or "selected" in have:
                self.fields[self._name] = [have.get("value", "")]
            case "textarea":
                self._name, self._area = have["name"], []

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            self._send(self._name, "".join(self._area).removeprefix("\n").replace("\n", "\r\n"))
            self._area = None
        if tag == "select":
            self._name = ""

    def _send(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)

    def all(self, tag: str, **attributes: str) -> list[Tag]:
        return [have for have in self.tags if have["<"] == tag and attributes.items() <= have.items()]

    @property
    def ids(self) -> list[str]:
        return [have["id"] for have in self.tags if "id" in have]
