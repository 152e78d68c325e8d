"""Command lines as LSF reads them: one table of options a command, anything else is refused."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace

from .wire import CommandError

USAGE = "Usage: {0} [-h] [-V] [options] [arguments]"

RIVALS = {"o": "oo", "oo": "o", "e": "eo", "eo": "e", "r": "rn", "rn": "r"}  # one replaces the other


@dataclass(frozen=True)
class Options:
    """The options of one command: those that take a value, those that do not, those that exist but are not emulated."""

    command: str
    valued: frozenset[str]
    flags: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    newer: frozenset[str] = frozenset()  # than the old version that settings.py can ask for

    def without_newer(self) -> Options:
        """The options that the old version has."""
        return replace(
            self,
            valued=self.valued - self.newer,
            flags=self.flags - self.newer,
            repeated=self.repeated - self.newer,
            newer=frozenset(),
        )

    def error(self, text: str) -> CommandError:
        return CommandError(f"{self.command}: {text}\n{USAGE.format(self.command)}")


@dataclass
class Parsed:
    """What a command line held. A repeated option's values are in `repeated`; of any other the last one counts."""

    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    repeated: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def over(self, weaker: Parsed) -> Parsed:
        """These options, and those of `weaker` that they do not say anything about."""
        said = {RIVALS[name] for name in (*self.values, *self.flags) if name in RIVALS}
        kept = {name: value for name, value in weaker.values.items() if name not in said}
        return Parsed(
            {**kept, **self.values},
            (weaker.flags - said) | self.flags,
            {**weaker.repeated, **self.repeated},
            self.rest,
        )


def parse(table: Options, arguments: list[str]) -> Parsed:
    """Options up to the first word that is none; the rest is the command, or ids."""
    parsed = Parsed()
    words = list(arguments)
    while words and words[0].startswith("-") and len(words[0]) > 1:
        option = words.pop(0)[1:]
        if option == "-":
            break
        if option in table.flags:
            parsed.flags.add(option)
        elif option in table.valued | table.repeated:
            if not words:
                raise table.error(f"option requires an argument -- {option}")
            if option in table.repeated:
                parsed.repeated.setdefault(option, []).append(words.pop(0))
            else:
                parsed.values[option] = words.pop(0)
        elif option in table.refused:
            raise table.error(f"option -{option} is not emulated")
        else:
            raise table.error(f"illegal option -- {option}")
    parsed.rest = words
    return parsed


def parse_mixed(table: Options, arguments: list[str]) -> Parsed:
    """The same where options may also follow the ids."""
    whole = parse(table, arguments)
    ids: list[str] = []
    while whole.rest:
        ids.append(whole.rest[0])
        whole = parse(table, whole.rest[1:]).over(whole)
    whole.rest = ids
    return whole


def embedded(script: str) -> list[str]:
    """The words of all #BSUB lines of a script."""
    words: list[str] = []
    for line in script.splitlines():
        if not line.startswith("#BSUB"):
            continue
        try:
            words += shlex.split(line[len("#BSUB") :], comments=True)
        except ValueError as problem:
            raise CommandError(f"{line}: {problem}. Job not submitted.") from None
    return words


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BSUB = Options(
    "bsub",
    _names("J o oo e eo W We wa wt Q n M gpu q P G app m cwd Jd sp w env u g"),  # -u and -g change nothing here
    _names("r rn x H N ti"),
    _names("R"),
    _names(
        "U K I Ip Is IS ISp ISs IX B E Ep b t T U sla k f L c v i is D F S C p a ar ext hl jsdl nn outdir sr ul rnc"
    ),
    newer=_names("gpu env rn ti"),
)
BMOD = Options(
    "bmod", _names("J W Q n M q sp w Jd P"), _names("Wn Qn Mn wn spn Jdn"), _names("R"), _names("o e gpu m app")
)
BJOBS = Options(
    "bjobs",
    _names("J q u m P G app o"),
    _names("a A d l r p s w noheader json"),
    refused=_names("g W WL WF WP sum X hms script fwd UF cname plan psum aff gpu x N rusage"),
    newer=_names("o noheader json"),
)
BKILL = Options("bkill", _names("J q u m s app"), _names("r d"), refused=_names("g l b stat C"))
BSTOP = Options("bstop", _names("J q u m"), refused=_names("a d g"))
BRESUME = Options("bresume", _names("J q u m"), refused=_names("a d g"))
BREQUEUE = Options("brequeue", _names("J u q"), _names("a d e r p H"))
BHIST = Options("bhist", _names("J u q n P"), _names("a d l"), refused=_names("b e f p r s t w T C D S N"))
BACCT = Options("bacct", _names("q u P m"), _names("l"), refused=_names("b d e f w x C D S N U sla"))
BPEEK = Options("bpeek", frozenset(), refused=_names("f J q m"))
PLAIN = {name: Options(name, frozenset(), refused=_names("w l")) for name in ("lsid", "bqueues", "bhosts")}
PLAIN["bparams"] = Options("bparams", frozenset(), _names("a"), refused=_names("l"))
