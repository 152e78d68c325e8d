"""Metrics in and out: JSONL of other programs into a trial, and trials to the trackers that a lab lives with.

Nothing of MLflow, W&B or TensorBoard is imported before it is asked for.
"""

from hyperherd.forward.forwarding import TRACKERS as TRACKERS
from hyperherd.forward.forwarding import forward as forward
from hyperherd.forward.forwarding import tracker as tracker
from hyperherd.forward.importing import Imported as Imported
from hyperherd.forward.importing import import_metrics as import_metrics
from hyperherd.forward.sent import Sent as Sent
from hyperherd.forward.step_metrics import RowCount as RowCount
from hyperherd.forward.step_metrics import forward_step_metrics as forward_step_metrics
from hyperherd.forward.trackers.base import Tracker as Tracker
from hyperherd.forward.trackers.store import Store as Store
