"""The effects in one line below a table; `herd-results effects` shows all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hyperherd.results.statistics.effects import Contrast, Effects, ParameterEffect, effects
from hyperherd.results.text.format import escaped, is_number, measure, setting
from hyperherd.results.text.layout import Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.values import Gap

_FEWEST = 4
"""With fewer finished trials shares mean nothing."""
_MOST = 2000
"""With more trials it would be what the table waits for."""
_NAMED = 3
_ROUNDING = 1e-12


def effects_line(trials: TrialCollection, screen: Screen, keys: Sequence[str] = ()) -> Iterator[str]:
    """Yield the strongest effects among the ranked trials; nothing where they are unknown or slow to compute.

    Args:
        trials: those of the table.
        screen: what it must fit.
        keys: the parameters that are seeds; without any, what the sweeps say, else the usual ones.
    """
    if trials.objective is None or len(trials) > _MOST or len(trials.ranked) < _FEWEST:
        return
    found = effects(trials, keys=keys)
    if found.trials >= _FEWEST and (parts := [*_shares(found), *_pairs(found), *_noise(found)]):
        yield from wrapped(f"effects: {' · '.join(parts)}  (herd-results effects)", screen)


def _shares(found: Effects) -> Iterator[str]:
    """Yield the parameters that explain more of the variance than chance would."""
    known = [effect for effect in found.parameters if effect.share is not None and effect.chance is not None]
    above = [effect for effect in known if (effect.share or 0.0) > (effect.chance or 0.0)]
    if above:
        yield ", ".join(f"{escaped(effect.parameter)} (η² {effect.share:.3f})" for effect in above[:_NAMED])
    elif known:
        yield "no parameter explains more of the variance than chance would"


def _pairs(found: Effects) -> Iterator[str]:
    """Yield how the best value of the most important parameter that is not a number does against the next one."""
    for effect in found.parameters:
        if effect.contrasts and _is_categorical(effect):
            yield contrast_text(effect, effect.contrasts[0])
            return


def _is_categorical(effect: ParameterEffect) -> bool:
    return not any(is_number(level.value) for level in effect.levels if level.value is not Gap.NOT_APPLICABLE)


def contrast_text(effect: ParameterEffect, contrast: Contrast) -> str:
    """Return one comparison of two values for people."""
    name, value, against = escaped(effect.parameter), setting(contrast.value), setting(contrast.against)
    over = " of configurations" if effect.over == "configurations" else ""
    if contrast.ties == contrast.pairs:
        return f"{name}: {value} and {against} are equal in {contrast.ties}/{contrast.pairs} pairs{over}"
    ties = f" ({contrast.ties} equal)" if contrast.ties else ""
    sign = "+" if contrast.mean > 0 else ""
    error = "" if contrast.sem is None else f" ± {measure(_told(contrast.sem, contrast.mean), 2)}"
    return (
        f"{name}: {value} better than {against} in {contrast.wins}/{contrast.pairs} pairs{over}{ties}, "
        f"{sign}{measure(contrast.mean)}{error}"
    )


def _told(sem: float, mean: float) -> float:
    """Return an error, or nothing where it is that of rounding alone."""
    return 0.0 if sem < _ROUNDING * abs(mean) else sem


def _noise(found: Effects) -> Iterator[str]:
    if found.parameters and found.noise is not None and found.noise.share is not None:
        yield f"seed noise η² {found.noise.share:.3f}"
