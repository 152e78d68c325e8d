"""`herd-results completion SHELL`: a script that completes commands, options and values; shtab writes it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import PROGRAM, write
from hyperherd.compat.cpython import arguments_of
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.statistics.spread import KINDS

SHELLS = ("bash", "zsh", "fish")
_FUNCTION = f"_shtab_{PROGRAM.replace('-', '_')}"
_FOLDERS = {("export", "output")}
"""Command and option whose value is a folder."""
_NOT_FILES = {"command", "shell", "drawn", "numbers"}
"""Positional arguments that are not paths."""
_FALLBACKS = {
    # Without a command the words are paths and filters, where shtab's scripts expect a command.
    "bash": f"\ncomplete -o bashdefault -o default -F {_FUNCTION} {PROGRAM}\n",
    "zsh": f"""
functions[{_FUNCTION}_words]=$functions[{_FUNCTION}]
{_FUNCTION}() {{
  local -a kept=("${{words[@]}}")
  local place=$CURRENT
  {_FUNCTION}_words "$@"
  (( compstate[nmatches] )) && return
  words=("${{kept[@]}}") CURRENT=$place
  if typeset -p "{_FUNCTION}_${{kept[2]}}_options" &>/dev/null; then
    [[ $PREFIX == -* ]] || _files
  else
    _arguments -s "${{(@)${{(@){_FUNCTION}_options:#:*}}:#*:->*}}" '*:path:_files'
  fi
}}
""",
    "fish": f"\ncomplete -c {PROGRAM} -n {_FUNCTION}_using -F\n",
}
"""Shell -> what makes words that are none of the commands complete to files."""


def run(argv: Sequence[str]) -> int:
    """Print the completion script of a shell."""
    shell = make_parser().parse_args(argv).shell
    try:
        import shtab
    except ModuleNotFoundError:
        raise ResultsError("completion needs shtab: pip install 'hydra-hyperherd[completion]'") from None
    preamble = _FALLBACKS["zsh"] if shell == "zsh" else ""
    script = shtab.complete(_all_commands(shtab.FILE, shtab.DIRECTORY), shell, preamble=preamble)
    write(script + (_FALLBACKS[shell] if not preamble else "\n"))
    return 0


def _all_commands(file: object, folder: object) -> argparse.ArgumentParser:
    """Return one parser for the table and all commands below it, in which arguments know what completes them."""
    from hyperherd.cli.commands import table

    root = table.make_options()
    _mark_values(root, "", file, folder)
    commands = root.add_subparsers()
    for name, described in COMMANDS.items():
        parser: argparse.ArgumentParser = import_module(f"hyperherd.cli.commands.{name}").make_parser()
        _mark_values(parser, name, file, folder)
        commands.add_parser(name, help=described, description=described, parents=[parser], add_help=False)
    return root


def _mark_values(parser: argparse.ArgumentParser, command: str, file: object, folder: object) -> None:
    for action in arguments_of(parser):
        if choices := _choices(action.dest):
            action.choices = choices
        elif action.dest == "output" or (not action.option_strings and action.dest not in _NOT_FILES):
            action.complete = folder if (command, action.dest) in _FOLDERS else file  # type: ignore[attr-defined]


def _choices(name: str) -> Sequence[str]:
    """Return the values of an argument that a parser itself does not list: of some it takes several, or more."""
    if name == "fail_on":
        return tuple(dict.fromkeys(("missing", *(state.value for state in TrialState))))
    return {"command": tuple(COMMANDS), "err": KINDS, "only": ("pending",)}.get(name, ())


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "completion",
        description="Print a script by which a shell completes commands, options and their values.\n"
        "Requires: pip install 'hydra-hyperherd[completion]'",
        epilog="""\
examples:
  eval "$(herd-results completion bash)"                                            bash, in ~/.bashrc
  eval "$(herd-results completion zsh)"                                             zsh, in ~/.zshrc after compinit
  herd-results completion fish > ~/.config/fish/completions/herd-results.fish       fish, once
""",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    return parser
