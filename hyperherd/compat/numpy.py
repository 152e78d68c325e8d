"""NumPy, seen in 1.24 to 2.4: whether a script has seeded the global generator."""

from __future__ import annotations

import sys


def reseed_unless_seeded() -> None:
    """Give this process randomness of its own, unless the script called ``numpy.random.seed``.

    ``numpy.random.get_state`` is the same in both cases; only the seed sequence behind it differs.
    """
    if numpy := sys.modules.get("numpy.random"):
        generator = numpy.mtrand._rand._bit_generator
        if getattr(generator, "seed_seq", None) is not None:  # None once a script has called numpy.random.seed
            numpy.seed()
