"""The page in a real browser: one session for all, the report as a file and a server that lives."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from raycl.watch.page.render import render
from tests.watch.made_snapshot import Json, made_snapshot, made_sweep
from tests.watch.page_browser import (
    FAINT_TEXT,
    SMALL_TARGETS,
    TOO_WIDE,
    VIEWS,
    columns_of,
    look_as,
    open_browser,
    save_page,
    show_view,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
SHARES = ["0%", "1%", "5%", "25%", "50%"]
RATES = [1e-3, 3e-3, 6e-3]
GRID: dict[str, Sequence[object]] = {"german.replay": SHARES, "german.schedule.max_lr": RATES}
PLANTED = "<img src=x onerror='window.planted=1'><b>bold</b>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("browser")) as session:
        yield session
        assert errors(session) == []


def errors(browser: Any) -> list[str]:
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def report(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser, in which a report of three sweeps is open."""
    three = GRID | {"german.schedule.warmup": ["0.5%", "2%"]}
    grid = made_sweep("grid", GRID, running=True)
    recipes = grid["recipes"]
    assert isinstance(recipes, list)
    recipes[0]["label"] = PLANTED
    seeds = made_sweep("seeds", {"german.replay": SHARES}, seeds=3)
    snapshot = made_snapshot(grid, seeds, made_sweep("three", three))
    snapshot["damaged"] = [f"{PLANTED}: cut short. Remove the file"]
    look_as(browser, 1400, "light")
    browser.get(save_page(tmp_path_factory.mktemp("page"), render(snapshot)))
    return browser


def test_each_view_shows_its_parts(report: Any) -> None:
    chosen = json.dumps(["grid/union", "seeds/replay 5%, seed 1"])
    parts = {
        "view=overview": (
            ".headline",
            ".points [data-kind=warning]",
            ".tile",
            ".figure .main-svg",
            ".sweeps li",
        ),
        "view=tree&node=grid-0012": (".tree li", ".node .problem", ".lineage a", ".log li"),
        "view=runs": (".runs tbody tr", "td.best", "tr.baseline", "td small.error", ".hints"),
        "view=curves": (".figures .figure .scatterlayer .trace", ".legend li"),
        "view=curves&sweep=seeds": (".figures .figure .scatterlayer .fills path",),
        "view=fields&sweep=seeds": (".errorbars, .errorbar",),
        "view=fields&sweep=grid": (".heatmaplayer .hm", ".legend .front"),
        "view=fields&sweep=three": ('[data-key="parallel"] .trace', ".figure .main-svg"),
        f"view=compare&runs={chosen}": (".compare tbody tr", ".compare .gap", ".figure .trace"),
        "view=facts": (".damaged li", ".facts dl", ".command pre"),
    }
    for fragment, selectors in parts.items():
        show_view(report, fragment)
        for selector in selectors:
            find = "return document.querySelectorAll(arguments[0]).length"
            assert report.execute_script(find, "#main " + selector), (fragment, selector)
        if "compare" in fragment:
            words = report.execute_script("return document.querySelector('.compare').textContent")
            assert "training rows readenglish6,4006,400" in words
    assert errors(report) == []


