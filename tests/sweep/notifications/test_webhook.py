"""Messages reach a real server, and the URL that leads there is nowhere to be read."""

from __future__ import annotations

from functools import partial

import pytest

from raycl.errors import InputError
from raycl.sweep.notifications.webhook import Webhook, webhook_url
from tests.helpers.webhooks import web_hook


@pytest.mark.server
def test_messages_arrive_in_order_though_the_server_fails_once() -> None:
    told: list[str] = []
    with web_hook(503) as hook:
        webhook = Webhook(hook.url, told.append, waits=(0.0,))
        for text in ("first", "second"):
            webhook.post(partial(dict, text=text))
        webhook.post(lambda: None)
        webhook.close()
    assert hook.posted == [
        ("/services/SECRET", {"text": "first"}),
        ("/services/SECRET", {"text": "second"}),
    ]
    assert told == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "asked"), [(404, 1), (302, 1), (500, 2)], ids=["gone", "redirected", "broken"]
)
def test_what_is_not_taken_is_told_once_without_the_url(answer: int, asked: int) -> None:
    told: list[str] = []
    with web_hook(*([answer] * asked * 2)) as hook:
        webhook = Webhook(hook.url, told.append, waits=(0.0,))
        webhook.post(lambda: {"text": "first"})
        webhook.post(lambda: {"text": "second"})
        webhook.close()
    assert hook.asked == 2 * asked
    assert told == [f"notify: the webhook did not take a message (it answered {answer})"]


@pytest.mark.server
def test_a_server_that_is_not_there() -> None:
    with web_hook() as hook:
        pass
    told: list[str] = []
    webhook = Webhook(hook.url, told.append, waits=())
    webhook.post(lambda: {"text": "first"})
    webhook.post(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    webhook.close()
    (sentence,) = told
    assert sentence.endswith("(it could not be reached: ConnectionRefusedError)")
    assert "SECRET" not in sentence
    assert "127.0.0.1" not in sentence


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "no such variable"),
        ("", "no such variable"),
        ("file:///etc/SECRET", "no http:// or https:// URL"),
        ("hooks.example/SECRET", "no http:// or https:// URL"),
        ("https://[SECRET", "no http:// or https:// URL"),
    ],
)
def test_a_variable_without_a_url(
    monkeypatch: pytest.MonkeyPatch, value: str | None, problem: str
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK", value)
    with pytest.raises(InputError, match=problem) as raised:
        webhook_url("HOOK")
    assert "SECRET" not in str(raised.value)
