"""The faults that a site is given while it records, by the names of docs/reliability.md."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import process_faults as processes
from tests.chaos import server_faults as servers
from tests.chaos.site import Site

Inject = Callable[[Site, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    durable_only: only detections by HTTP are promised to outlive it. takes_frames: it takes frames
    that are nowhere else, so clips may lack some (and say so); keeps_recordings: no segment may be
    FAILED all the same. most_recovery_s: how soon the whole way works again.
    """

    key: str
    name: str
    inject: Inject
    durable_only: bool = False
    takes_frames: bool = False
    keeps_recordings: bool = False
    quick: bool = False
    most_recovery_s: float = 30.0


MATRIX = (
    Fault(
        "F1",
        "writer child killed in a part",
        processes.writer_child_killed,
        most_recovery_s=10,
        quick=True,
    ),
    Fault("F2", "worker tree killed under load", processes.worker_tree_killed, quick=True),
    Fault("F3", "rolling restart: TERM, QUIT, twice", processes.rolling_restart, takes_frames=True),
    Fault("F5", "writer frozen for three leases", processes.zombie_writer),
    Fault("F1", "dispatcher killed", processes.dispatcher_killed, most_recovery_s=12, quick=True),
    Fault(
        "F1",
        "capture process killed",
        processes.capture_killed,
        takes_frames=True,
        most_recovery_s=10,
    ),
    Fault(
        "F5", "capture process frozen past its lease", processes.capture_frozen, takes_frames=True
    ),
    Fault("F6", "broker killed, restarted with its file", servers.broker_killed, quick=True),
    Fault(
        "F7", "broker killed and wiped", servers.broker_wiped, durable_only=True, most_recovery_s=40
    ),
    Fault(
        "F8",
        "frames Redis killed, restarted empty",
        servers.frames_killed,
        takes_frames=True,
        quick=True,
    ),
    Fault("F9", "a Redis stopped (SIGSTOP)", servers.redis_stopped, takes_frames=True),
    Fault("F10", "connections reset", servers.network_reset),
    Fault("F10", "connections refused", servers.network_refused, takes_frames=True),
    Fault("F10", "network dead, then back", servers.network_dead, takes_frames=True),
    Fault(
        "F10",
        "old connections dead for good",
        servers.connections_forgotten,
        takes_frames=True,
        most_recovery_s=40,
    ),
    Fault("F10", "network slow", servers.network_slow),
    Fault("F10", "broker, Postgres and store 100 ms away", servers.servers_far),
    Fault("F10", "replies cut in half", servers.replies_cut),
    Fault("F11", "frames Redis at maxmemory", servers.frames_full, takes_frames=True),
    Fault("F12", "broker at maxmemory", servers.broker_full),
    Fault("F13", "Postgres killed", servers.database_killed, quick=True),
    Fault("F13", "Postgres stopped (SIGSTOP)", servers.database_stopped),
    Fault("F13", "Postgres ends all connections", servers.database_hangs_up),
    Fault("F13", "Postgres out of connections", servers.database_crowded),
    Fault("F14", "S3 answers 500", servers.http("500", 8)),
    Fault("F14", "S3 answers 503 half of the time", servers.http("503", 8, 0.5)),
    Fault("F14", "S3 hangs", servers.http("hang", 10)),
    Fault("F14", "S3 cuts what it sends", servers.http("truncate", 8)),
    Fault("F14", "S3 stopped (SIGSTOP)", servers.storage_stopped),
    Fault("F14", "S3 loses an acknowledged clip", servers.clip_lost),
    Fault("F19", "no beat", processes.beats_killed),
    Fault("F21", "1,000 detections a second, twice, unordered", processes.storm),
    Fault(
        "F26",
        "host at load 40",
        processes.host_busy,
        takes_frames=True,
        keeps_recordings=True,
        most_recovery_s=90,
    ),
    Fault("F22", "writers slower than real time", processes.writers_slow),
)
