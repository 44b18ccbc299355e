"""The frames on a Redis Cluster of three real servers; a node that is lost costs its own cameras
alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis

from services.capture.leases import Ownership
from services.capture.loop import CameraPlan, Capture, CapturePorts
from shared.adapters.clock import SystemClock
from shared.adapters.redis.camera_buffers import CameraBuffers
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.parking import RedisParking
from shared.adapters.redis.servers import FrameServers, frame_servers, ping
from shared.domain.errors import PartlyAway, Retryable
from shared.domain.media import Frame, PacketMark
from shared.domain.ports import BufferLimits
from shared.wire.keys import Keys
from tests.support.cluster import Cluster, running_cluster
from tests.support.numbers import number_of_jpeg
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real_time
LIMITS = BufferLimits(keep_ms=600_000, cap_ms=600_000, max_bytes=100_000_000)
AWAY_SECONDS = 5
JPEG = b"\xff\xd8" + bytes(5000) + b"\xff\xd9"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def servers_of(cluster: Cluster) -> Iterator[FrameServers]:
    with frame_servers(cluster.url, patience_s=1.0) as servers:
        yield servers


def frames(camera: str, first: int, count: int) -> list[Frame]:
    return [
        Frame(camera_id=camera, captured_ms=1000 + n * 100, data=JPEG, counter=n, run_id="run")
        for n in range(first, first + count)
    ]


def test_one_batch_goes_to_every_node(cluster: Cluster, servers_of: FrameServers) -> None:
    cameras = cluster.cameras(2)
    buffer = RedisFrames(servers_of, Keys())
    batch = [frame for camera in cameras for frame in frames(camera, 0, 10)]
    assert all(answer.stored for answer in buffer.append(batch, dict.fromkeys(cameras, LIMITS)))
    bounds = buffer.bounds(cameras)
    assert {(b.oldest_ms, b.newest_ms) for b in bounds.values()} == {(1000, 1900)}
    assert len(bounds) == 6
    assert not bounds.away
    for node in range(3):
        with cluster.client(node) as client:
            assert client.dbsize() == 2
    assert [frame.counter for frame in buffer.read(cameras[3], 0, 10**6)] == list(range(10))
    mark = buffer.mark_before(cameras[3], 1500)
    assert mark is not None
    assert mark.counter == 4
    ping(servers_of)


def test_every_key_of_a_camera_is_on_its_node(cluster: Cluster, servers_of: FrameServers) -> None:
    """Frames, holds, lease, state and parked parts go and stay together."""
    keys = Keys()
    buffer, cameras, parking = (
        RedisFrames(servers_of, keys),
        RedisCameras(servers_of, keys),
        RedisParking(servers_of, keys),
    )
    for camera in cluster.cameras(1):
        buffer.append(frames(camera, 0, 1), {camera: LIMITS})
        buffer.hold(camera, {"segment": 1000})
        assert cameras.acquire(camera, "me", 30)
        cameras.report(camera, {"state": "connected"})
        assert parking.park(camera, "part", b"packets", 10_000)
        with cluster.client(cluster.node_of(camera)) as client:
            found = {key.decode() for key in client.keys(f"*{{{camera}}}")}
        assert found == {
            keys.frames(camera), keys.holds(camera), keys.lease(camera), keys.camera(camera), keys.parked(camera)
        }  # fmt: skip
        assert parking.parked(camera, "part") == b"packets"
        assert buffer.holds(camera) == {"segment": 1000}
    assert cameras.enrol("me", 3) == 1


def test_a_lost_node_is_told_apart_from_cameras_without_frames(
    cluster: Cluster, servers_of: FrameServers
) -> None:
    cameras = cluster.cameras(1)
    buffer = RedisFrames(servers_of, Keys())
    batch = [frame for camera in cameras for frame in frames(camera, 0, 5)]
    buffer.append(batch, dict.fromkeys(cameras, LIMITS))
    cluster.kill(1)
    later = [frame for camera in cameras for frame in frames(camera, 5, 5)]
    answers = buffer.append(later, dict.fromkeys(cameras, LIMITS))
    assert {(a.frame.camera_id, a.stored, a.waits) for a in answers} == {
        (cameras[0], True, False), (cameras[1], False, True), (cameras[2], True, False)
    }  # fmt: skip
    bounds = buffer.bounds([*cameras, "nobody"])
    assert bounds.away >= {cameras[1]}
    assert cameras[1] not in bounds
    with pytest.raises(PartlyAway):
        buffer.newest(cameras[1])
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(PartlyAway):
            buffer.newest(cameras[1])
    assert time.monotonic() - began < 15  # not a time-out each
    with pytest.raises(Retryable):
        ping(servers_of)
    cluster.start(1)
    wait_until("the node", lambda: _appends(buffer, frames(cameras[1], 10, 1)))


def test_a_lost_node_does_not_hold_up_the_packets_of_another(
    cluster: Cluster, servers_of: FrameServers
) -> None:
    """One batch: pictures for the lost node, packets of a copied camera for one that lives."""
    lost, copied = cluster.cameras(1)[:2]
    buffers = CameraBuffers(
        RedisFrames(servers_of, Keys()),
        RedisPackets(servers_of, Keys()),
        lambda camera: camera == copied,
    )
    ping(servers_of)  # the table of slots is known from here on
    cluster.kill(cluster.node_of(lost))
    packet = Frame(
        camera_id=copied,
        captured_ms=1000,
        data=JPEG,
        counter=0,
        run_id="run",
        packet=PacketMark(keyframe=True, shown_ms=1000, parameters="h264:1"),
    )
    answers = buffers.append([*frames(lost, 0, 2), packet], dict.fromkeys((lost, copied), LIMITS))
    assert [(answer.frame.camera_id, answer.stored, answer.waits) for answer in answers] == [
        (lost, False, True), (lost, False, True), (copied, True, False)
    ]  # fmt: skip
    assert buffers.newest(copied) == packet


def _appends(buffer: RedisFrames, batch: list[Frame]) -> bool:
    try:
        return all(answer.stored for answer in buffer.append(batch, {batch[0].camera_id: LIMITS}))
    except Retryable:
        return False


def test_a_cluster_that_is_not_there_is_waited_for() -> None:
    with (
        frame_servers("redis+cluster://127.0.0.1:1/0", patience_s=0.5) as servers,
        pytest.raises(Retryable),
    ):
        RedisFrames(servers, Keys()).newest("cam")


def test_capture_goes_on_for_the_cameras_of_the_other_nodes(cluster: Cluster) -> None:
    """A node is killed and comes back empty: four cameras lack nothing, two go on.

    Nobody's outbox overflows: it is as long as a busy machine may let it grow.
    """
    cameras = cluster.cameras(2)
    clock = SystemClock()
    with (
        frame_servers(cluster.url, patience_s=2.0) as writing,
        frame_servers(cluster.url, patience_s=1.0) as leasing,
    ):
        buffer, states = RedisFrames(writing, Keys()), RedisCameras(leasing, Keys())
        plan = CameraPlan(
            source="synthetic:numbered?fps=10&size=320x180",
            fps=10,
            jpeg_quality=85,
            limits=LIMITS,
            outbox_ms=20_000,
        )
        ownership = Ownership(
            leases=states,
            clock=clock,
            owner="me",
            cameras=cameras,
            server_ms=buffer.server_ms,
            recorded=lambda _: False,
        )
        rounds: list[float] = []
        capture = Capture(
            dict.fromkeys(cameras, plan),
            CapturePorts(
                frames=buffer,
                states=states,
                clock=clock,
                alive=lambda: rounds.append(time.monotonic()),
            ),
            ownership,
        )
        stopping = threading.Event()
        thread = threading.Thread(target=capture.run, args=(stopping,))
        thread.start()
        try:
            with frame_servers(cluster.url, patience_s=20.0) as looking:
                seen, lost, others = RedisFrames(looking, Keys()), cameras[4:], cameras[:4]
                began_ms = clock.now_ms()
                wait_until("frames", lambda: _captured_after(began_ms, seen, cameras))
                cluster.kill(2)
                killed_ms, killed_s = clock.now_ms(), time.monotonic()
                wait_until("a sign of life", lambda: rounds[-1] > killed_s + AWAY_SECONDS)
                away_ms = killed_ms + AWAY_SECONDS * 1000
                wait_until("frames of the others", lambda: _captured_after(away_ms, seen, others))
                cluster.start(2)
                back_ms = clock.now_ms()
                wait_until("frames of all", lambda: _captured_after(back_ms, seen, cameras))
                for camera in cameras:
                    found = list(seen.read(camera, 0, clock.now_ms() + 60_000))
                    assert [number_of_jpeg(f.data) for f in found] == [f.counter for f in found]
                    runs = {f.run_id for f in found}
                    holes = [
                        b.counter - a.counter
                        for a, b in pairwise(found)
                        if b.counter != a.counter + 1
                    ]
                    assert found[-1].captured_ms > back_ms
                    if camera not in lost:
                        assert len(runs) == 1
                        assert not holes
                        assert found[0].captured_ms < killed_ms
        finally:
            stopping.set()
            thread.join()


def _captured_after(moment_ms: int, buffer: RedisFrames, cameras: list[str]) -> bool:
    """Whether every camera's newest frame is younger than that."""
    try:
        bounds = buffer.bounds(cameras)
    except (Retryable, redis.RedisError):
        return False
    return len(bounds) == len(cameras) and all(b.newest_ms > moment_ms for b in bounds.values())
