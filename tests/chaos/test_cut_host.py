"""A host of writers is cut from everything while it works: the other one has its work within ten
seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.wire.tasks import Finalise
from tests.chaos.site import ROLES, Site, running
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not FULL, reason="a minute; make chaos runs it"),
]
TAKEN_OVER_SECONDS, CUT_SECONDS = 10.0, 20.0
APART = ("parts-1", "finalise-1")
HOSTS = {
    name: role for name, role in ROLES.items() if name not in {"upkeep-1", "beat-1", "capture-2"}
} | {"finalise-2": ROLES["finalise-1"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(
        Site(tmp_path_factory.mktemp("cut") / "site", {"one": {}}, roles=HOSTS, apart=APART)
    ) as site:
        yield site


def newest(site: Site) -> dict[str, Any]:
    """The newest segment; nothing of it before there is one."""
    rows = site.query("SELECT * FROM video_segments ORDER BY created_at DESC LIMIT 1")
    return rows[0] if rows else {"status": "none", "id": None}


def recorded(site: Site) -> dict[str, Any]:
    """A segment that has just begun to be recorded."""
    before = newest(site)["id"]
    Traffic(site, site.history, 1).publish("one", time.time() - 0.3, "http")
    site.wait("a recording", lambda: newest(site)["id"] != before, 20)
    return newest(site)


def ready_again(site: Site, since: float) -> None:
    site.wait("the clip", lambda: newest(site)["status"] == "ready", CUT_SECONDS)
    assert time.time() - since < TAKEN_OVER_SECONDS


@pytest.mark.parametrize("after_its_end_s", [-0.2, 0.1])
def test_a_clip_that_ends_while_a_host_is_cut_off(site: Site, after_its_end_s: float) -> None:
    """Around the end its last parts and then the clip itself are offered: messages go to the host
    that is cut off.
    """
    end = recorded(site)["deadline"].timestamp()
    site.sleep(max(0.0, end + after_its_end_s - time.time()))
    with site.cut_off():
        ready_again(site, max(time.time(), end))


def test_a_message_that_the_host_took_along(site: Site) -> None:
    """Popped from the queue, and its run not begun: the database did not answer it any more."""

    def taken() -> bool:
        with site.redis("broker") as broker:
            return newest(site).get("offered_at") is not None and not broker.llen(Finalise.QUEUE)

    with site.frozen("finalise-2"):
        recorded(site)
        site.own_proxies["database"].blackhole()
        site.wait("the message to be taken", taken, 40)
    with site.cut_off():
        ready_again(site, time.time())
    assert newest(site)["offer"] == 2


def test_a_clip_whose_finaliser_is_cut_off(site: Site) -> None:
    """The host apart holds the lease; its store does not answer, so that it is in the middle when
    it is cut off.
    """
    with site.frozen("finalise-2"):
        recorded(site)
        site.own_proxies["storage"].blackhole()
        site.wait("its run", lambda: newest(site).get("lease_token"), 30)
    with site.cut_off():
        ready_again(site, time.time())
    clip = newest(site)
    assert (clip["attempts"], clip["frames_lost"]) == (2, 0)
