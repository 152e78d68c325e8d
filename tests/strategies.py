"""Hypothesis strategies for what users sweep over, shared by the property tests."""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: "${" not in text)
"""Any text; interpolations mean something to OmegaConf and are tested apart."""

awkward = st.sampled_from(
    [
        "",
        " ",
        "a b",
        "a,b",
        "it's",
        '"',
        "\\",
        "\\'",
        "a=b",
        "{a:1}",
        "[1]",
        "null",
        "True",
        "1e-4",
        "1",
        "nan",
        "é",
        "\n",
        "~x",
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | awkward
dict_keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_\-.]{0,8}", fullmatch=True).filter(
    lambda key: key.lower() not in ("null", "true", "false", "nan", "inf")
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(dict_keys, inner, max_size=3), max_leaves=6
)


def same(left: object, right: object) -> bool:
    """Whether two values are equal in value and type at any depth, NaN being itself."""
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right
