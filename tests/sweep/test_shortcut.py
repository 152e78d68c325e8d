"""The short way says what Hydra's full composition says, whatever the config and the overrides."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
from composing import CONFIG, FILES, NEWER, on_any_hydra, schemas, verdicts, write_app
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hyperherd.sweep.validation import override_parts as steps
from hyperherd.sweep.validation.template import Template

__all__ = ["schemas"]
pytestmark = [on_any_hydra, pytest.mark.usefixtures("schemas")]


@dataclass
class Case:
    """Trials that a careless shortcut gets wrong.

    Attributes:
        why: what is difficult about them.
        trials: one line each.
        told: what becomes of each, as in `Verdicts.told`.
        hydra: overrides of `hydra.*` on the command line.
        files: the configs of the app.
        newer: `told` in Hydra 1.4, where that differs.
    """

    why: str
    trials: str
    told: str
    hydra: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=lambda: FILES)
    newer: str | None = None


_SUBDIR = "hydra.sweep.subdir"
CASES = {
    "independent values": Case("what the short way is for", "lr=1 seed=2\nlr=2 seed=2\nlr=2 n.a=1", "+++"),
    "values that options lack": Case(
        "opt.momentum is there with sgd only, which model=b replaces by adam",
        "opt.momentum=1\nmodel=b opt.momentum=1\nmodel=b opt.beta=1\nopt=adam opt.beta=1",
        "+x++",
    ),
    "override of a group that a group overrides": Case(
        "the command line beats model/b, so momentum is back",
        "model=b opt=sgd opt.momentum=1\nopt=sgd model=b opt.beta=1",
        "+x",
    ),
    "a leaf in one option, a dict in the other": Case(
        "model.extra.one exists under a; under c extra is a leaf that would be replaced",
        "model.extra.one=2\nmodel=c model.extra.one=2\nmodel=c model.extra=2\nmodel.extra=2",
        "+x+.",
    ),
    "packages": Case(
        "one group at two packages: the choices are apart",
        "data@train=large train.columns=1\ndata@train=large test.columns=1",
        "+x",
    ),
    "package that is not there": Case(
        "data@other is in no defaults list", "data@other=large lr=1\n+data@other=large other.rows=1", "x+"
    ),
    "group that only one option brings": Case("third comes with model=c", "third.rows=1\nmodel=c third.rows=1", "x+"),
    "appended group": Case("+g=x makes nodes that overrides may set", "+data=large data.rows=1\ndata.rows=1", "+x"),
    "deleted group": Case(
        "~opt takes the node of other overrides away", "~opt opt.momentum=1\n~opt lr=1\n~opt=adam lr=1", "x+x"
    ),
    "key and its prefix": Case(
        "each is fine alone; in one order the second has no place",
        "n.b=1 n.b.c=2\nn.b.c=2 n.b=1\nn.b.c=2\nn.b=1",
        "x.+.",
    ),
    "key deleted with its prefix": Case("n.b goes, then n.b.c is set", "~n.b n.b.c=1\nn.b.c=1 ~n.b\n~n.b n.a=3", "x.+"),
    "equal keys": Case(
        "the last wins, and `+` after a value is an error",
        "lr=1 lr=2\nlr=1 +lr=2\n+new=1 +new=2\n+new=1 ++new=2",
        ".xx.",
    ),
    "adding": Case(
        "`+` on what exists; without it on what does not", "+lr=1\n+new=1\nnew=1\n+n.new=1 lr=1\n+n.deep.new=1", "x+x+."
    ),
    "adding to null and ???": Case("`+` takes null and ??? for absent", "+none=1\n+miss=1\n+none=1 +none=2", "..x"),
    "forced": Case(
        "`++` always fits, where no type forbids it",
        "++lr=1\n++new=1\n++t.i=1\n++t.i=no\n++t.new=1\n++lr.x=1",
        "+++x+.",
    ),
    "deleting": Case(
        "what is there, what is not, and with a value",
        "~lr\n~new\n~lr=0.1\n~lr=0.2\n~none\n~n\n~t.i",
        "+x.xx+x",
        newer="+x.x++x",
    ),
    "through an interpolation": Case(
        "ref is n: both overrides write n.a, and the first is not a prefix of the second",
        "++ref.a=1 n.a=2\n++ref.a=1\nn.a=2 ++ref.a=1\nref.a=1",
        "...x",
        newer="....",
    ),
    "an interpolation that an override turns": Case(
        "choose is options.a, a leaf, until which=b makes it a dict",
        "choose.x=1\nwhich=b choose.x=1\nwhich=a choose=3",
        "xx+",
        newer="x.+",
    ),
    "setting an interpolation": Case(
        "it is replaced without being resolved", "n.alias=1\nref=1\nref=null\nlr=2 n.alias=3", "++++"
    ),
    "interpolation as value": Case(
        "nothing is checked until it is read", "lr=${nowhere}\nt.i=${name}\nlr=${n.a} n.a=2", "..."
    ),
    "types": Case(
        "every typed field, right and wrong",
        "t.i=1\nt.i=1.5\nt.i=word\nt.i=null\nt.f=1\nt.f=word\nt.b=yes\nt.b=word\nt.s=1\nt.p=a/b\nt.e=RED\nt.e=GREEN\nt.e=2\n"
        "t.oi=null\nt.oi=3\nt.oi=x\nt.any=word\nt.any=[1,2]\nt.miss=4\nt.miss=x\nt.new=1",
        "+xxx+x+x+++x+++x+++xx",
    ),
    "unions": Case("a union keeps the type it has", "t.u=2\nt.u=word\nt.u=1.5\nt.u=[1]\nt.u=2 t.i=3", "..xx."),
    "lists": Case(
        "typed elements, indices, lists in place of other things",
        "layers=[3]\nlayers=[]\nt.li=[3,4]\nt.li=[a]\nt.li=5\nlr=[1]\nt.i=[1]\nlayers.0=7\nlayers.5=7\n"
        "layers=[3] layers.0=7\nlayers=3",
        "+++xx+x.x.+",
    ),
    "dicts": Case(
        "merged into what is there, under its struct flags",
        "n={a:2}\nn={new:2}\nt.di={one:2}\nt.di={two:2}\nlr={x:1}\nn={a:2} n.a=3",
        ".x.x..",
    ),
    "typed dicts": Case(
        "closed by Hydra's struct flag; values typed",
        "t.di.one=2\nt.di.two=2\n+t.di.two=2\n+t.di.two=x\nt.di.one=x",
        "+x+xx",
    ),
    "keys with several spellings": Case(
        "RED, and `true` and `yes`, are other keys than they look",
        "t.dc.RED=2\n+t.dc.BLUE=2\n+t.dc.RED=2\nt.db.true=1\n+t.db.no=1 +t.db.false=2",
        "..xxx",
    ),
    "structured dicts": Case(
        "whole nodes of a schema",
        "t.inner.width=1\nt.inner.width=x\nt.inner.tag=x\nt.inner=1\nt.inner={width:2}\nt.on={width:2}\nt.on.width=1\n"
        "t.on=null",
        "+x+x.xx.",
        newer="+x+x..x.",
    ),
    "read-only": Case(
        "what is frozen stays so, at any depth", "frozen.x=2\nfrozen.y.z=2\n+frozen.new=1\n~frozen.x\nlr=1", "xxxx+"
    ),
    "missing values": Case("??? as a value, and in place of one", "miss=1\nmiss=???\nlr=???\nlr=1 miss=2", "+..+"),
    "sweeps and broken texts": Case("no trial holds a sweep", "lr=1,2\nlr=range(3)\nlr=[1\n=3\nlr", "xxxxx"),
    "quoted, escaped and odd values": Case(
        "the grammar decides", "name='a,b'\nname=\"it's\"\nname=a\\,b\nname=\nname='${x}'\nname=a:b", "++++.+"
    ),
    "odd keys": Case(
        "value paths or groups by their look", "n[a]=1\nmodel/a=1\nlr@x=1\nn.b[c]=1\nn..a=1", "xxxxx", newer=".xx.x"
    ),
    "overrides of hydra": Case(
        "they are Hydra's business",
        f"{_SUBDIR}=x\n{_SUBDIR}=${{lr}} lr=2\nhydra.job.name=x\nhydra/job_logging=none\n++hydra.new=1",
        ".....",
    ),
    "the directory needs a value": Case(
        "swept, typed, from a group, or through others",
        "lr=1\nlr=1e-3\nlr=null\nlr=word\nmodel=e lr=3\nmodel=d lr=3\nmodel=d seed=3\nlr=[1]\n~lr",
        "++x++++xx",
        (f"{_SUBDIR}='${{lr}}'",),
    ),
    "the directory goes through interpolations": Case(
        "chain is name; n.alias is lr",
        "name=x lr=1\nlr=2\nchain=y\nn.alias=3\nname=${lr}",
        "++++.",
        (f"{_SUBDIR}='${{chain}}-${{n.alias}}'",),
    ),
    "the directory chooses what it reads": Case(
        "what it reads depends on a value",
        "which=b\nwhich=a options.a=4",
        "x.",
        (f"{_SUBDIR}='${{options.${{which}}}}'",),
    ),
    "the directory asks a resolver": Case(
        "which may read anything", "lr=1\nseed=3", "..", (f"{_SUBDIR}='${{peek:lr}}'",)
    ),
    "the directory holds the job's overrides": Case(
        "all of them, sorted, choices too",
        "seed=1 lr=2\nmodel=b lr=3\n+new=1 name='a_b'\n~lr seed=1\nn={a:1}",
        "++++.",
        (f"{_SUBDIR}='${{hydra.job.override_dirname}}'",),
    ),
    "the directory names one override": Case(
        "by its place in the list", "seed=1 lr=2\nmodel=b lr=3", "..", (f"{_SUBDIR}='${{hydra:overrides.task.0}}'",)
    ),
    "the directory is unknown before launch": Case(
        "the id of the job", "lr=1", "+", (f"{_SUBDIR}='${{hydra.job.id}}'",)
    ),
    "the directory names choices": Case(
        "as Hydra notes them",
        "model=b lr=1\nlr=2",
        "++",
        (f"{_SUBDIR}='${{hydra:runtime.choices.model}}-${{hydra:job.num}}'",),
    ),
    "the job's name is a value": Case(
        "Hydra looks whether it is missing, and the directory uses it",
        "name=x\nlr=2\nmiss=1 lr=2",
        ".++",
        ("hydra.job.name='${chain}'", f"{_SUBDIR}='${{hydra.job.name}}'"),
    ),
    "the job's name is missing in the base": Case(
        "an interpolation of ??? counts as a name, which nothing can resolve",
        "miss=x\nlr=2",
        ".x",
        ("hydra.job.name='${miss}'", f"{_SUBDIR}='${{hydra.job.name}}_${{hydra.job.num}}'"),
    ),
    "hydra reads a value of the user's": Case(
        "env_copy names a variable, and Hydra looks it up",
        "name=PATH\nname=NO_SUCH_VARIABLE\nlr=1",
        ".x+",
        ("hydra.job.env_copy=['${which_variable}']",),
        {**FILES, "config": CONFIG.replace("name: run", "name: PATH") + "which_variable: ${name}\n"},
    ),
    "hydra is elsewhere": Case(
        "a node of Hydra's is one of the user's",
        "mine.A=x\nlr=2",
        "..",
        ("hydra.job.env_set='${mine}'",),
        files={
            **FILES,
            "config": CONFIG + "mine: {A: b}\n",
        },
    ),
    "interpolated choice of a group": Case(
        "the option of one group follows another's, not the value of that name",
        "model=b other_b=2\nmodel=a other_a=2\nmodel=b other_a=2\nkind=b other_a=2",
        "++x+",
        files={
            "config": "defaults: [model: a, {other: 'from_${model}'}, _self_]\nkind: a\n",
            "model/a": "size: 1\n",
            "model/b": "size: 2\n",
            "other/from_a": "# @package _global_\nother_a: 1\n",
            "other/from_b": "# @package _global_\nother_b: 1\n",
        },
    ),
    "a folder that is no group": Case(
        "any folder beside the configs is a group to Hydra, so the value of that name cannot be overridden",
        "logs=x\nlr=2",
        "x+",
        files={"logs/deeper/nothing": "", "config": "logs: here\nlr: 1\n"},
    ),
    "a group that must be chosen": Case(
        "the base has none",
        "model=a size=1\nlr=1\nmodel=a model.size=2",
        "xx+",
        files={"config": "defaults:\n  - model: ???\n  - _self_\nlr: 1\n", "model/a": "size: 1\n"},
    ),
    "a broken option": Case(
        "its values clash with the schema: not the override's fault",
        "model=bad lr=1\nmodel=none lr=1\nlr=1",
        "xx+",
        files={**FILES, "model/bad": "# @package _global_\nt: {i: word}\n"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_designed_cases(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    told = case.newer if case.newer is not None and NEWER else case.told
    app = write_app(tmp_path, case.files, *case.hydra)
    assert verdicts(app, [line.split() for line in case.trials.splitlines()]).told == told, case.why


@given(st.from_regex(r"[a-z_.]{1,4}=-?[0-9_]{1,3}(\.[0-9]{0,2})?(e-?[0-9])?", fullmatch=True))
def test_numbers_are_read_as_hydra_reads_them(text: str) -> None:
    mine = steps._plain_number(text)
    if mine is not None:
        (hydras,) = OverridesParser.create().parse_overrides([text])
        assert (mine, type(mine.value())) == (hydras, type(hydras.value()))


def test_what_was_tried_with_one_value_holds_for_the_next_of_its_type(tmp_path: Path) -> None:
    """Each value in its turn, after all others at the same entry, beside the same value on a template of its own."""
    app = write_app(tmp_path, FILES)
    config = app.compose([], 0, "0")
    reader, template = steps.PartReader(app), Template(app, config)
    values = ("1", "2", "0.5", "-0.0", "word", "null", "true", "[1,2]")
    keys = ("lr", "none", "layers", "new", "t.i", "t.f", "t.any", "t.di.two")
    untried = 0
    for key, prefix in product(keys, ("", "++")):
        for value in values:
            part = reader.read(f"{prefix}{key}={value}")
            if isinstance(part, steps.Step):
                alone = Template(app, copy.deepcopy(config))
                assert template.admits(part) is alone.admits(part), part.text
                assert repr(template._leaves(part)) == repr(alone._leaves(part)), part.text
                untried += part.text not in template._left
    assert 0 < untried < len(keys) * len(values)


def _words(text: str) -> list[str]:
    return text.split()


VALUES = ["1", "0.5", "word", "null", "true", "RED", "[1,2]", "[a]", "{a:1}", "???", "${lr}", "'a b'", "a", "b", "x/y"]
KEYS = _words("""
lr seed name none miss layers layers.0 n n.a n.b n.b.c n.alias n.new new new.x ref ref.a chain which choose
choose.x options.a options.b.x t.i t.f t.b t.s t.p t.e t.oi t.u t.li t.li.0 t.di t.di.one t.di.two t.dc.RED t.db.true
t.db.yes t.ln t.inner t.inner.width t.on t.on.width t.any t.any.x t.miss frozen.x frozen.y.z model model.size
model.kind model.extra model.extra.one model.heads opt.momentum opt.beta train.rows third.rows""")
CHOICES = _words("""
model=a model=b model=c model=d model=e opt=sgd opt=adam data@train=large data@test=large data@third=small
+data@more=large ~opt ~data@test ~model=a""")
SUBDIRS = _words(r"""
${hydra.job.num} ${lr} ${lr}_${seed} x${n.alias}.${n.b.c} ${model.size}/${hydra:job.num} ${chain}
${hydra.job.override_dirname} ${hydra:runtime.choices.opt} ${options.${which}} ${peek:lr} ${ref.a} ${new} ${n.b}
${hydra.job.name} ${hydra.job.id}/${t.u} ${t.any} ${t.inner.tag} ${t.e}-${t.f} constant ${now:%Y}${name} ${layers}
${none}${flag} \${lr}""")
NAMES = ["app", "${name}", "${model.kind}", "${options.${which}}", "${n.alias}"]

prefixes = st.sampled_from(["", "", "", "", "+", "++"])
settings_of_values = st.builds("{}{}={}".format, prefixes, st.sampled_from(KEYS), st.sampled_from(VALUES))
likely = st.sampled_from(
    _words("""lr=1 lr=2 seed=3 name=x n.a=5 n.b.c=5 which=b t.i=4 t.f=1 t.e=BLUE t.any=z layers=[3] +new=1 ++n.new=2
    model.size=3 opt.beta=1""")
)
overrides = likely | settings_of_values | st.sampled_from(CHOICES) | st.builds("~{}".format, st.sampled_from(KEYS))
VARIANTS = {
    "lr": ["0.1", "${seed}", "???", "null", "{x: 1}", "[1]"],
    "name": ["run", "${n.b.d}", "${which}"],
    "ref": ["${n}", "${t.inner}", "${model}", "${choose}"],
    "which": ["a", "b", "${name}"],
    "n": ["{a: 1, b: {c: 2, d: deep}, alias: '${lr}'}", "{a: '${.b.c}', b: {c: '${seed}'}, alias: '${ref.a}'}", "null"],
    "options": ["{a: 1, b: {x: 2}}", "{a: '???', b: '${t.i}'}"],
}


@st.composite
def configs(draw: st.DrawFn) -> dict[str, str]:
    lines = [line for line in CONFIG.splitlines() if line.split(":")[0] not in VARIANTS]
    lines += [f"{key}: {draw(st.sampled_from(texts))}" for key, texts in VARIANTS.items()]
    return {**FILES, "config": "\n".join(lines)}


@pytest.mark.filterwarnings("ignore")  # what Hydra and OmegaConf say of odd configs is not at issue
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink what fails would compose for minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_the_short_way_agrees_with_composing(data: st.DataObject) -> None:
    """Random trials of few overrides, so that they meet in many combinations, over configs with everything in them."""
    pool = data.draw(st.lists(overrides, min_size=3, max_size=6, unique=True))
    trials = data.draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=4), min_size=3, max_size=5))
    hydras = (
        f"hydra.sweep.subdir='{data.draw(st.sampled_from(SUBDIRS))}'",
        f"hydra.job.name='{data.draw(st.sampled_from(NAMES))}'",
    )
    with tempfile.TemporaryDirectory() as folder:
        verdicts(write_app(Path(folder), data.draw(configs()), *hydras), trials)
