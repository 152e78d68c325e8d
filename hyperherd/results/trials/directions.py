"""What a metric's name shows: which way is better, and whether a choice may rest on it.

A wrong direction ranks the worst first, and no direction only asks for one. So a name counts only where all of its
words point one way: a word for a spread, a count, a scale, a runtime or a bound leaves it in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hyperherd.results.files.trainer_files import RETURN_VALUE

MAXIMIZE = "maximize"
MINIMIZE = "minimize"

_LOSS = "loss|losses|nll|crossentropy|ce|bce|logloss|ppl|perplexity|bpc|bpb|bpd"
_PROXY = re.compile(f"{_LOSS}|elbo|likelihood")
"""What is trained on: a proxy for the measures that stand beside it."""
_LESS = re.compile(
    f"{_LOSS}|error|errors|err|mse|rmse|rmsle|msle|nmse|nrmse|mae|mape|smape|wmape|wape|mase|crps|deviance|wer|cer|ter|der|"
    "eer|dcf|mcd|fid|kid|fvd|fad|lpips|hausdorff|regret|cost|ece|brier|fpr|fnr|fpr95|kldivergence"
)
_MORE = re.compile(
    "acc|accuracy|accuracies|auc|auroc|auprc|prauc|ap|map|lrap|f1|fscore|fbeta|dice|iou|miou|jaccard|precision|recall|"
    "rewards?|rews?|returns?|epret|r2|explainedvariance|bleu|sacrebleu|rouge|meteor|chrf|cider|bertscore|bleurt|comet|"
    "psnr|ssim|pesq|stoi|sdr|snr|mos|utmos|dnsmos|success|hits?|top1|top5|exactmatch|elbo|likelihood|kappa|mcc|corr|corrcoef|"
    "correlation|spearman|spearmanr|pearson|pearsonr|kendall|winrate|ndcg|mrr|sensitivity|specificity|tpr|tnr|nmi|ari|"
    "vmeasure|passat"
)
_SCORE = re.compile("scores?")
"""Higher is better only where nothing says what it is a score of."""
_DOUBT = re.compile(
    # Spreads and bounds,
    "std|stdev|stddev|sd|se|sem|stderr|var|variance|iqr|mad|ci|spread|range|margins?|deviation|uncertainty|confidence|"
    "lower|upper|low|high|quantile|percentile|"
    # differences, and values that are not about the model,
    "gap|diff|difference|delta|change|drop|decrease|increase|improvement|forgetting|skill|d2|target|goal|baseline|"
    "inv|inverse|minus|intrinsic|chosen|rejected|non|approx|entropy|nauc|anomaly|ratio|frac|fraction|rank|"
    # counts and sizes,
    "n|nb|num|number|count|counts|size|len|length|steps|epochs|iters|iterations|episodes|timesteps|"
    # settings,
    "scale|scaler|scaling|weight|weights|coef|coeff|coefficient|alpha|beta|gamma|lambda|temperature|lr|threshold|"
    "thresholds|thresh|thr|tolerance|noise|grad|clip|penalty|"
    # times.
    "time|runtime|seconds?|secs?|duration|latency|throughput|fps|sps|eta"
)
_PHRASES = tuple(
    (re.compile(rf"\b(?:{written})\b"), word)
    for written, word in (
        ("cross entropy", "crossentropy"),
        ("explained var(?:iance)?", "explainedvariance"),
        ("reciprocal rank", "mrr"),
        ("win rate", "winrate"),
        ("exact match|has ans exact", "exactmatch"),
        ("(?:ep|episode|average ep) ret", "epret"),
        ("pass (?:at )?\\d+", "passat"),
        ("kl div(?:ergence)?", "kldivergence"),
        ("bits per (?:byte|dim|char|character)", "bpb"),
        ("v measure", "vmeasure"),
        ("clip score", "score"),
        ("(corr|correlation|dice|jaccard) coef(?:f|ficient)?", r"\1"),
        ("standard error|margin of error|std error", "std"),
        ("epoch of|step of|best (?:\\w+ )?(?:epoch|step)", "n"),  # when something was best
        (
            "(?:neg|negative) (?=(?:(?:root|mean|median|max|log|squared|absolute|percentage|poisson) )+(?:error|loss|"
            "deviance)\\b|(?:log )?likelihood\\b|(?:brier|elbo|r?mse|mae|mape|returns?|rewards?)\\b)",
            "negated ",
        ),
    )
)
_SPLITS = "train|training|val|valid|validation|dev|eval|evaluation|test|holdout"
_VARIANTS = {"mean": 1, "avg": 1, "average": 1, "epoch": 2, "final": 3, "last": 3, "median": 4, "best": 5}
"""Words that make another number of one metric, the nearest one to the plain metric first."""
_LATER_VARIANTS = {"max": 6, "min": 6, "step": 7, "batch": 7}
_ADJECTIVES = re.compile(
    f"(?:{_SPLITS}|{'|'.join((*_VARIANTS, *_LATER_VARIANTS))}|total|overall|all|main|combined|macro|micro|weighted|"
    r"dataloader|idx|none|game|episode|ep|episodic|score|scores|\d*)"
)
"""Words that leave open what is measured."""
_VALIDATION = re.compile("val|valid|validation|dev|eval|evaluation")
_STATISTICS = re.compile(r"(?:.*/)?(?:.*_per_second|.*_runtime|total_flos)|system/.*|epoch")
"""What trainers log about the machine and the clock of a training, not about the model."""
_TOTAL = ("loss", "losses", "total loss")


def direction_of(name: str) -> str | None:
    """Return ``maximize`` or ``minimize`` if the words in a metric's name show it, else None."""
    if name.partition(".")[0] == RETURN_VALUE or re.search(r"(?:^|/)\s*1\s*-", name):
        return None
    words = _words(name)
    if _any(_DOUBT, words) or not words.isdisjoint({"neg", "negative"}):
        return None
    found = _pointing(_measured(name))
    if found is None or "negated" not in words:
        return found
    return MAXIMIZE if found == MINIMIZE else MINIMIZE


