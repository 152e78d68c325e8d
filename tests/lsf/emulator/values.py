"""The values of bsub's options, understood or refused with LSF's words."""

from __future__ import annotations

import re
import signal

from .jobs import parse_indices
from .wire import CommandError

MAX_NAME = 4094
MAX_SPEC = 255
SECTIONS = ("select", "rusage", "span", "order", "same", "cu", "affinity")
RESOURCES = ("mem", "swp", "tmp", "ut", "r15s", "r1m", "r15m", "pg", "io", "ls", "it", "slots", "type", "model")
OLD_GPU_RESOURCES = ("ngpus_excl_p", "ngpus_physical", "ngpus_shared", "ngpus_excl_t")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
GPU_KEYS = {
    "num": r"[1-9]\d*(/(task|host))?",
    "mode": r"shared|exclusive_process",
    "mps": r"(yes|no|per_socket|per_gpu)(,(shared|nocvd))*",
    "j_exclusive": r"yes|no",
    "aff": r"yes|no|strict",
    "block": r"yes|no",
    "gmodel": r"[\w.\-]+",
    "gtile": r"!|\d+",
    "gmem": r"\d+(\.\d+)?([KMGT]B?)?",
    "gvendor": r"nvidia|amd",
    "mig": r"\d+(/\d+)?",
    "glink": r"yes|no|nvlink|xgmi",
}


def not_submitted(text: str) -> CommandError:
    return CommandError(f"{text}. Job not submitted.")


def bad_resources(detail: str = "") -> CommandError:
    return not_submitted(f"{detail + ': ' if detail else ''}Bad resource requirement syntax")


def minutes(text: str, complaint: str) -> float:
    """[hour:]minute; seconds, fractions and units are unknown to LSF."""
    found = re.fullmatch(r"(?:(\d+):)?(\d+)", text.strip())
    if not found:
        raise not_submitted(f"{text}: {complaint}")
    return int(found[1] or 0) * 60.0 + int(found[2])


def run_limit(text: str) -> float:
    """-W [hour:]minute[/host]."""
    limit = minutes(text.partition("/")[0], "Bad RUNLIMIT specification")
    if limit <= 0:
        raise not_submitted(f"{text}: Bad RUNLIMIT specification")
    return limit


def signal_name(text: str) -> str:
    """USR2, SIGUSR2 or 12 as USR2."""
    if text.isdigit():
        for known in signal.Signals:
            if known.value == int(text):
                return known.name[3:]
    name = text.upper().removeprefix("SIG")
    if f"SIG{name}" not in signal.Signals.__members__:
        raise CommandError(f"{text}: Illegal signal value")
    return name


def job_name(text: str, max_array: int) -> tuple[str, list[int], str, int, int]:
    """name[1-10:2]%3 as its name, indices, array text, limit and step; no indices for a plain name."""
    if len(text) > MAX_NAME:
        raise not_submitted("Job name is too long")
    if "[" not in text and "]" not in text:
        if "%" in text or not text.strip():
            raise not_submitted(f"{text}: Bad job name")
        return text, [], "", 0, 1
    found = re.fullmatch(r"([^\[\]%]*)\[([^\[\]]*)\](?:%(\d+))?", text)
    if not found or len(text) - len(found[1]) > MAX_SPEC:
        raise not_submitted(f"{text}: Bad job name")
    try:
        indices = parse_indices(found[2])
    except ValueError as problem:
        raise not_submitted(str(problem)) from None
    if indices[-1] > max_array or len(indices) > max_array:
        raise not_submitted("Job array index too large")
    if found[3] == "0":
        raise not_submitted(f"{text}: Bad job array slot limit")
    steps = re.findall(r":(\d+)", found[2])
    step = int(steps[0]) if steps else 1
    return found[1], indices, text[len(found[1]) :], int(found[3] or 0), step


