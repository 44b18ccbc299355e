"""Many hosts: links are cut and healed one by one, servers are far away, hosts go and others come;
what was recorded is held against the promises.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.checker import check, quiet
from tests.chaos.endure import Row, recovery
from tests.chaos.hosts import Hosts, NotAllowed, network
from tests.chaos.site import ROLES, Site
from tests.chaos.spread import Spread
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL
from tests.support.cluster import Cluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.apt
PARTS = ["worker", "--queues", "parts", "--concurrency", "1"]
SPREAD = {
    "capture-1": ["capture"],
    "capture-2": ["capture"],
    "dispatch-1": ["dispatch"],
    "dispatch-2": ["dispatch"],
    "parts-1": PARTS,
    "parts-2": PARTS,
    "parts-3": PARTS,
    "finalise-1": ROLES["finalise-1"],
    "finalise-2": ROLES["finalise-1"],
    "upkeep-1": ROLES["upkeep-1"],
    "beat-1": ["beat"],
    "api-1": ["api"],
    "api-2": ["api"],
}
CUT_SECONDS, SETTLE_SECONDS, FAR_SECONDS = 8.0, 3.0, 20.0
FAR_AWAY_SECONDS = 0.05  # each way
Told = Callable[[Row], None]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    try:
        with network() as made:
            yield made
    except NotAllowed as error:
        pytest.skip(f"network namespaces are not allowed here: {error}")
    except FileNotFoundError:
        pytest.skip("ip is not installed (apt-get install iproute2)")


def test_a_host_that_is_cut_off_is_reached_again(hosts: Hosts) -> None:
    """The network itself, without a site."""
    address = hosts.add("echo")
    program = (
        "import socket,sys; s=socket.create_server((sys.argv[1], 7000));\nwhile True:\n"
        " c,_=s.accept(); c.sendall(b'here'); c.close()"
    )
    argv = ["ip", "netns", "exec", hosts.namespace("echo"), sys.executable, "-c", program, address]
    server = subprocess.Popen(argv)

    def answers() -> bool:
        try:
            with socket.create_connection((address, 7000), timeout=0.5) as client:
                return client.recv(4) == b"here"
        except OSError:
            return False

    try:
        wait_until("an answer", answers, 30)
        with hosts.cut("echo"):
            assert not answers()
        wait_until("an answer again", answers, 30)
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def site(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    cameras = Cluster(Path(), []).cameras(1)
    site = Spread(
        tmp_path_factory.mktemp("spread") / "site",
        {**{name: {} for name in cameras}, "probe": {}},
        roles=dict(SPREAD),
        hosts=hosts,
    )
    try:
        site.start()
        site.wait_frames(8)
        yield site
    finally:
        site.close()


def judged(site: Site, since: float, row: Row, told: Told) -> None:
    quiet(site, 240)
    row.take(check(site, site.history.acknowledged(since), since))
    told(row)


@pytest.mark.timeout(1200)
@pytest.mark.skipif(not FULL, reason="minutes; make chaos runs it")
class TestManyHosts:
    """In order: the last one takes hosts away for good."""

    @pytest.mark.parametrize(
        "group",
        [
            ("broker", "postgres", "s3"),
            ("frames-1", "frames-2", "frames-3"),
            ("capture-1", "capture-2", "dispatch-1", "dispatch-2"),
            ("parts-1", "parts-2", "parts-3", "finalise-1"),
        ],
        ids=["servers", "frames", "cameras", "writers"],
    )
    def test_links_are_cut_one_by_one(
        self, site: Spread, told: Told, group: tuple[str, ...]
    ) -> None:
        site.wait_steady(5)
        since, row = time.time(), Row(key="F31", fault=f"links cut: {', '.join(group)}")
        with Traffic(site, site.history, 20, ("http",)) as traffic:
            for host in group:
                site.sleep(SETTLE_SECONDS)
                with site.hosts.cut(host):
                    site.sleep(CUT_SECONDS)
                row.injected += 1
                row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
        judged(site, since, row, told)

    @pytest.mark.parametrize("server", ["broker", "database", "storage"])
    def test_a_server_is_a_tenth_of_a_second_away(
        self, site: Spread, told: Told, server: str
    ) -> None:
        site.wait_steady(5)
        since, row = time.time(), Row(key="F32", fault=f"100 ms to the {server}", injected=1)
        site.proxies[server].slow(FAR_AWAY_SECONDS)
        try:
            with Traffic(site, site.history, 21) as traffic:
                site.sleep(FAR_SECONDS)
                row.slowest_recovery_s = recovery(site, traffic)
        finally:
            site.proxies[server].slow()
        judged(site, since, row, told)
        assert row.frames_lost == 0

    def test_hosts_go_and_others_come(self, site: Spread, told: Told) -> None:
        site.wait_steady(5)
        since, row = time.time(), Row(key="F33", fault="hosts go for good, writers come")
        with Traffic(site, site.history, 22) as traffic:
            for name in ("dispatch-1", "parts-1", "finalise-1", "capture-1"):
                site.sleep(SETTLE_SECONDS)
                site.members[name].wanted = False
                site.kill_tree(name)
                row.injected += 1
                row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            for name in ("parts-4", "parts-5", "finalise-3"):
                site.start_role(name, PARTS if name[0] == "p" else ROLES["finalise-1"])
            site.roles = {**site.roles, **dict.fromkeys(("parts-4", "parts-5"), PARTS)}
            site.roles = {**site.roles, "finalise-3": ROLES["finalise-1"]}
            site.sleep(CUT_SECONDS)
            row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
        judged(site, since, row, told)