def test_a_click_on_a_bar_of_the_tree_shows_its_node(report: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    show_view(report, "view=overview&sweep=seeds")
    bar = report.find_elements("css selector", ".figure .bars .point path")[-1]

    def clicked(session: Any) -> bool:
        ActionChains(session).move_to_element(bar).click().perform()
        return "node=seeds-" in session.current_url

    WebDriverWait(report, 20, 0.2).until(clicked)
    assert report.execute_script("return document.querySelector('.node h2') !== null")


def test_text_of_a_storage_stays_text(report: Any) -> None:
    for view in VIEWS:
        show_view(report, f"view={view}&sweep=grid")
        assert report.execute_script("return document.images.length") == 0
    assert report.execute_script("return window.planted") is None
    show_view(report, "view=runs")
    assert PLANTED in columns_of(report, 0)


def test_runs_are_sorted_filtered_and_grouped(report: Any) -> None:
    show_view(report, "view=runs&sweep=grid&sort=loss/german&dir=up&status=finished")
    losses = [float(text.split(" ± ")[0]) for text in columns_of(report, 4)]
    assert losses == sorted(losses)
    assert len(losses) == 13
    show_view(report, "view=runs&f.german.replay=1%..25%&f.german.schedule.max_lr=>=3e-3")
    assert columns_of(report, 1) == ["1%", "1%", "5%", "5%", "25%", "25%"]
    hints = "return document.querySelector('.hints').textContent"
    assert "on 64 validation rows. Change: what it means. ± beside a run" in (
        report.execute_script(hints)
    )
    show_view(report, "view=runs&group=f.german.replay")
    assert "± beside a group: standard deviation" in report.execute_script(hints)
    assert columns_of(report, 0) == [*SHARES, "baselines"]
    assert " ± " in columns_of(report, 3)[0]
    show_view(report, "view=runs&unit=bits&status=finished")
    assert float(columns_of(report, 3)[-1]) < 2
    show_view(report, "view=runs&sweep=seeds")
    assert columns_of(report, 0)[:2] == ["replay 0%", "replay 1%"]


def test_the_keyboard_alone_sorts_chooses_and_walks_through_the_tree(report: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    def focus(key: str) -> Any:
        script = "document.querySelector(`[data-key='${arguments[0]}']`).focus()"
        report.execute_script(script, key)
        return report.switch_to.active_element

    show_view(report, "view=overview&sweep=three")
    focus("tab:overview").send_keys(Keys.ARROW_RIGHT, Keys.NULL)
    report.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert report.switch_to.active_element.get_attribute("aria-selected") == "true"
    assert report.switch_to.active_element.text == "Runs"
    focus("sort:average").send_keys(Keys.ENTER)
    report.switch_to.active_element.send_keys(Keys.ENTER)
    head = report.switch_to.active_element.find_element("xpath", "..")
    assert head.get_attribute("aria-sort") == "descending", "the focus stays on the header"
    first = columns_of(report, 0)[0]
    focus(f"pick:three/{first}").send_keys(Keys.SPACE)
    assert report.execute_script("return location.hash").count("runs=")
    show_view(report, "view=tree&sweep=three")
    focus("node:three-root-0").send_keys(Keys.ARROW_DOWN)
    report.switch_to.active_element.send_keys(Keys.ENTER)
    assert (
        report.execute_script("return document.querySelectorAll('.node .lineage li').length") == 2
    )
    focus("node:three-root-0").send_keys(Keys.ARROW_LEFT)
    assert report.switch_to.active_element.get_attribute("aria-expanded") == "false"
    assert report.execute_script("return document.querySelectorAll('.tree li').length") == 3
    report.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)


@pytest.mark.parametrize(("width", "mode"), [(390, "dark"), (1400, "light"), (1400, "dark")])
def test_text_can_be_read_and_nothing_overflows(report: Any, width: int, mode: str) -> None:
    look_as(report, width, mode)
    for view in VIEWS:
        show_view(report, f"view={view}&sweep=grid&node=grid-0012")
        assert report.execute_script(FAINT_TEXT) == [], view
        assert report.execute_script(TOO_WIDE) == [], view
        assert report.execute_script(SMALL_TARGETS) == [], view


def test_a_thousand_nodes_stay_quick(browser: Any, tmp_path: Path) -> None:
    fields: dict[str, Sequence[object]] = {
        "german.replay": [f"{place}%" for place in range(20)],
        "german.schedule.max_lr": [place * 1e-4 for place in range(1, 51)],
    }
    look_as(browser, 1400, "light")
    browser.get(save_page(tmp_path, render(made_snapshot(made_sweep("big", fields)))))
    took = """const begun = performance.now(); location.hash = arguments[0];
      dispatchEvent(new HashChangeEvent('hashchange')); document.body.offsetHeight;
      return performance.now() - begun;"""
    for fragment in ("view=tree", "view=runs", "view=runs&q=replay+7%25", "view=fields"):
        milliseconds = browser.execute_script(took, fragment)
        print(fragment, round(milliseconds))
        assert milliseconds < 8000, fragment  # a machine with nothing else to do takes a tenth
    show_view(browser, "view=runs&q=replay 7%25")
    assert len(columns_of(browser, 0)) == 100  # 7 % and 17 %, each with 50 rates
    show_view(browser, "view=tree")
    rows = "return document.querySelectorAll('.tree li').length"
    assert browser.execute_script(rows) == 200
    browser.execute_script("document.querySelector('[data-key=\"more:nodes\"]').click()")
    assert browser.execute_script(rows) == 1003


@pytest.fixture
def server() -> Iterator[tuple[str, Json, list[Json]]]:
    """The address of a server of the page, what it serves, and what it was asked to steer."""
    from aiohttp import web

    served: Json = {"page": render(None)}
    asked: list[Json] = []
    loop = asyncio.new_event_loop()

    async def page(_: Any) -> web.Response:
        return web.Response(body=served["page"], content_type="text/html")

    async def snapshot(request: web.Request) -> web.Response:
        if "gone" in served:
            return web.Response(status=503)
        text = json.dumps(served["snapshot"])
        etag = f'"{hash(text)}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(text=text, content_type="application/json", headers={"ETag": etag})

    async def nodes(request: web.Request) -> web.Response:
        names = request.query["names"].split(",")
        known = {part: served[part] for part in ("curves", "logs")}
        return web.json_response(
            {part: {n: v[n] for n in names if n in v} for part, v in known.items()}  # type: ignore[index, operator]
        )

    async def steer(request: web.Request) -> web.Response:
        if request.headers.get("X-Raycl-Token") != "a token":
            return web.json_response({"error": "no token"}, status=403)
        asked.append(await request.json())
        return web.json_response({"answers": [{"node": "n", "text": "It pauses soon."}]})

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/api/snapshot", snapshot)])
    app.add_routes([web.get("/api/nodes", nodes), web.post("/api/steer", steer)])
    runner = web.AppRunner(app)

    async def begin() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    port = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/", served, asked
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def serve(served: Json, step: int) -> None:
    """A running sweep whose training node has come to this step."""
    sweep = made_sweep("grid", GRID, running=True)
    nodes = sweep["nodes"]
    assert isinstance(nodes, list)
    training = next(node for node in nodes if node["status"] == "training")
    training["step"] = step
    whole = made_snapshot(sweep, live=True)
    served["curves"], served["logs"] = whole.pop("curves"), whole.pop("logs")
    served["snapshot"] = whole


def test_the_page_follows_a_sweep_that_trains_and_steers_it(
    browser: Any, server: tuple[str, Json, list[Json]]
) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    address, served, asked = server
    serve(served, 700)
    look_as(browser, 1400, "light")

    def until(script: str) -> None:
        def holds(session: Any) -> bool:
            return bool(session.execute_script("return " + script))

        WebDriverWait(browser, 30, 0.1).until(holds, script)

    said = "document.querySelector('.node dd')?.textContent.includes('now at %s')"
    ends = "Math.max(...(document.querySelector('.node .figure')?.data?.[0]?.x || [0])) === %d"
    browser.get(address + "#token=a+token&view=tree&node=grid-0014")
    until(said % "700")
    until(ends % 700)
    serve(served, 900)
    until(said % "900")
    until(ends % 900)
    browser.execute_script("document.querySelector('[data-key=\"steer:pause\"]').click()")
    until("document.querySelector('.node .answer')?.textContent === 'It pauses soon.'")
    assert "token" not in browser.current_url, "a link to a view gives no rights"
    assert asked == [{"action": "pause", "nodes": ["grid-0014"], "note": ""}]
    served["gone"] = True
    until("document.querySelector('.live.gone') !== null")
    until("document.querySelectorAll('.tree li').length === 18")
    del served["gone"]
    until("document.querySelector('.live.on') !== null")
    messages = [line for line in errors(browser) if "503" not in line]
    assert messages == [], "only the answer 503 is told in the console"
