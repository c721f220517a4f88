from __future__ import annotations

import datetime as dt
from typing import Any, cast

import msgspec
import pytest

from service.pages import models
from service.pages.models import Page
from service.pages.render import content_security_policy, render
from tests.pages.reading import Document
from tests.pages.samples import NOON, samples

SAMPLES = samples()
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}\u202edlrow<img src=x onerror=alert(1)>&amp;</style>"
every_page = pytest.mark.parametrize("name", SAMPLES)


def _saying(text: str, value: Any) -> Any:
    """The same page, each text in it replaced by another."""
    match value:
        case str():
            return text
        case tuple():
            return tuple(_saying(text, each) for each in value)
        case dict():
            return {_saying(text, key): _saying(text, each) for key, each in value.items()}
        case msgspec.Struct():
            fields = msgspec.structs.asdict(value)
            return type(value)(
                **{key: each if key == "methods" else _saying(text, each) for key, each in fields.items()}
            )
        case _:
            return value


def test_samples_cover_every_page() -> None:
    """No kind of page goes without these tests."""
    kinds = {kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, Page)} - {Page}
    assert {type(page) for page in SAMPLES.values()} == kinds


@every_page
def test_nothing_that_others_say_becomes_markup(name: str) -> None:
    """With hostile text in every field a page has the elements that it has with a harmless one, and shows the text."""
    page = SAMPLES[name]
    harmless, hostile = (Document(render(_saying(text, page))) for text in ("x", HOSTILE))
    assert _shape(hostile) == _shape(harmless)
    assert "49" not in hostile.elements[0].text
    assert HOSTILE in {value for element in hostile.elements for value in (element.text, *element.attributes.values())}


def _shape(document: Document) -> list[tuple[str, list[str]]]:
    return [(element.tag, sorted(element.attributes)) for element in document.elements]


@every_page
def test_a_page_says_what_it_is(name: str) -> None:
    """Language, title, one main heading first, one main region, and a viewport that lets people zoom."""
    document = Document(render(SAMPLES[name]))
    (html,) = document.all("html")
    (title,) = document.all("title")
    (heading,) = document.all("h1")
    (viewport,) = [one for one in document.all("meta") if one.attributes.get("name") == "viewport"]
    assert html.attributes["lang"] == "en"
    assert title.text.endswith("Tallystick")
    assert heading.text.strip()
    assert len(document.all("main")) == 1
    assert viewport.attributes["content"] == "width=device-width, initial-scale=1"
    levels = [int(element.tag[1]) for element in document.all("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))


@every_page
def test_every_field_has_a_label(name: str) -> None:
    """What is seen of a form has a label of its own; ids are used once, and what refers to one finds it."""
    document = Document(render(SAMPLES[name]))
    ids = [element.attributes["id"] for element in document.elements if "id" in element.attributes]
    labels = {label.attributes["for"]: label.text for label in document.all("label")}
    seen = [field for field in document.all("input") if not _is_hidden(field.attributes)]
    references = [
        element.attributes[name].split()
        for element in document.elements
        for name in ("aria-describedby", "aria-labelledby")
        if name in element.attributes
    ]
    assert len(ids) == len(set(ids))
    assert set(labels) == {field.attributes["id"] for field in seen}
    assert all(text.strip() for text in labels.values())
    assert {one for reference in references for one in reference} <= set(ids)
    assert all(button.text.strip() for button in document.all("button"))


def _is_hidden(attributes: dict[str, str]) -> bool:
    return attributes.get("type") == "hidden" or "hidden" in attributes


@every_page
def test_every_form_of_ours_is_a_post_with_the_token(name: str) -> None:
    """A form posts to this server with the page's token; the one form that goes elsewhere carries none."""
    page = SAMPLES[name]
    document = Document(render(page))
    for number, element in enumerate(document.elements):
        if element.tag != "form":
            continue
        tokens = [one.attributes["value"] for one in document.in_form(number) if one.attributes.get("name") == "csrf"]
        ours = element.attributes["action"].startswith("/")
        assert element.attributes["method"] == "post"
        assert tokens == ([cast(Any, page).csrf] if ours else [])
        assert ours or isinstance(page, models.FormPostPage)


@every_page
def test_nothing_is_inline(name: str) -> None:
    """No script, style or handler stands in a page: the policy would not run it."""
    document = Document(render(SAMPLES[name]))
    attributes = {attribute for element in document.elements for attribute in element.attributes}
    assert not document.all("style", "iframe", "object", "embed", "base")
    assert all(script.attributes["src"].startswith("/assets/") and not script.text for script in document.all("script"))
    assert {attribute for attribute in attributes if attribute.startswith("on") or attribute == "style"} == set()


@every_page
def test_a_page_that_runs_a_script_may(name: str) -> None:
    """The policy allows our own scripts where there are any, and nowhere else."""
    page = SAMPLES[name]
    policy = content_security_policy(page)
    if Document(render(page)).all("script"):
        assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")


def test_policy_names_where_forms_may_lead() -> None:
    """Beside this server only what the page says."""
    page = models.ConsentPage(
        csrf="c",
        request="r",
        client_name="Ledger",
        account_name="zoe",
        groups=(),
        returns_to="ledger.example.com",
        form_action=("https://ledger.example.com",),
    )
    assert content_security_policy(page) == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self' https://ledger.example.com; frame-ancestors 'none'; base-uri 'none'"
    )


def test_what_is_new_is_said_in_words() -> None:
    """Where something was allowed before, a scope that was not is marked; on the first time nothing is."""
    again = [one.text for one in Document(render(SAMPLES["consent_again"])).all("strong")]
    first = [one.text for one in Document(render(SAMPLES["consent"])).all("strong")]
    assert (again, first) == (["new", "new"], [])


def test_consent_says_who_asks_for_what_and_where_the_answer_goes() -> None:
    """The client, each scope by its description and its name, the API, the account and the host that is answered."""
    (main,) = Document(render(SAMPLES["consent"])).all("main")
    for text in (
        "Ledger",
        "Read the users",
        "users:read",
        "https://users.example.com/api",
        "Signed in as zoe",
        "ledger.example.com",
    ):
        assert text in main.text


def test_times_are_for_people_and_programs() -> None:
    """A time is written out in UTC, and marked up as one."""
    times = Document(render(SAMPLES["device_confirm"])).all("time")
    assert [(one.text, one.attributes["datetime"]) for one in times] == [
        ("1 January 2026, 12:00 UTC", dt.datetime.fromtimestamp(NOON, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    ]


def test_passkeys_wait_for_their_script() -> None:
    """Without scripts the forms of passkeys are not seen, and nothing else is lost."""
    for name in ("sign_in", "second_factor", "account"):
        forms = [form for form in Document(render(SAMPLES[name])).all("form") if "data-passkey" in form.attributes]
        assert [("hidden" in form.attributes) for form in forms] == [True]


def test_the_picture_of_a_key_cannot_run() -> None:
    """A drawing is shown as a picture, not as a part of the page, whatever is in it."""
    page = models.TotpPage(csrf="c", state="s", secret="k", qr_svg="<svg><script>alert(1)</script></svg>")
    (picture,) = [one for one in Document(render(page)).all("img") if "QR" in one.attributes["alt"]]
    assert picture.attributes["src"].startswith("data:image/svg+xml;base64,")
