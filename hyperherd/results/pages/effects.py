"""Effects of parameters, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.pages.effects_line import contrast_text, differing_text, p_text
from hyperherd.results.pages.failures import rates_record, split_text
from hyperherd.results.pages.parts import heading, table
from hyperherd.results.statistics.importance.effects import Effects, Interaction, Level, ParameterEffect
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, measure, setting
from hyperherd.results.text.layout import Screen, page, wrapped
from hyperherd.results.trials.objective import MAXIMIZE
from hyperherd.results.values import Gap

_SHOWN = 12
"""Parameters that are listed on a terminal, those first that explain most."""
_SHOWN_CONTRASTS = 5


def effects_page(found: Effects, screen: Screen) -> str:
    """Return the effects as a page of text."""
    return page(_lines(found, screen), screen)


def effects_record(found: Effects) -> dict[str, Any]:
    """Return the effects as JSON has it."""
    return {
        "schema": SCHEMA,
        "objective": asdict(found.objective),
        "trials": found.trials,
        "left_out": found.left_out,
        "reasons": found.reasons,
        "seeds": list(found.seeds),
        "noise": asdict(found.noise) if found.noise else None,
        "parameters": [_effect(effect) for effect in found.parameters],
        "interactions": [asdict(item) for item in found.interactions],
        "ranks": found.ranks,
        "differ": found.differ,
        "comparisons": found.comparisons,
        "survivors": rates_record(found.survivors),
        "chosen_by": list(found.chosen_by),
    }


def _lines(found: Effects, screen: Screen) -> Iterator[str]:
    better = "higher" if found.objective.direction == MAXIMIZE else "lower"
    reasons = ", ".join(f"{count} {escaped(reason)}" for reason, count in found.reasons.items())
    guessed = ", guessed from its name" if found.objective.source == "guessed" else ""
    yield from wrapped(
        f"effects on {escaped(found.objective.label)} ({better} is better{guessed}) · "
        f"{counted(found.trials, 'finished trial')}, {found.left_out} left out{f' ({reasons})' if reasons else ''}",
        screen,
    )
    if found.chosen_by:
        yield from wrapped(chosen_text(found), screen)
    if not found.parameters:
        yield from _joint_lines(found, screen)
        yield "no parameter varies among these trials, so there is nothing to compare"
        return
    yield ""
    most = len(found.parameters) if screen.width is None or len(found.parameters) <= _SHOWN + 2 else _SHOWN
    rows = [_row(effect, found.trials) for effect in found.parameters[:most]]
    yield from table(("parameter", "share", "", "best mean"), rows, screen, right=(1,))
    if rest := found.parameters[most:]:
        matter = sum(effect.matters for effect in rest)
        yield f"  ... {len(rest)} more, of which {matter or 'none'} is shown to matter (-f json shows all)"
    yield from _joint_lines(found, screen)
    if differing := differing_text(found):
        yield ""
        yield from wrapped(differing, screen)
    yield from _noise_lines(found, screen)
    yield from heading("matched pairs: trials that differ only in the parameter", screen)
    for effect in found.parameters[:most]:
        yield from _contrast_lines(effect, screen)
    yield ""
    yield from wrapped(_explained(found), screen, "")


def chosen_text(found: Effects) -> str:
    """Return why effects among trials that a sampler chose say less than those of a grid."""
    return (
        f"caution: {' and '.join(map(escaped, found.chosen_by))} chose trials by the values of others, so they crowd "
        "where values are good and are no design: shares are those among these trials, and a p-value may claim too much"
    )


def _explained(found: Effects) -> str:
    """Return what the numbers of the page are."""
    of = "ranks (some values lie far out, or the parameters are many)" if found.ranks else "values"
    told = f"; [low, high]: what the mean difference lies between; all {counted(found.comparisons, 'interval')}"
    intervals = f"{told} hold together at 95 %" if found.comparisons else ""
    both = "; ×: both parameters together, beyond what each explains by itself" if found.interactions else ""
    return (
        f"share: the part of the variance of the {of} that a parameter explains beyond the others, without what chance "
        f"explains; p: of its F test, for all {counted(len(found.parameters), 'parameter')} together (Holm)"
        f"{both}{intervals}"
    )


def _row(effect: ParameterEffect, trials: int) -> tuple[str, ...]:
    best = effect.levels[0]
    return (
        escaped(effect.parameter),
        _share(effect.share if effect.matters or effect.telling else None),
        effect_verdict(effect, trials),
        f"{level_text(best)}  ({measure(best.mean)}, {counted(best.trials, 'trial')})",
    )


def effect_verdict(effect: ParameterEffect, trials: int) -> str:
    """Return what can be said of a parameter from this many trials."""
    twins = " or ".join(map(escaped, effect.confounded))
    if effect.matters:
        return f"it or {twins} matters, {p_text(effect.p)}" if twins else f"matters, {p_text(effect.p)}"
    if effect.p is None or not effect.telling:
        return f"too few trials to tell ({trials})"
    return f"not shown to matter, {p_text(effect.p)}" + (f" (confounded with {twins})" if twins else "")


def _joint_lines(found: Effects, screen: Screen) -> Iterator[str]:
    for text in (*map(joint_text, found.interactions), *survivor_texts(found)):
        yield from wrapped(text, screen)


def joint_text(item: Interaction) -> str:
    """Return that the effect of one parameter depends on another one."""
    one, other = map(escaped, item.parameters)
    told = f"{_share(item.share)} of the variance, {p_text(item.p)}"
    return f"{one} × {other}: the effect of one depends on the value of the other ({told})"


def survivor_texts(found: Effects) -> Iterator[str]:
    """Yield where the trials that are compared differ from those that have no value."""
    for split in found.survivors.splits:
        told = split_text(split, found.survivors.looked, "have no value")
        yield f"left out more often: {told}; the effects are those of the trials that have one"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"


def level_text(level: Level) -> str:
    """Return a value or a range of values for people."""
    if isinstance(level.value, Gap):
        return "(not set)"
    return setting(level.value) if level.upto is None else f"{setting(level.value)} to {setting(level.upto)}"


def _noise_lines(found: Effects, screen: Screen) -> Iterator[str]:
    noise = found.noise
    if noise is None:
        return
    share = "" if noise.share is None else f", {noise.share:.3f} of the variance"
    yield ""
    yield from wrapped(
        f"seed noise: ± {measure(noise.std, 2)} between trials of one configuration{share} "
        f"({noise.freedom} degrees of freedom); smaller differences between single trials may be noise",
        screen,
    )


def _contrast_lines(effect: ParameterEffect, screen: Screen) -> Iterator[str]:
    name = escaped(effect.parameter)
    if not effect.contrasts:
        yield f"  {name}: no two trials differ only in this parameter"
        return
    for contrast in effect.contrasts[:_SHOWN_CONTRASTS]:
        yield from wrapped(f"  {contrast_text(effect, contrast)}", screen, "    ")
    if len(effect.contrasts) > _SHOWN_CONTRASTS:
        yield f"  {name}: ... {len(effect.contrasts) - _SHOWN_CONTRASTS} more values (-f json shows all)"


def _effect(effect: ParameterEffect) -> dict[str, Any]:
    return {
        "parameter": effect.parameter,
        "share": effect.share,
        "unique": effect.unique,
        "chance": effect.chance,
        "p": effect.p,
        "matters": effect.matters,
        "telling": effect.telling,
        "confounded": list(effect.confounded),
        "levels": [
            {
                "value": None if level.value is Gap.NOT_APPLICABLE else level.value,
                "applies": level.value is not Gap.NOT_APPLICABLE,
                "upto": level.upto,
                "trials": level.trials,
                "mean": level.mean,
            }
            for level in effect.levels
        ],
        "over": effect.over,
        "contrasts": [{**asdict(contrast), "sure": contrast.sure} for contrast in effect.contrasts],
    }
