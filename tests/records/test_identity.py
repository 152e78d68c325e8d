from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from strategies import same, values

from hyperherd.overrides import encode, parse_values
from hyperherd.records.identity import base_hash, trial_key


def test_spelling_does_not_matter_and_type_does() -> None:
    (hundredth,), (other,) = parse_values("lr", "1e-2"), parse_values("lr", "0.01")
    assert trial_key({"lr": hundredth}) == trial_key({"lr": other})
    assert trial_key({"a": 1, "b": 2}) == trial_key({"b": 2, "a": 1})
    assert len({trial_key({"a": value}) for value in (1, 1.0, True, "1", None, [1])}) == 6


@given(st.dictionaries(st.text(max_size=5), values, max_size=3))
def test_a_key_survives_the_way_through_hydra(params: dict[str, object]) -> None:
    read = {name: parse_values("key", encode(value))[0] for name, value in params.items()}
    assert all(same(read[name], params[name]) for name in params)
    assert trial_key(read) == trial_key(params)


def test_the_base_is_the_script_and_the_fixed_overrides_in_any_order() -> None:
    assert base_hash(["train.py"], ["a=1", "b=2"]) == base_hash(["train.py"], ["b=2", "a=1"])
    assert base_hash(["train.py"], ["a=1"]) != base_hash(["train.py"], ["a=2"])
    assert base_hash(["train.py"], []) != base_hash(["test.py"], [])
    assert base_hash(["train.py"], []) != base_hash(["train.py", "--config-name=other"], [])
