"""How often the best configuration is named, in draws of sweeps whose truth is known, and how often claims hold.

    python benchmarks/best.py            # 1,000 draws of each kind, two minutes
    python benchmarks/best.py 100

"Named" is of draws in which the best one has a finite seed and is three standard errors of the difference above the
next; "complete first" is the rule that puts no configuration with a seed missing before one without. "Covers" is how
often the 95 % interval of the one that is named holds its truth, "among" how often the best one in truth is the one
that is named or one of those that are said not to be distinguishable from it.

"Decided" and "wrong" are of sweeps that add seeds until one is the best within delta at 95 %, and are looked at after
every seed; "trials" is how many that took.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "results"))

from best_draws import (
    CONTESTS,
    DELTA,
    IDENTIFIABLE,
    OTHERS,
    PRUNED,
    complete_first,
    identifiable,
    ignoring_pruned,
    others,
    play,
    told,
)


def main(count: int) -> None:
    print(f"{count} draws of each kind, in percent\n\n{'':28}  named  complete first  covers  among")
    for kind in IDENTIFIABLE:
        drawn = list(identifiable(kind, count, "benchmark"))
        found = [told(one) for one in drawn]
        first = f"{_percent([complete_first(one) for one in drawn]):>14}"
        print(f"{kind:28}  {_percent([one.right for one in found])}  {first}  {_claims(found)}", flush=True)
    for kind in OTHERS:
        found = [told(one) for one in others(kind, count, "benchmark")]
        print(f"{kind:28}  {'':5}  {'':14}  {_claims(found)}", flush=True)

    print(f"\n{'':44}  named  covers  regret, and where pruned seeds do not count")
    for kind in PRUNED:
        drawn = list(others(kind, count, "benchmark"))
        for which in (drawn, [ignoring_pruned(one) for one in drawn]):
            found = [told(one) for one in which]
            right, covered = _percent([one.right for one in found]), _percent([one.covered for one in found])
            print(f"{kind:44}  {right}   {covered}  {sum(one.regret for one in found) / count:7.3f}", flush=True)

    print(f"\n{'':44}  decided  wrong  trials")
    for kind, truth in CONTESTS.items():
        chance = random.Random(f"benchmark {kind}")
        played = [play(truth(chance), chance) for _ in range(count)]
        decided = [one.loss is not None for one in played]
        wrong = [one.loss is not None and one.loss > DELTA for one in played]
        spent = sum(one.seeds for one in played) / count
        print(f"{kind:44}  {_percent(decided)}  {_percent(wrong)}  {spent:6.0f}", flush=True)


def _claims(found: list) -> str:
    return f" {_percent([one.covered for one in found])}  {_percent([one.among for one in found])}"


def _percent(found: list[bool]) -> str:
    return f"{100 * sum(found) / len(found):5.1f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