def requeue_codes(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """-Q "all ~1 EXCLUDE(9)" as the codes that requeue, and those of them that also leave the host."""
    codes: set[int] = set()
    excluded: set[int] = set()
    for word in re.findall(r"EXCLUDE\([^)]*\)|\S+", text):
        inside = re.fullmatch(r"EXCLUDE\(([\d ]*)\)", word)
        if inside:
            excluded.update(int(number) for number in inside[1].split())
        elif word == "all":
            codes.update(range(1, 256))
        elif re.fullmatch(r"~?\d+", word) and int(word.lstrip("~")) < 256:
            number = int(word.lstrip("~"))
            (codes.discard if word[0] == "~" else codes.add)(number)
        else:
            raise not_submitted(f"{text}: Bad requeue exit values")
    return frozenset(codes | excluded), frozenset(excluded)


def memory(text: str, unit: str) -> int:
    """A limit in bytes; without a suffix it is in LSF_UNIT_FOR_LIMITS, KB where that is not set."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:([KMGT])B?)?!?", text, re.IGNORECASE)
    if not found:
        raise not_submitted(f"{text}: Bad MEMLIMIT specification")
    return int(float(found[1]) * UNITS[(found[2] or unit[:1] or "K").upper()])


def slots(text: str, limit: int) -> int:
    """-n N or N,max; the smaller number is what the job gets."""
    found = re.fullmatch(r"([1-9]\d*)(?:,([1-9]\d*))?", text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise not_submitted(f"{text}: Bad processor specification")
    if limit and int(found[1]) > limit:
        raise not_submitted("Too many processors requested")
    return int(found[1])


def sections(text: str) -> list[tuple[str, str]]:
    """The sections of one -R; a bare expression is a select."""
    if "[" not in text:
        if "]" in text or not text.strip():
            raise bad_resources(text)
        return [("select", text)]
    found: list[tuple[str, str]] = []
    rest = text.strip()
    while rest:
        match = re.match(r"(\w+)\s*\[([^\[\]]*)\]\s*", rest)
        if not match:
            raise bad_resources(f'Expected number, string, name, or "(" near {rest!r}')
        if match[1] not in SECTIONS:
            raise bad_resources(f'"{match[1]}" cannot be used in the resource requirement section')
        if match[1] in [name for name, _ in found]:
            raise bad_resources(f"Error near {match[1]!r}: duplicate section")
        found.append((match[1], match[2]))
        rest = rest[match.end() :]
    return found


def check_usage(text: str) -> None:
    """rusage[mem=8192MB/host:duration=1h, ngpus_excl_p=1]."""
    for item in re.split(r"[,:]|\|\|", text):
        found = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+(?:\.\d+)?)([KMGTkmgt][Bb]?|[mhs])?(/(host|task|job))?\s*", item)
        known = RESOURCES + OLD_GPU_RESOURCES + ("duration", "decay")
        if not found or found[1] not in known or (found[3] and found[1] not in ("mem", "swp", "tmp", "duration")):
            raise bad_resources("Error in rusage section")


def spans(requirements: list[str]) -> tuple[bool, int]:
    """Is the job to stay on one host, and how many slots of a host may it take (0: any)?"""
    one_host, ptile = False, 0
    seen = 0
    for requirement in requirements:
        for name, body in sections(requirement):
            if name == "rusage":
                check_usage(body)
            elif name == "span":
                seen += 1
                found = re.fullmatch(r"\s*(hosts|ptile)\s*=\s*(-?\d+)\s*", body)
                if not found or seen > 1 or (found[1] == "hosts" and int(found[2]) not in (1, -1)):
                    raise bad_resources("Error in span section")
                one_host = one_host or (found[1] == "hosts" and found[2] == "1")
                ptile = int(found[2]) if found[1] == "ptile" else ptile
            elif not body.strip():
                raise bad_resources(f"Error in {name} section")
    return one_host, ptile


def old_gpus(requirements: list[str]) -> int:
    """GPUs asked for with rusage[ngpus_excl_p=1] or its kin."""
    return sum(int(number) for text in requirements for number in re.findall(r"\bngpus_\w+\s*=\s*(\d+)", text))


def gpus(text: str) -> tuple[int, bool]:
    """-gpu "num=2:mode=exclusive_process" as the number on a host, and whether they are the job's alone."""
    if text == "-":
        return 1, False
    keys: dict[str, str] = {}
    for item in text.split(":"):
        key, _, value = item.partition("=")
        if key not in GPU_KEYS or key in keys or not re.fullmatch(GPU_KEYS[key], value):
            raise not_submitted(f"{text}: Bad GPU requirement syntax")
        keys[key] = value
    number = int(keys.get("num", "1").partition("/")[0])
    return number, keys.get("j_exclusive") == "yes" or keys.get("mode") == "exclusive_process"


NOT_COPIED = re.compile(
    r"(HOME|USER|PWD|LS_JOBPID|LSF_VERSION|VIRTUAL_HOSTNAME|LS_EXEC_T|LS_SUBCWD|BSUB_\w+|LSB_(ACCT_MAP|BATCH_JID|DJOB_\w+"
    r"|ERRORFILE|EVENT_ATTRIB|EXIT_\w+|HOSTS|INTERACTIVE\w*|JOBFILENAME|JOBGROUP|JOBID|JOBINDEX\w*|JOBNAME|JOB_STARTER"
    r"|MAX_NUM_PROCESSORS|MCPU_HOSTS|OUTPUTFILE|QUEUE|RESTART|SUB_HOST|TRAPSIGS|XJOB_PWD))$"
)


def environment(text: str, submitter: dict[str, str]) -> dict[str, str]:
    """-env "all, A=b, ~C" or "none, A": what of the submitter's environment the job gets."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise not_submitted(f"{text}: Bad environment specification")
    copied = {key: value for key, value in submitter.items() if not NOT_COPIED.match(key)}
    chosen = {} if items[0] != "all" else dict(copied)
    for item in items[items[0] in ("all", "none") :]:
        key, given, value = item.partition("=")
        if item.startswith("~"):
            chosen.pop(item[1:], None)
        elif not re.fullmatch(r"[A-Za-z_]\w*", key):
            raise not_submitted(f"{item}: Bad environment specification")
        elif given:
            chosen[key] = value.strip("'\"")
        elif key in copied:
            chosen[key] = copied[key]
    return chosen
