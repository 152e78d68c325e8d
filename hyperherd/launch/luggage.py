"""The earlier name of :mod:`hyperherd.launch.payload`.

Jobs that an earlier version submitted unpickle these names here, and a queue may hold a job for months. Remove this
module no sooner than one minor version after 0.1.
"""

from hyperherd.launch.payload import Payload as Luggage
from hyperherd.launch.payload import _code, _named

__all__ = ["Luggage", "_code", "_named"]
