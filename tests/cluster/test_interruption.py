"""Ctrl-C and SIGTERM: which one is heard, and what it raises."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from raycl.cli import main as cli
from raycl.cluster import interruption, release
from raycl.cluster.interruption import (
    Interruption,
    exit_as_interruption,
    interruption_in,
    on_signals,
)


@pytest.fixture(autouse=True)
def _nothing_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_latest", [float("-inf")])


def press(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_that_comes_twice_at_once_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    with on_signals(heard.append):
        press(signal.SIGTERM)
        press(signal.SIGTERM)  # `timeout` sends it to its command, and then to the whole group
        assert heard == [signal.SIGTERM]
        monkeypatch.setattr(interruption, "SAME_SECONDS", 0.0)
        with pytest.raises(Interruption) as second:
            press(signal.SIGINT)
    assert (second.value.number, second.value.code) == (signal.SIGINT, 130)
    assert heard == [signal.SIGTERM]


def test_a_handler_that_exits_is_an_interruption_too() -> None:
    with pytest.raises(Interruption) as raised, exit_as_interruption():
        raise SystemExit(15)
    assert raised.value.code == 143


def test_the_innermost_block_hears_and_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SAME_SECONDS", 0.0)
    outer, inner = list[int](), list[int]()
    before = signal.getsignal(signal.SIGTERM)
    with on_signals(outer.append, signal.SIGTERM):
        with on_signals(inner.append):
            press(signal.SIGTERM)
        press(signal.SIGTERM)
    assert (outer, inner) == ([signal.SIGTERM], [signal.SIGTERM])
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_hears_nothing() -> None:
    entered: list[object] = []

    def enter() -> None:
        with on_signals():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_with_a_sentence_and_the_shells_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    def app(_: object) -> None:
        try:
            raise Interruption(number, "Saved: german 0–9 at step 4.")
        except KeyboardInterrupt as error:
            raise SystemExit(130) from error  # as typer does

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == code
    assert capsys.readouterr().err == (
        "Interrupted. Saved: german 0–9 at step 4. Run the same command again to go on.\n"
    )


def test_a_plain_interrupt_is_one_of_the_keyboard() -> None:
    assert interruption_in(KeyboardInterrupt()).code == 130


def test_what_is_held_is_waited_for_shortly_after_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds: list[float] = []
    monkeypatch.setattr(release, "release_everything", seconds.append)
    for error in (Interruption(), ValueError()):
        release.release_at_end(type(error), error, None)
    assert seconds == [2.0, 20.0]
