"""Which of several configurations a table sets in bold: the best one, and those that cannot be told from it."""

from __future__ import annotations

from collections.abc import Container, Sequence

from hyperherd.results.statistics.pooling import Pool, Sample


def best_of(samples: Sequence[Sample | None], shown: Container[int] | None = None) -> frozenset[int]:
    """Return the places of the best one and of those that cannot be distinguished from it (:meth:`.Pool.close`).

    Where nothing is known of how far seeds lie apart, they are the best one and its equals.

    Args:
        samples: one for each configuration, greater values better; None of one without a value.
        shown: the places among which the best one is sought; None: all.
    """
    places = [place for place, sample in enumerate(samples) if sample is not None]
    pool = Pool(sample for sample in samples if sample is not None)
    order = [place for place in pool.order if shown is None or places[place] in shown]
    if not order:
        return frozenset()
    first = order[0]
    if pool.freedom:
        near = set(pool.close(first))
    else:
        near = {place for place in order if pool.samples[place].mean == pool.samples[first].mean}
    return frozenset(places[place] for place in order if place == first or place in near)
