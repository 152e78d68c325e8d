"""What programs are promised about JSON, held against what the commands write."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_commands import strictly, swept
from results.builder import SweepBuilder, every_state, sweep24

from hyperherd import load, results
from hyperherd.cli.main import main
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.results import pages

__all__ = ["swept"]
SCHEMA = json.loads((Path(pages.__file__).parent / "commands.schema.json").read_text())
Ask = Callable[..., list[Any]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command and returns the JSON documents, one a line or one in all."""

    def asked(*arguments: object) -> list[Any]:
        main([str(argument) for argument in arguments])
        text = capsys.readouterr().out
        return list(map(strictly, text.splitlines())) if "jsonl" in arguments else [strictly(text)]

    return asked


def closed(node: Any) -> Any:
    """Return a schema that takes no keys but those it names: what we write, we also promise."""
    if isinstance(node, list):
        return list(map(closed, node))
    if not isinstance(node, dict):
        return node
    more = {"additionalProperties": False} if "properties" in node and node.get("type") == "object" else {}
    return {**{key: closed(value) for key, value in node.items()}, **more}


def check(name: str, documents: list[Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator({**closed(SCHEMA), "$ref": f"#/$defs/{name}"})
    for document in documents:
        validator.validate(document)


COMMANDS = [
    ("show", ["show", "{}", 2]),
    ("best", ["best", "{}", "-k", 5]),
    ("best --seeds", ["best", "{}", "--seeds", "5..6"]),
    ("failures", ["failures", "{}"]),
    ("effects", ["effects", "{}"]),
    ("diff", ["diff", "{}", 1, 4]),
]


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
@pytest.mark.parametrize("kind", ["swept", "states", "plain"])
def test_commands(
    request: pytest.FixtureRequest, tmp_path: Path, ask: Ask, kind: str, name: str, arguments: list[object]
) -> None:
    folder = every_state(tmp_path / "s").dir if kind == "states" else request.getfixturevalue(kind) / "multirun"
    check(name, ask(*(folder if item == "{}" else item for item in arguments), "-f", "json"))


@pytest.mark.parametrize("more", [[], ["--by", "model", "-m", "val/acc", "-m", "train/loss:min"], ["seed=1"]])
def test_compare(tmp_path: Path, ask: Ask, more: list[str]) -> None:
    sweep = sweep24(tmp_path / "s").dir
    check("compare", ask("compare", "lr=0.01", "lr=0.1,0.001", sweep, *more, "-f", "json"))


def test_every_trial_that_can_be_shown(tmp_path: Path, ask: Ask) -> None:
    folder = every_state(tmp_path / "s").dir
    for trial in load(folder):
        check("show", ask("show", folder, trial.label, "-f", "json"))


def test_watch_and_sql(swept: Path, ask: Ask) -> None:
    check("watch", ask("watch", swept / "multirun", "-f", "jsonl"))
    pytest.importorskip("duckdb")
    check("sql", ask("sql", "from trials", swept / "multirun", "-f", "json"))


def test_the_words_are_ours() -> None:
    assert set(SCHEMA["$defs"]["state"]["enum"]) == {state.value for state in TrialState}
    assert set(SCHEMA["$defs"]["cause"]["enum"]) == {cause.value for cause in FailureCause}


def test_several_objectives_are_as_promised(tmp_path: Path, ask: Ask) -> None:
    sweep = SweepBuilder(tmp_path / "s", [("loss", "minimize"), ("speed", "maximize")], seed_key="seed")
    for number, pair in enumerate([(1.0, 1.0), (2.0, 2.0), (3.0, 1.0), (math.nan, 1.0)]):
        for seed in range(2):
            values = {"loss": pair[0] + seed / 10, "speed": pair[1]}
            sweep.trial(values, params={"x": number, "seed": seed})
    check("best of several objectives", ask("best", sweep.dir, "-f", "json", "--close"))
    check("best --seeds", ask("best", sweep.dir, "-f", "json", "--seeds", "5..6"))
    schema = json.loads((Path(results.__file__).parent / "schema.json").read_text())
    for options in ((), ("--seeds",)):
        [document] = ask(sweep.dir, "-f", "json", *options)
        pytest.importorskip("jsonschema").validate(document, schema)
        assert [trial["front"] for trial in document["trials"]] == [True, True, True, True, False, False, None, None]
