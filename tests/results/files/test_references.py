from __future__ import annotations

import time
from typing import Any

import pytest
from omegaconf import OmegaConf

from hyperherd.results.files.references import followed, followed_value

CONFIG: dict[str, Any] = {
    "a": 1,
    "b": "${a}",
    "c": {"d": "${.e}", "e": "x${..b}y", "f": ["${a}", "${.0}", 3]},
    "g": "${c}",
    "h": "${c.f.1}",
    "i": "${c[f][0]}",
    "k": "e",
    "l": "${c.${k}}",
    "m": r"\${a}",
    "n": r"\\${a}",
    "o": "${g.d}",
    "p": r"a\b${a}\c",
    "q": "${ a }",
    "s": None,
    "t": "${s}-${s}",
    "u": True,
    "v": "${u}!",
    "w": 1e-4,
    "x": "${w}/${w}",
}


@pytest.mark.parametrize("key", CONFIG)
def test_references_between_keys_are_followed_as_omegaconf_does(key: str) -> None:
    found = OmegaConf.create(CONFIG)[key]
    right = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    assert followed(CONFIG)[key] == right
    assert type(followed(CONFIG)[key]) is type(right)
    assert followed_value(CONFIG, [key]) == right


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:HOME}",
        "${oc.env:HOME}/${a}",
        "${eval:'1}'}",
        "${oc.select:a}",
        "${loud}",
        "${a.${oc.env:HOME}}",
        "${${name}HOME}",
        "${nothing}",
        "${.nothing}",
        "${.....a}",
        "${a",
        "${}",
        "${missing}",
        "${node}!",
        "${itself}",
    ],
)
def test_a_resolver_or_what_leads_nowhere_stays_as_written(text: str) -> None:
    config = {"a": 1, "name": "oc.env:", "loud": "${oc.env:HOME}", "missing": "???", "node": {"b": 2}, "itself": text}
    assert followed(config)["itself"] == text
    assert followed_value(config, ["itself"]) == text


@pytest.mark.parametrize(
    "bomb",
    [
        {**{f"k{i}": f"${{k{i + 1}}}${{k{i + 1}}}" for i in range(60)}, "k60": "x" * 1000},
        {**{f"k{i}": [f"${{k{i + 1}}}"] * 10 for i in range(40)}, "k40": 1},
        {**{f"k{i}": f"${{k{i + 1}}}" for i in range(5000)}, "k5000": 1},
        {"a": "${b}${b}", "b": "${a}${a}"},
        {"a": {"b": "${a}", "c": "${a}"}},
        {"a": "${" * 5000},
    ],
)
def test_a_few_kilobytes_cost_a_moment(bomb: dict[str, Any]) -> None:
    began = time.process_time()
    result = followed(bomb)
    assert time.process_time() - began < 5
    assert list(result) == list(bomb)
