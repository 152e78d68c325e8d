"""What every `--help` has, and spellings that are taken for one another."""

from __future__ import annotations

import argparse

import pytest

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.commands.cancel import run as cancel
from hyperherd.cli.main import main
from hyperherd.cli.options import add_judging
from hyperherd.errors import HyperherdError


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    page = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"  herd-results {command}".rstrip() in page.partition("examples:\n")[2]
    assert max(map(len, page.splitlines())) <= 120


@pytest.mark.parametrize(("text", "direction"), [("max", "max"), ("maximize", "max"), ("minimize", "min")])
def test_both_words_for_a_direction(text: str, direction: str) -> None:
    parser = argparse.ArgumentParser()
    add_judging(parser)
    assert parser.parse_args(["--direction", text]).direction == [direction]


@pytest.mark.parametrize("text", ["0..4", "0-4", "1,3..4,7-9"])
def test_both_spellings_of_a_range(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nothing")
    with pytest.raises(HyperherdError):  # The numbers were understood: the sweep is what is missing.
        cancel([str(folder), "--only", text])
