"""The effects in one line below a table; `herd-results effects` shows all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hyperherd.results.statistics.distributions import LEVEL
from hyperherd.results.statistics.importance.contrasts import Contrast
from hyperherd.results.statistics.importance.effects import Effects, ParameterEffect, effects
from hyperherd.results.text.format import escaped, is_number, measure, setting
from hyperherd.results.text.layout import Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.values import Gap

_FEWEST = 4
"""With fewer finished trials shares mean nothing."""
_MOST = 2000
"""With more trials it would be what the table waits for."""
_NAMED = 3


def effects_line(trials: TrialCollection, screen: Screen, keys: Sequence[str] = ()) -> Iterator[str]:
    """Yield the effects that hold a test among the ranked trials; nothing where they are unknown or slow to compute.

    Args:
        trials: those of the table.
        screen: what it must fit.
        keys: the parameters that are seeds; without any, what the sweeps say, else the usual ones.
    """
    if trials.objective is None or len(trials) > _MOST or len(trials.ranked) < _FEWEST:
        return
    found = effects(trials, keys=keys)
    if found.trials >= _FEWEST and (parts := [*_shares(found), *_pairs(found), *_noise(found)]):
        test = "p of an F test for all parameters together; " if any(", p " in part for part in parts) else ""
        yield from wrapped(f"effects: {' · '.join(parts)}  ({test}herd-results effects)", screen)


def _shares(found: Effects) -> Iterator[str]:
    """Yield the parameters that matter, or that none is shown to."""
    order = {effect.parameter: place for place, effect in enumerate(found.parameters)}
    sure = [
        effect
        for effect in found.parameters
        if effect.matters and all(order[effect.parameter] < order[twin] for twin in effect.confounded)
    ]
    if sure:
        more = f" and {len(sure) - _NAMED} more" if len(sure) > _NAMED else ""
        yield f"{', '.join(map(_named, sure[:_NAMED]))}{more}"
    elif any(effect.telling for effect in found.parameters):
        yield differing_text(found) or "no parameter is shown to matter"
    elif found.parameters and any(effect.p is not None for effect in found.parameters):
        yield f"too few trials to tell what matters ({found.trials})"


def differing_text(found: Effects) -> str:
    """Return that configurations differ although no parameter is shown to matter; empty where that is not known."""
    if found.differ is None or found.differ > LEVEL or any(effect.matters for effect in found.parameters):
        return ""
    return (
        f"configurations differ by more than their seeds explain ({p_text(found.differ)}), yet no single parameter is "
        "shown to matter: the effect of one may depend on another"
    )


def _named(effect: ParameterEffect) -> str:
    name = " with ".join(map(escaped, (effect.parameter, *effect.confounded)))
    share = "" if effect.share is None else f"{effect.share:.3f} of the variance, "
    return f"{name} ({share}{p_text(effect.p)})"


def p_text(p: float | None) -> str:
    """Return a probability for people."""
    return "p unknown" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


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
    over += "" if contrast.paired else " with seeds of their own"
    if contrast.ties == contrast.pairs:
        return f"{name}: {value} and {against} are equal in {contrast.ties}/{contrast.pairs} pairs{over}"
    ties = f" ({contrast.ties} equal)" if contrast.ties else ""
    ahead = f"in {contrast.wins}/{contrast.pairs} pairs{over}{ties}, {signed(contrast.mean)}"
    if contrast.low is None or contrast.high is None:
        return f"{name}: {value} ahead of {against} {ahead}, too few pairs to tell"
    bounds = f"[{signed(contrast.low)}, {signed(contrast.high)}]"
    if not contrast.sure:
        return f"{name}: {value} and {against} cannot be told apart, {value} ahead {ahead} {bounds}"
    return f"{name}: {value} better than {against} {ahead} {bounds}"


def signed(value: float) -> str:
    """Return a difference for people."""
    return f"{'+' if value > 0 else ''}{measure(value)}"


def _noise(found: Effects) -> Iterator[str]:
    if found.parameters and found.noise is not None and found.noise.share is not None:
        yield f"seed noise {found.noise.share:.3f} of the variance"
