"""What `hydra.sweeper.notify` may be, and that no text of an address is repeated where it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from hyperherd.errors import SweepError
from hyperherd.sweep.notify_settings import EVENTS, USUAL, NotifySettings, addresses, read_notify

VARIABLE = "${oc.env:NOTIFY_URL}"


def read(written: Any) -> NotifySettings | None:
    return read_notify(OmegaConf.create({"notify": written}))


@pytest.mark.parametrize("nothing", [None, [], {"urls": []}, {"on": "all"}])
def test_nothing_asked_for_is_nothing(nothing: Any) -> None:
    assert read(nothing) is None
    assert read_notify(OmegaConf.create({})) is None


@pytest.mark.parametrize(
    ("written", "urls", "on"),
    [
        (VARIABLE, (VARIABLE,), USUAL),
        ([VARIABLE, "~/urls.txt"], (VARIABLE, "~/urls.txt"), USUAL),
        ({"urls": VARIABLE, "on": "alert"}, (VARIABLE,), {"alert"}),
        ({"urls": [VARIABLE], "on": ["finished", "new_best"]}, (VARIABLE,), {"finished", "new_best"}),
        ({"urls": "${oc.env:A,null}", "on": "all"}, ("${oc.env:A,null}",), set(EVENTS)),
        ("json://127.0.0.1:8000/", ("json://127.0.0.1:8000/",), USUAL),
        ("${oc.env:HOME}/urls.txt", ("${oc.env:HOME}/urls.txt",), USUAL),
        ("dbus://", ("dbus://",), USUAL),
    ],
)
def test_a_text_a_list_or_a_map_is_read(written: Any, urls: tuple[str, ...], on: set[str]) -> None:
    found = read(written)
    assert found is not None
    assert (found.urls, found.on) == (urls, frozenset(on))


@pytest.mark.parametrize(
    "written",
    [
        "tgram://1:ABCDEF/77",
        "slack://ABCDEF/B/C",
        "mailto://me:ABCDEF@mail.org",
        "https://hooks.slack.com/services/T/B/ABCDEF",
        "ntfy://ABCDEF",
        "json://me:ABCDEF@127.0.0.1",
        "json://ABCDEF@127.0.0.1",
        "json://127.0.0.1/ABCDEF",
        "json://127.0.0.1/?token=ABCDEF",
        "json://127.0.0.1/#ABCDEF",
        "dbus://ABCDEF",
        "json://[ABCDEF/",
        "json://${oc.env:HOST}/ABCDEF",
        "${oc.env:A,'tgram://1:ABCDEF/77'}",
        "${oc.decode:'tgram://1:ABCDEF/77'}",
        "${my.url}",
    ],
)
@pytest.mark.parametrize("shape", ["text", "list", "map"])
def test_what_may_hold_a_credential_is_refused_and_not_repeated(written: str, shape: str) -> None:
    given = {"text": written, "list": [VARIABLE, written], "map": {"urls": [written]}}[shape]
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.notify\[.\] is (the address itself|put together)") as told:
        read(given)
    assert "ABCDEF" not in str(told.value)
    assert "${oc.env:NOTIFY_URL}" in str(told.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (3, "something that is not text"),
        ([3], "something that is not text"),
        ({"url": VARIABLE}, "has no key 'url'; expected urls and on"),
        ({"urls": VARIABLE, "on": ["finish"]}, r"'finish' \(did you mean 'finished'\?\)"),
        ({"urls": VARIABLE, "on": {"finished": True}}, "expected a list of finished"),
    ],
)
def test_a_mistake_is_named(written: Any, told: str) -> None:
    with pytest.raises(SweepError, match=told):
        read(written)


def test_variables_and_files_lead_to_addresses(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("# mine\n\n json://a/secret \nxml://b\n")
    settings = read([VARIABLE, "${oc.env:FOLDER}/urls.txt", "${oc.env:NONE,null}", "json://127.0.0.1"])
    assert settings is not None
    found = addresses(settings, {"NOTIFY_URL": "tgram://x/y\nntfy://z", "FOLDER": str(tmp_path)})
    assert [one.url for one in found] == [
        "tgram://x/y",
        "ntfy://z",
        "json://a/secret",
        "xml://b",
        "json://127.0.0.1",
    ]
    assert found[0].name == "hydra.sweeper.notify[0] (address 1, tgram)"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("written", "value", "told"),
    [
        (VARIABLE, None, "the environment variable NOTIFY_URL is not set"),
        (VARIABLE, "ABCDEF", "leads to a text, number 1 there, that is not like KIND://"),
        ("nowhere.txt", None, "nowhere.txt: No such file or directory"),
        ("empty.txt", None, "empty.txt holds no address"),
        ("/", None, "Is a directory"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(
    written: str, value: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    settings = read(written)
    assert settings is not None
    with pytest.raises(SweepError, match=told) as error:
        addresses(settings, {} if value is None else {"NOTIFY_URL": value})
    assert "ABCDEF" not in str(error.value)
