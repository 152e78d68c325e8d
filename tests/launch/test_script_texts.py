"""What may stand in the script of a job: no value begins a line of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.settings import check_texts, read_cluster_settings
from hyperherd.launch.lsf.options import LsfParameters
from hyperherd.schemas import HerdLsfLauncherConf, HerdSlurmLauncherConf

CONTROL = ("a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\tb")


@pytest.mark.parametrize("schema", [HerdSlurmLauncherConf, HerdLsfLauncherConf])
@pytest.mark.parametrize("text", CONTROL)
def test_control_characters_are_refused_wherever_they_stand(tmp_path: Path, schema: Any, text: str) -> None:
    plain = {key: value for key, value in dataclasses.asdict(schema()).items() if not key.startswith("_")}
    plain |= {"submitit_folder": str(tmp_path), "name": "app"}
    read_cluster_settings("herd", plain, tmp_path)
    places: list[dict[str, Any]] = [{key: text} for key, value in plain.items() if isinstance(value, str)]
    places += [{key: text} for key in ("python", "dependency")]
    places += [{"env": {"A": text}}, {"env": {text: "1"}}, {"env": {"A B": "1"}}]
    places += [{"additional_parameters": change} for change in ({"x": text}, {text: "1"}, {"x": [text]}, {"x y": 1})]
    if text != "a\nb" and text != "a\tb":  # a setup of several lines is one text
        places += [{"setup": ["module load x", text]}, {"teardown": [text]}]
    for change in places:
        with pytest.raises(SweepError, match=f"hydra.launcher.{next(iter(change))}: "):
            read_cluster_settings("herd", {**plain, **change}, tmp_path)


def test_a_setup_of_several_lines() -> None:
    check_texts({"setup": ["if true; then\n\tmodule load x\nfi"]})


def test_what_a_trial_has_of_its_own() -> None:
    with pytest.raises(SweepError, match=r"hydra\.launcher\.partition: 'gpu\\n#SBATCH"):
        check_texts({"partition": "gpu\n#SBATCH --uid=0"})


@pytest.mark.parametrize("text", [text for text in CONTROL if text != "a\nb"])
@pytest.mark.parametrize("place", ["queue", "env", "additional_parameters"])
def test_of_lsf_without_hydra(place: str, text: str) -> None:
    value = {"queue": text, "env": {"A": text}, "additional_parameters": {"x": text}}[place]
    with pytest.raises(ValueError, match="control character"):
        LsfParameters(**{place: value}).check()  # type: ignore[arg-type]
