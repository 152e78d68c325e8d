"""What trials in one table do not share although nobody chose it: code, packages, a config edited in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperherd.records.code import differing_files
from hyperherd.results.text.format import escaped
from hyperherd.results.trials.beyond_params import beyond_params
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

_NAMED = 5
_CODE = "code"


def mixtures(trials: TrialCollection) -> list[str]:
    """Return what someone who compares the trials must know, a sentence each; few files are read."""
    found: dict[str, dict[str, Trial]] = {}
    seen: set[int] = set()
    for trial in trials:
        if trial.kept is None or id(trial.kept) in seen:  # thousands share one
            continue
        seen.add(id(trial.kept))
        for name, version in trial.kept.versions.items():
            found.setdefault(name, {}).setdefault(str(version), trial)
    return [*_code(found.pop(_CODE, {})), *_packages(found), *_drifted(trials)]


def _code(by_hash: dict[str, Trial]) -> Iterator[str]:
    if len(by_hash) < 2:
        return
    codes = [code for trial in by_hash.values() if isinstance(code := trial.provenance.get(_CODE), dict)]
    if files := differing_files(codes):
        yield f"these trials ran different code: {_listed(files)} (-c git.commit; herd-results diff)"


def _packages(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, by_version in found.items():
        if len(by_version) > 1:
            yield f"these trials ran with different versions of {escaped(name)}: {_listed(sorted(by_version))}"


def _drifted(trials: TrialCollection) -> Iterator[str]:
    for sweep in trials.sweeps:
        members = [trial for trial in trials if trial.sweep == sweep] if len(trials.sweeps) > 1 else trials
        beyond = beyond_params(members, trials.params, several=False)
        if names := [*beyond.config, *beyond.rewritten]:
            yield f"the config of sweep {escaped(sweep.name)} was changed between its trials: {_listed(names)}"


def _listed(names: list[str]) -> str:
    more = f", ... {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(escaped, names[:_NAMED])) + more