def _measured(name: str) -> list[str]:
    """Return the words of the part of a name that says what is measured: ``loss`` of ``loss/val``.

    A folder is not what is measured in it: ``losses/entropy`` is not a loss, ``rewards/chosen`` is not a reward.
    """
    parts = [_ordered(part) for part in name.split("/")]
    for part in reversed(parts):
        if not all(_ADJECTIVES.fullmatch(word) for word in part) or _any(_SCORE, part):
            return part
    return []


def _pointing(words: list[str]) -> str | None:
    """Return the direction that all of `words` agree on; a loss or an error of a measure is what is last in it."""
    strong = [word for word in words if _any((_LESS, _MORE), _forms(word))]
    if strong and _any((_LESS,), _forms(strong[-1])):
        return MINIMIZE
    if strong:
        return None if any(_any((_LESS,), _forms(word)) for word in strong) else MAXIMIZE
    is_score = _any(_SCORE, words) and all(_ADJECTIVES.fullmatch(word) for word in words)
    return MAXIMIZE if is_score else None


def interest(name: str) -> tuple[bool, bool, int, str]:
    """Return a sort key that puts metrics worth seeing first: those that judge, on validation data before others."""
    return is_statistic(name), direction_of(name) is None, preference(name)[0], name


def is_statistic(name: str) -> bool:
    """Return whether a metric is about the run (``eval_runtime``, ``epoch``), which tables show if asked to."""
    return _STATISTICS.fullmatch(name) is not None


def preference(name: str) -> tuple[int, bool]:
    """Return a sort key: a choice rests on validation data if it can, never on test data or a loss if it need not.

    What `main` returns may be of any data, but says more of a trial than its training does.
    """
    words = _words(name)
    if name == RETURN_VALUE:
        split = 3
    elif _any(_VALIDATION, words):
        split = 0
    elif "test" in words:
        split = 2
    else:
        split = 4 if "train" in words or "training" in words else 1
    return split, _any(_PROXY, words)


def alternatives(names: Iterable[str]) -> list[str]:
    """Return one name of each different metric among `names`: ``acc``, not ``acc_best``; the loss, not its parts."""
    by_stem: dict[str, list[str]] = {}
    for name in names:
        by_stem.setdefault(_stem(name), []).append(name)
    found = {stem: min(some, key=_plainness) for stem, some in by_stem.items()}
    whole = [stem for stem in _TOTAL if stem in found]
    if whole and all(preference(name)[1] for name in found.values()):
        return [found[whole[0]]]
    return sorted(found.values())


def _stem(name: str) -> str:
    return " ".join(
        word
        for word in _ordered(name)
        if word not in _VARIANTS and word not in _LATER_VARIANTS and not re.fullmatch(_SPLITS, word)
    )


def _plainness(name: str) -> tuple[int, int, str]:
    known = {**_VARIANTS, **_LATER_VARIANTS}
    return max((known.get(word, 0) for word in _ordered(name)), default=0), len(name), name


def _any(pattern: re.Pattern[str] | tuple[re.Pattern[str], ...], words: Iterable[str]) -> bool:
    patterns = pattern if isinstance(pattern, tuple) else (pattern,)
    return any(one.fullmatch(word) for word in words for one in patterns)


def _forms(word: str) -> tuple[str, str]:
    """Return a word, and without the digits at its end: ``acc5``, ``loss2``."""
    return word, word.rstrip("0123456789")


def _ordered(name: str) -> list[str]:
    """Return the words of a name in lower case, what several mean together as one."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("IoU", "Iou")).lower()
    text = " ".join(re.split(r"[^a-z0-9]+", spaced)).strip()
    for pattern, word in _PHRASES:
        text = pattern.sub(word, text)
    return text.split()


def _words(name: str) -> frozenset[str]:
    """Return the words of a name, each also without digits at its end: ``valLoss_2`` has val and loss."""
    return frozenset(form for word in _ordered(name) for form in _forms(word))
