"""Effects of parameters, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.pages.effects_line import contrast_text
from hyperherd.results.pages.parts import heading, table
from hyperherd.results.statistics.effects import Effects, Level, ParameterEffect
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, measure, setting
from hyperherd.results.text.layout import Screen, page, wrapped
from hyperherd.results.trials.objective import MAXIMIZE
from hyperherd.results.values import Gap

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
    if not found.parameters:
        yield "no parameter varies among these trials, so there is nothing to compare"
        return
    yield ""
    yield from table(
        ("parameter", "η²", "unique", "chance", "best mean"),
        [_row(effect) for effect in found.parameters],
        screen,
        right=(1, 2, 3),
    )
    yield from _noise_lines(found, screen)
    yield from heading("matched pairs: trials that differ only in the parameter", screen)
    for effect in found.parameters:
        yield from _contrast_lines(effect, screen)
    yield ""
    yield from wrapped(
        "η²: share of the variance between the parameter's values; chance: the average share of a parameter without "
        "effect; unique: the share that no other parameter explains. Where they disagree, trust the matched pairs.",
        screen,
        "",
    )


def _row(effect: ParameterEffect) -> tuple[str, ...]:
    best = effect.levels[0]
    numbers = (effect.share, effect.unique, effect.chance)
    return (
        escaped(effect.parameter),
        *map(_share, numbers),
        f"{level_text(best)}  ({measure(best.mean)}, {counted(best.trials, 'trial')})",
    )


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
        "contrasts": list(map(asdict, effect.contrasts)),
    }
