from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hyperherd.errors import FormatError
from hyperherd.results.files.yaml_files import read_yaml

LAUGHS = "a: &a [x]\n" + "".join(f"k{i}: &k{i} [{','.join([f'*k{i - 1}'] * 9)}]\n" for i in range(1, 12)).replace(
    "*k0", "*a"
)
MERGES = "k0: &k0 {a: 1}\n" + "".join(f"k{i}: &k{i} {{<<: [*k{i - 1}, *k{i - 1}]}}\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "values through its aliases"),
        (MERGES, "values through its aliases"),
        ("x: &x {y: *x}\n", "values through its aliases"),
        ("[" * 100_000, "flow level|levels deep"),
        ("- " * 5000 + "x", "levels deep"),
        ("? " * 5000 + "x", "levels deep"),
        ("-   " * 3000 + "x", "levels deep"),
        ("\n".join(" " * i + "a:" for i in range(400)), "levels deep"),
        ("a: !!int ''\n", "not valid YAML"),
        ("a: !!bool maybe\n", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_what_is_broken_or_would_grow_is_refused_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    began = time.process_time()
    with pytest.raises(FormatError, match=rf"config\.yaml.*{message}"):
        read_yaml(tmp_path / "config.yaml")
    assert time.process_time() - began < 3


def test_aliases_and_long_integers_that_do_no_harm_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"a: &a {{k: 1}}\nb: *a\nc: {{<<: *a, d: 2}}\nn: 0x{'f' * 5000}\nm: 0xff\n")
    found = read_yaml(path)
    assert (found["b"], found["c"], found["m"]) == ({"k": 1}, {"k": 1, "d": 2}, 255)
    assert found["n"] == f"0x{'f' * 5000}"
    path.write_text("")
    assert read_yaml(path) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(FormatError, match="not a regular file"):
        read_yaml(tmp_path / "config.yaml")
