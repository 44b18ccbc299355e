"""Reads one part's frames from the buffer, encodes or copies them, and accounts for missing
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.domain.errors import BadInput
from shared.domain.gaps import Gap, GapCause, PartFacts, follows, gap_between, never_delivered
from shared.domain.media import Frame, FrameMark
from shared.domain.parts import ClipForm, EncodedPart
from shared.domain.ports import PartCopying, PartEncoding, PartRun
from shared.wire.urls import masked
from workers.writer.ports import WriterPorts
from workers.writer.prefetch import prefetch

FETCHED_AHEAD = 8


class Reading:
    """One run's reading. A new one is made for every run; `progress` is called with every frame."""

    def __init__(
        self, run: PartRun, ports: WriterPorts, progress: Callable[[], None] = lambda: None
    ) -> None:
        self._run = run
        self._progress = progress
        self._ports = ports
        self._buffer = ports.packets if run.policy.copied else ports.frames
        self._before: FrameMark | None = None
        self._first: FrameMark | None = None
        self._last: FrameMark | None = None
        self._after: FrameMark | None = None
        self._gaps: list[Gap] = []

    def encode(self) -> tuple[bytes, PartFacts]:
        """Returns what the part's object holds, its packets and its sheet, and the facts.

        Only the first part and the trigger's have a picture.
        """
        run = self._run
        self._before = self._buffer.mark_before(run.camera_id, run.start_ms)
        part = self._copied() if run.policy.copied else self._encoded()
        self._after = self._mark_after()
        made = EncodedPart(b"", (), "") if part is None else part.finish()
        sheet, jpeg = made.sheet or (None, b"")
        return made.data + jpeg, PartFacts(
            index=made.index,
            before=self._before,
            first=self._first,
            last=self._last,
            gaps=tuple(self._gaps),
            size_bytes=len(made.data) + len(jpeg),
            parameters_sha256=made.parameters_sha256,
            thumbnail=made.thumbnail,
            after=self._after,
            silence=self._silence(),
            sheet=sheet,
        )

    def _mark_after(self) -> FrameMark | None:
        """Returns the first frame after the part; of a camera that is recorded otherwise from then
        on, in its other buffer.
        """
        run, ports = self._run, self._ports
        after = self._buffer.mark_after(run.camera_id, run.end_ms)
        known = self._last or self._before
        if after is not None or known is None:
            return after
        other = ports.frames if run.policy.copied else ports.packets
        after = other.mark_after(run.camera_id, run.end_ms)
        # of the same connection it is a picture beside the packets
        return None if after is None or after.run_id == known.run_id else after

    def _silence(self) -> str | None:
        """Returns what capture says of a camera that has delivered nothing; None where it has, or
        may have.
        """
        if self._before is not None or self._first is not None:
            return None
        state = self._ports.states.state(self._run.camera_id)
        if not never_delivered(self._after, state, self._run.start_ms):
            return None
        return masked(state.get("error", "")) if state else "no capture process reports this camera"

    def _encoded(self) -> PartEncoding | None:
        """Encode the stretch.

        A frame that cannot be decoded is a gap of one, never the end of the part.
        """
        encoder: PartEncoding | None = None
        for frame in self._thinned():
            if encoder is None:
                encoder = self._encoder(frame)
            try:
                encoder.add(frame.data, frame.captured_ms)
            except BadInput:
                self._gaps.append(Gap(frame.captured_ms, frame.captured_ms, 1, GapCause.BAD_FRAME))
        return encoder

    def _encoder(self, frame: Frame) -> PartEncoding:
        run, video = self._run, self._ports.video
        form = self._form(lambda: video.form(frame.data, run.policy))
        return video.encoder(run.policy, form, run.start_ms, self._picture_ms(), sheet=True)

    def _copied(self) -> PartCopying | None:
        """Copy the stretch from the keyframe before it.

        Packets that no keyframe leads to are a gap.
        """
        run = self._run
        keyframe_ms = self._ports.packets.keyframe_before(run.camera_id, run.start_ms)
        part: PartCopying | None = None
        usable = False
        previous: FrameMark | None = None
        begins_ms = run.start_ms if keyframe_ms is None else keyframe_ms
        for frame in self._read(begins_ms):
            mark, inside = frame.mark, frame.captured_ms >= run.start_ms
            whole = previous is not None and follows(previous, mark)
            previous = mark
            if inside:
                self._account(mark)
            packet = frame.packet
            keyframe = packet is not None and packet.keyframe
            if (
                packet is not None
                and keyframe
                and (part is None or packet.shown_ms <= run.start_ms)
            ):
                # of what is shown before the start only the last keyframe's is needed
                part = self._copier(frame)
                usable = part is not None
            else:
                usable = keyframe or (usable and whole)
            if part is not None and usable:
                part.add(frame)
            elif inside:
                self._gaps.append(
                    Gap(frame.captured_ms, frame.captured_ms, 1, GapCause.NO_KEYFRAME)
                )
        return None if self._first is None else part

    def _copier(self, keyframe: Frame) -> PartCopying | None:
        """Returns a part that begins with this packet, None when it cannot be decoded."""
        try:
            self._form(lambda: self._ports.video.copied_form(keyframe))
        except BadInput:
            return None
        return self._ports.video.copier(self._run.start_ms, self._picture_ms(), sheet=True)

    def _form(self, proposed: Callable[[], ClipForm]) -> ClipForm:
        """Returns the clip's form: the proposed one, unless another part was first."""
        return self._run.form or self._ports.rows.fix_form(self._run.segment_id, proposed())

    def _picture_ms(self) -> int | None:
        run = self._run
        return (
            run.trigger_ms
            if run.number == 0 or run.start_ms <= run.trigger_ms < run.end_ms
            else None
        )

    def _read(self, start_ms: int) -> Iterator[Frame]:
        """Yields the buffer's frames from a time to the part's end, fetched ahead."""
        frames = self._buffer.read(self._run.camera_id, start_ms, self._run.end_ms)
        return prefetch(frames, FETCHED_AHEAD, self._ports.threads)

    def _account(self, mark: FrameMark) -> None:
        """Note a frame of the stretch, and the frames before it that the counters show as lost."""
        self._progress()
        if self._first is None:
            self._first = mark
        elif self._last is not None:
            lost = gap_between(self._last, mark, self._run.policy.capture_fps)
            if lost is not None:
                self._gaps.append(lost)
        self._last = mark

    def _thinned(self) -> Iterator[Frame]:
        """Yields the frames of the stretch at the clip's rate.

        The choice depends only on the times of a frame and its predecessor, so parts of different
        writers fit together.
        """
        run = self._run
        slot_ms = 1000 / run.policy.fps
        thin = run.policy.capture_fps > run.policy.fps
        previous = self._before
        for frame in self._read(run.start_ms):
            mark = frame.mark
            self._account(mark)
            same_slot = (
                previous is not None
                and mark.captured_ms // slot_ms == previous.captured_ms // slot_ms
            )
            previous = mark
            if not (thin and same_slot):
                yield frame
