"""The earlier name of :mod:`hyperherd.launch.cluster.job`.

Jobs that an earlier version submitted unpickle these names here, and a queue may hold a job for months. Remove this
module no sooner than one minor version after 0.1.
"""

from hyperherd.launch.cluster.job import ClusterJob as TrialRun
from hyperherd.launch.cluster.job import JobPayload as Work

__all__ = ["TrialRun", "Work"]
