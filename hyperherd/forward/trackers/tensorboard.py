"""TensorBoard: an event file for each run, with scalars at their steps and times, settings, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from hyperherd.forward.ledger import alone
from hyperherd.forward.runs import PREFIX, Run, as_text
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker, needed
from hyperherd.forward.trackers.growing import Record, grow
from hyperherd.metrics.rows.values import EXACT
from hyperherd.records.states import TrialState

_GOOD = (TrialState.COMPLETED, TrialState.PRUNED, TrialState.PAUSED, TrialState.UNKNOWN)


class TensorBoardTracker(Tracker):
    """Writes below a folder, which is a ``--logdir``.

    Args:
        folder: made if it is missing.

    Raises:
        ResultsError: `tensorboard` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._encode = _Encoder()

    def send(self, run: Run) -> Sent:
        """Write what is not there yet; see `Tracker.send`."""
        # A name that stays when the run starts again: of two files in one folder TensorBoard shows both.
        path = self._folder / run.folder / f"events.out.tfevents.0000000000.{run.id}"
        with alone(self._folder / ".hyperherd.lock"):
            new = grow(path, lambda: self._encode.records(run))
        rows = list(run.all_rows())
        total, left_out = sum(len(row.metrics) for row in rows), sum(len(row.others) for row in rows)
        return Sent(runs=1, delivered=new, already=total - new, left_out=left_out)


class _Encoder:
    """Makes the records of an event file. They follow from the run: no clock, no random number, no order of a dict."""

    def __init__(self) -> None:
        self._writer: Callable[[Any], Any] = _part("summary.writer.record_writer").RecordWriter
        self._event = _part("compat.proto.event_pb2").Event
        self._summary = _part("compat.proto.summary_pb2").Summary
        self._hparams = _part("plugins.hparams.summary_v2").hparams_pb
        self._status = _part("plugins.hparams.api_pb2")
        self._session = _part("plugins.hparams.plugin_data_pb2")
        self._session_kind = _part("plugins.hparams.metadata")
        self._text_kind = _part("plugins.text.metadata").create_summary_metadata
        self._tensor = _part("util.tensor_util").make_tensor_proto

    def records(self, run: Run) -> Iterator[Record]:
        """Yield the records of a run's file."""
        began = next((row.time for row in run.rows if row.time is not None), 0.0)
        yield self._record(began, 0, file_version="brain.Event:2"), 0
        yield self._record(began, 0, summary=self._session_start(run, began)), 0
        yield self._record(began, 0, summary=self._texts(_head(run))), 0
        at = began
        for row in run.rows:
            at = at if row.time is None else row.time
            yield self._scalars(at, row.step, row.metrics), len(row.metrics)
        if not run.has_ended:
            return
        if run.closing is not None:
            yield self._scalars(run.ended or at, run.closing.step, run.closing.metrics), len(run.closing.metrics)
        yield self._record(run.ended or at, 0, summary=self._texts(_end(run))), 0
        yield self._record(run.ended or at, 0, summary=self._session_end(run, run.ended or at)), 0

    def _scalars(self, at: float, step: int, metrics: Any) -> bytes:
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        return self._record(at, step, summary=self._summary(value=values))

    def _session_start(self, run: Run, at: float) -> Any:
        found = self._hparams({name: _plain(value) for name, value in run.settings.items()}, run.id, at)
        # It holds a map as bytes, which are in another order in each process.
        content = found.value[0].metadata.plugin_data
        kept = self._session.HParamsPluginData.FromString(content.content)
        content.content = kept.SerializeToString(deterministic=True)
        return found

    def _session_end(self, run: Run, at: float) -> Any:
        # As tensorboard's own session_end_pb, which needs TensorFlow.
        status = self._status.STATUS_SUCCESS if run.state in _GOOD else self._status.STATUS_FAILURE
        end = self._session.SessionEndInfo(status=status, end_time_secs=at)
        about = self._session_kind.create_summary_metadata(self._session.HParamsPluginData(session_end_info=end))
        found, kind = self._summary(), self._session_kind
        found.value.add(tag=kind.SESSION_END_INFO_TAG, metadata=about, tensor=kind.NULL_TENSOR)
        return found

    def _texts(self, texts: dict[str, str]) -> Any:
        found = self._summary()
        for name, text in texts.items():
            tag = f"{PREFIX}/{name}"
            value = found.value.add(tag=tag, tensor=self._tensor([text.encode("utf-8", "replace")], shape=(1,)))
            value.metadata.CopyFrom(self._text_kind(display_name=name, description=""))
        return found

    def _record(self, at: float, step: int, **content: Any) -> bytes:
        stream = BytesIO()
        event = self._event(wall_time=at, step=step, **content)
        self._writer(stream).write(event.SerializeToString(deterministic=True))
        return stream.getvalue()


def _part(name: str) -> Any:
    return needed(f"tensorboard.{name}", "tensorboard")


def _head(run: Run) -> dict[str, str]:
    links = "\n\n".join(f"    {name}: {text}" for name, text in run.links.items())
    return {"run": f"    {run.sweep}, trial {run.name}\n\n{links}", "config": _as_code(run.config)}


def _end(run: Run) -> dict[str, str]:
    texts = {"state": f"    {run.state.value} {run.reason}".rstrip(), "tags": ", ".join(run.tags), "note": run.note}
    if run.final:
        texts["final"] = _as_code(run.final)
    return {name: text for name, text in texts.items() if text}


def _as_code(value: Any) -> str:
    """Return a value as Markdown that shows it as it is: names and texts of runs are not marked up."""
    return "\n".join(f"    {name}: {as_text(item)}" for name, item in value.items())


def _plain(value: Any) -> bool | int | float | str:
    is_plain = isinstance(value, bool | float | str) or (isinstance(value, int) and abs(value) <= EXACT)
    return value if is_plain else as_text(value)
