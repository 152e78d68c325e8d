"""What Hydra's own sweeper takes, ours takes, and means the same by it: a few hundred sweeps, both ways."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from composing import write_app
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hyperherd.errors import SpaceError
from hyperherd.overrides import parse
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.planning.plan import make_plan
from hyperherd.sweep.settings import SweepSettings

FILES = {
    "config": "defaults: [_self_, db: mysql, model/encoder: cnn]\nlr: 0.1\nx: null\nlst: [1, 2]\nd: {a: 1, b: {}}\n",
    "db/mysql": "host: h1\n",
    "db/postgres": "host: h2\n",
    "db/sqlite": "host: h3\n",
    "model/encoder/cnn": "k: 3\n",
    "model/encoder/vit": "p: 4\n",
}
VALUES = r"""
1,2
0.1,0.2
1e-3,1e-2
a,b
'a b',"c,d"
true,false
TRUE,False
null,1
[1,2],[3]
[[1],[2]],[3]
{a:1},{a:2}
{a:1,b:{c:5}},{}
{a/b:1},{-c:2}
{x+y:1,z%:2},{}
{a\:b:1},{z:2}
{1:2},{true:3}
{null:1},{1.5:2}
{a b:1},{c:2}
choice(1,2)
choice(a)
choice(range(1,3))
range(3)
range(0,1,0.5)
range(3,0,-1)
sort(3,1,2)
sort(b,a,reverse=true)
sort(range(3))
int(1.9,2.1)
float(1,2)
bool(1,0)
tag(t,choice(1,2))
tag(a,b,choice(1,2))
json_str([1,2])
nan,inf
+inf,-inf
NaN,Null
-1,+2
1_000,2
1__0,2
0x1,2
01,2
.5,1.
-.5,1
1e3,1000
1E5,2
${lr},${d.a}
${d.a},5
a/b,c.d
a-b,c_d
a:b,c
a@b,c
a%b,c
a+b,c
a?b,c
a|b,c
a,,b
\'q\',z
'it\'s',x
"a\"b",y
"a'b",'c"d'
a\,b,c
a\ b,c
\[1\],2
\{a\},2
\(a\),2
'[1]',[1]
'1',1
'true',true
'null',null
'${lr}',1
'',x
é,ü
日本,x
~x,y
$HOME,x
http://h:80/p?q=1,x
C:\\dir,x
C:\dir,x
1..3
1:2,3
(1,2)
a b,c d
  a , b
'  a ',b
1;2,3
#a,b
&a,b
*a,b
!a,b
%s,b
`x`,y
a=b,c=d
[a=b],c
{a:b=c},{a:1}
[1,'2',3.0,null,true],[]
{a:[1,{b:2}]},{a:[]}
['a,b','c]'],[d]
{a:'b}'},{c:"d"}
1,1,2
a,a
1.0,1
5
word
'quoted one'
[1,2]
{a:1}
null
extend_list(3),extend_list(4)
interval(1,2)
range(
{a:1
[1,
'a
"""
SWEEPS = [f"{key}={value}" for key in ("+new", "x") for value in VALUES.splitlines()[1:]]
KEYS = ["lr", "++new.key", "d", "lst.0", "db", "db@other", "+db@second", "model/encoder", "~x", "~db", "x@y"]
OPTIONS = [
    "1,2",
    "mysql,sqlite",
    "cnn,vit",
    "{a:1},{b:2}",
    "5",
    "glob(*)",
    "glob([my*,post*])",
    "glob(*,exclude=my*)",
    "[1,2]",
]
SWEEPS += [f"{key}={value}" for key, value in itertools.product(KEYS, OPTIONS)]
BETTER = {
    "+new=extend_list(3),extend_list(4)": "extend_list",
    "x=extend_list(3),extend_list(4)": "extend_list",
}
"""What Hydra 1.4 sweeps and ours answers in words."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> HydraApp:
    return write_app(tmp_path_factory.mktemp("app"), FILES)


def hydras(app: HydraApp, sweep: str) -> list[Any] | None:
    """Return what Hydra's own sweeper makes of a sweep: the key and the typed value of each job; None if it fails."""
    try:
        parsed = OverridesParser.create(config_loader=app.loader).parse_overrides([sweep])
        batches = BasicSweeper.split_arguments(parsed, None)
    except (HydraException, ValueError, NotImplementedError):
        return None
    return [meaning(job) for batch in batches for job in batch]


def meaning(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return key and typed value of each override, blind to how they are spelled."""
    found = []
    for text in texts:
        try:
            [argument] = parse([text])
        except HydraException:
            return [("fails", text)]
        sweep = argument.values if argument.value is None else argument.value
        found.append((f"{argument.prefix.replace('+', '')}{argument.name}", repr(sweep)))
    return found


def ours(app: HydraApp, sweep: str) -> list[Any] | str:
    """Return what ours makes of a sweep, or the message of its error."""
    try:
        return [meaning(draft.overrides) for draft in make_plan(app, [sweep], SweepSettings()).drafts]
    except (SpaceError, HydraException) as error:
        return str(error)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_sweep_means_what_it_means_to_hydra(app: HydraApp, sweep: str) -> None:
    theirs, found = hydras(app, sweep), ours(app, sweep)
    if theirs is None or sweep in BETTER:
        assert isinstance(found, str)
        assert BETTER.get(sweep, "") in found
    elif not theirs:  # a glob that matches nothing: no trial at all, without a word
        assert "glob(" in found
    elif sweep.startswith("~") and isinstance(found, str):
        assert "cannot be swept" in found
    else:
        assert sorted(found) == sorted(each for index, each in enumerate(theirs) if each not in theirs[:index])
