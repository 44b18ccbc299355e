"""Debian's Chromium for benchmarks, and what it is asked to note of a page from within."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.harness import Row, report

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
VIEWPORT = {"width": 1280, "height": 800}
PATIENCE_MS = 60_000
# Times are in ms since 1970, so that they compare with ours. `seen` resolves once a test holds,
# `painted` once what is in the document now is on the screen.
PROBE = """
window.bench = {
  now: () => performance.timeOrigin + performance.now(),
  frame: () => new Promise(requestAnimationFrame),
  // in a frame: once it is painted
  after: () => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(bench.now());
    port2.postMessage(0);
  }),
  painted: () => bench.frame().then(bench.after),
  seen: (test) => new Promise((done, failed) => {
    const look = () => {
      if (!test()) return;
      watch.disconnect();
      clearTimeout(late);
      done(bench.now());
    };
    const late = setTimeout(() => {
      watch.disconnect();
      failed(new Error(`never seen: ${test} ${JSON.stringify(document.querySelector("video")?.dataset)}`));
    }, 60_000);
    const watch = new MutationObserver(look);
    watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  }),
  // when the frame of a film that stands still now came: no other one follows within half a second
  still: () => new Promise((done, failed) => {
    let quiet;
    const late = setTimeout(() => failed(new Error("no frame came")), 60_000);
    const watch = new MutationObserver(() => {
      const at = bench.now();
      clearTimeout(late);
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        watch.disconnect();
        done(at);
      }, 500);
    });
    watch.observe(document, { subtree: true, attributeFilter: ["data-shown"] });
  }),
  row: (text) => [...document.querySelectorAll(".row.pass")].find((each) => each.textContent.includes(text)),
};
bench.first = bench.seen(() => bench.row("")).then(bench.painted);
bench.first.catch(() => null); // a view without passes
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that reaches this machine alone."""
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser) -> Iterator[Page]:
    """A window that knows nothing yet: an empty cache, no cookies."""
    context = browser.new_context(viewport=VIEWPORT, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(PROBE)
    try:
        yield context.new_page()
    finally:
        context.close()


def numbers(page: Page, expression: str, argument: Any = None) -> list[float]:
    """What an expression returns in the page."""
    return [float(each) for each in page.evaluate(expression, argument)]


def p95(samples: list[float]) -> float:
    """The 95th percentile; of a single sample, itself."""
    return quantiles(samples, n=20, method="inclusive")[18] if len(samples) > 1 else samples[0]


def middle(case: str, samples: list[float], reach: float, beat: float) -> list[Row]:
    """Rows of the median, which is held against what it must reach and what it should beat; its
    95th percentile beside it.
    """
    return [
        *held(case, "p50 ms", median(samples), reach, beat),
        report(case, "p95 ms", p95(samples)),
    ]


def most(case: str, samples: list[float], reach: float, beat: float) -> list[Row]:
    """As `middle`, and the 95th percentile is held."""
    return [
        report(case, "p50 ms", median(samples)),
        *held(case, "p95 ms", p95(samples), reach, beat),
    ]


def held(case: str, metric: str, value: float, reach: float, beat: float) -> list[Row]:
    """A figure against what it must reach, and against what it should beat."""
    return [
        report(case, metric, value, f"<= {reach:g}"),
        report(case, f"{metric}, to beat", value, f"<= {beat:g}"),
    ]
