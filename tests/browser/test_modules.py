"""The tests of pure modules, run by the browser: where there is no Node, they run all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from tests.support.browser import looking

pytestmark = [pytest.mark.apt, pytest.mark.real_time]

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:9"  # nobody is asked: the browser gets these files from here
# The last is of elements, which Node has not.
MODULES = [
    *sorted(f"tests/page/{path.name}" for path in (ROOT / "tests/page").glob("*.test.js")),
    "tests/browser/view.dom.js",
]
# What the tests take from Node, as far as they use it.
NODE = {
    "node:test": """
        globalThis.results = [];
        globalThis.process = {env: {}};
        export function test(name, work) {
          try { work(); results.push([name, null]); } catch (error) { results.push([name, String(error)]); }
        }
    """,
    "node:assert/strict": """
        const same = (one, other) => Object.is(one, other) || JSON.stringify(one) === JSON.stringify(other);
        const fail = (told) => { throw new Error(told); };
        export default {
          ok: (value, told = "not true") => value || fail(told),
          equal: (one, other) => Object.is(one, other) || fail(`${one} is not ${other}`),
          deepEqual: (one, other) =>
            same(one, other) || fail(`${JSON.stringify(one)} is not ${JSON.stringify(other)}`),
          throws: (work, pattern) => {
            let raised = null;
            try { work(); } catch (error) { raised = error; }
            if (!pattern.test(String(raised))) fail(`${raised} does not match`);
          },
        };
    """,
}


@pytest.mark.parametrize("name", MODULES)
def test_pure_modules(name: str, browser: Browser) -> None:
    imports = {each: f"/node/{place}.js" for place, each in enumerate(NODE)}
    sources = {f"/node/{place}.js": text for place, text in enumerate(NODE.values())}
    html = (
        f'<script type="importmap">{json.dumps({"imports": imports})}</script>'
        f'<script type="module">import "/node/0.js"; await import("/{name}");'
        " globalThis.done = true;</script>"
    )

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if path == "/":
            route.fulfill(body=html, content_type="text/html")
        else:
            body = sources.get(path) or (ROOT / path[1:]).read_text()
            route.fulfill(body=body, content_type="text/javascript")

    with looking(browser, ADDRESS) as looker:
        looker.context.route(f"{ADDRESS}/**", answer)
        looker.page.goto(f"{ADDRESS}/")
        looker.page.wait_for_function("globalThis.done === true")
        results = looker.page.evaluate("results")
    assert results
    assert [each for each in results if each[1] is not None] == []
