"""LaTeX tables, with a model of how TeX reads them; a document with one was compiled by hand."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from results.builder import SweepBuilder, sweep24
from waiting import PATIENCE

from hyperherd import Trials, load
from hyperherd.cli.main import main
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.latex import escape
from hyperherd.results.tables.pivot import pivot_groups
from hyperherd.results.tables.records import pivot_text, to_text

HOSTILE = '\\input{/etc/passwd} % $x$ _^ {}[*] ~ #1 & `` -- | <> " ^^5cinput\n\x1b'


def paper(root: Path) -> Path:
    """Write a sweep of model x data x seed, in which two models cannot be told apart on one set of data."""
    sweep = SweepBuilder(root, seed_key="seed")
    draw = random.Random(1)
    for model, level in {"cnn": 0.8, "vit": 0.9, "mlp": 0.6}.items():
        for data, harder in {"svhn": 0.0, "c10": 0.1}.items():
            for seed in range(3):
                acc = level - harder * (model != "cnn") + draw.gauss(0, 0.01)
                metrics = {"val/acc": acc, "val/loss": 1e-4 * (1 - acc)}
                sweep.trial(metrics, params={"model": model, "data": data, "seed": seed})
    return sweep.dir


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    return load(paper(tmp_path / "s"))


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows between the rules."""
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()]


def bold(text: str) -> list[list[bool]]:
    return [[cell.startswith(r"\textbf{") for cell in row[1:]] for row in rows(text)]


def test_a_pivot_has_the_best_of_each_column_and_what_cannot_be_told_from_it_in_bold(trials: Trials) -> None:
    text = pivot_text(pivot_groups(trials, "model", "data", "std"), "latex", View())
    assert [row[0] for row in rows(text)] == ["cnn", "mlp", "vit"]
    assert bold(text) == [[True, False], [False, False], [True, True]]
    assert r" & \multicolumn{2}{c}{data} \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"model & c10 & svhn \\" in text


def test_bold_follows_rows_where_methods_are_columns(trials: Trials) -> None:
    groups = pivot_groups(trials, "data", "model", "std")
    assert bold(pivot_text(groups, "latex", View(bold="row"))) == [[True, False, True], [False, False, True]]
    assert not any(map(any, bold(pivot_text(groups, "latex", View(bold="none")))))


def test_percentages_decimals_and_headings(trials: Trials) -> None:
    view = View(columns=("data=Data set", "data=c10=CIFAR-10", "model=vit=1e-5"), percent=("val/acc",), digits=1)
    text = pivot_text(pivot_groups(trials, "model", "data", "std"), "latex", view)
    assert r"\multicolumn{2}{c}{Data set}" in text
    assert r"model & CIFAR-10 & svhn \\" in text
    name, cell, _ = rows(text)[-1]
    assert name == "1e-5"  # without the quotes of a text that reads as a number
    assert re.fullmatch(r"\\textbf\{\d\d\.\d \$\\pm\$ \d\.\d\}", cell)


def test_in_a_table_the_best_is_in_bold_whichever_way_is_better(trials: Trials) -> None:
    view = View(columns=("val/acc=Accuracy (%)", "model", "val/loss"), percent=("val/acc",))
    text = to_text(trials, "latex", view, groups=trials.seeds())
    assert r"Accuracy (\%) & model & val/loss \\" in text  # in this order, and neither rank nor seeds
    marked = [[cell.startswith(r"\textbf{") for cell in row] for row in rows(text)]
    assert marked == [[True, False, True], *[[False] * 3] * 5]
    assert r"\textbf{\boldmath $" in rows(text)[0][2]  # a formula is not bold by itself
    assert 85 < float(rows(text)[0][0].removeprefix(r"\textbf{").split()[0]) < 95


def test_of_single_trials_only_the_best_and_its_equals_are_in_bold(sweep: SweepBuilder) -> None:
    for number, acc in enumerate((0.5, 0.75, 0.75, 0.25)):
        sweep.trial({"val/acc": acc}, params={"lr": number})
    sweep.failed({"val/acc": 0.99}, params={"lr": 9})
    text = to_text(load(sweep.dir), "latex", View(columns=("lr", "val/acc")))
    *ranked, rule, failed = rows(text)
    assert [row[1] for row in ranked] == [r"\textbf{0.75}", r"\textbf{0.75}", "0.5", "0.25"]
    assert (rule, failed) == ([r"\midrule"], ["9", "0.99"])
    assert "% 1 of the rows, the last ones, are of trials that are not ranked\n" in text


def test_rank_and_seeds_are_columns_where_they_are_asked_for(trials: Trials) -> None:
    text = to_text(trials, "latex", View(columns=("rank=\\#", "seeds=n", "model")), groups=trials.seeds())
    assert rows(text)[0] == ["1", "3/3", "vit"]


def test_a_heading_may_hold_an_equals_sign_and_so_may_a_name(sweep: SweepBuilder) -> None:
    sweep.trial({"recall@k=5": 0.5, "val/acc": 1.0}, params={"lr": 1})
    view = View(columns=("recall@k=5", "recall@k=5=R", "val/acc=a=b"))
    assert to_text(load(sweep.dir), "csv", view).splitlines()[0] == "recall@k=5,R,a=b"


def test_numbers_are_formulas_where_they_need_it(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": -0.5}, params={"lr": 1e-4, "wd": -3e-7, "name": "a-1e-4"})
    sweep.trial({"val/acc": -0.75}, params={"lr": 0.1, "wd": 0.0, "name": "-1"})
    text = to_text(load(sweep.dir), "latex", View(columns=("lr", "wd", "name", "val/acc")))
    first = ["$10^{-4}$", r"$-3 \times 10^{-7}$", "a-1e-4", r"\textbf{\boldmath $-0.5$}"]
    assert rows(text) == [first, ["0.1", "0.0", "'-1'", "$-0.75$"]]


def test_caption_and_label(trials: Trials) -> None:
    view = View(caption="50 % of\nall", label="tab:x")
    lines = to_text(trials, "latex", view, groups=trials.seeds()).splitlines()
    begin = lines.index(r"\begin{table}")
    assert lines[begin : begin + 4] == [
        r"\begin{table}",
        r"\centering",
        r"\caption{50 \% of\textbackslash{}nall}",
        r"\label{tab:x}",
    ]
    assert lines[-1] == r"\end{table}"


def tokens(text: str) -> list[str]:
    """Return what TeX reads: commands, single characters; what a comment hides is left out."""
    return re.findall(r"\\(?:[A-Za-z]+|.)|[^%]|%(?=.*)", re.sub(r"(?<!\\)%.*", "", text), re.DOTALL)


SHOWN = {
    r"\textbackslash": "\\",
    r"\textasciitilde": "~",
    r"\textasciicircum": "^",
    r"\textasciigrave": "`",
    r"\textless": "<",
    r"\textgreater": ">",
    r"\textbar": "|",
    r"\textquotedbl": '"',
    **{f"\\{char}": char for char in "&%$#_{}"},
}


@example("---")
@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)))
def test_every_text_is_read_as_it_is(text: str) -> None:
    """Only commands that show one character are left, and no two hyphens that TeX would join."""
    found = tokens(escape(text))
    assert "--" not in escape(text)
    assert {token for token in found if token.startswith("\\")} <= set(SHOWN)
    assert not {"%", "&", "$", "#", "_", "^", "~"} & set(found)
    assert "".join(SHOWN.get(token, token) for token in found if token not in "{}") == text
    assert not escape(text).startswith(("[", "*"))


def test_nothing_from_a_run_is_a_command(sweep: SweepBuilder) -> None:
    for value in (0.5, 0.75):
        params = {HOSTILE + "p": HOSTILE * int(4 * value), "lr": value}
        sweep.trial({HOSTILE: value, "val/acc": value}, params=params)
    text = to_text(load(sweep.dir), "latex", View(full=True, about=HOSTILE, caption=HOSTILE))
    assert text.isprintable() or set(text) - {"\n"} == {char for char in text if char.isprintable()}
    body = "\n".join(line for line in text.splitlines() if not line.startswith("% "))
    ours = {r"\begin", r"\end", r"\toprule", r"\midrule", r"\bottomrule", r"\textbf", r"\\", r"\centering", r"\caption"}
    assert {token for token in tokens(body) if token.startswith("\\")} <= {*SHOWN, *ours}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_it(trials: Trials, sweep: SweepBuilder, tmp_path: Path) -> None:
    for place, value in enumerate((0.5, 0.75)):
        params = {HOSTILE + "p": HOSTILE + "x" * place, "l": [f"[{place}]", 2e-5], "x": value, "β": "é αΩ ± µ"[place:]}
        sweep.trial({HOSTILE: value, "val/acc": -value}, params=params)
    view = View(caption=HOSTILE, label="tab:x", full=True)
    tables = [
        pivot_text(pivot_groups(trials, "model", "data", "std"), "latex", view),
        to_text(load(sweep.dir), "latex", view),
        to_text(load(sweep24(tmp_path / "many").dir), "latex", view),
        to_text(load(sweep24(tmp_path / "more").dir), "latex", groups=load(tmp_path / "more").seeds()),
    ]
    document = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "a.tex").write_text(f"{document}{''.join(tables)}\\end{{document}}\n")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--caption", "x"], "--caption and --label are for -f latex"),
        (["-f", "latex", "--label", "x"], "--label needs --caption"),
        (["-f", "latex", "--label", "a b", "--caption", "x"], "'a b' must be of letters"),
        (["-f", "csv", "--digits", "2"], "csv is exact"),
        (["-f", "latex", "--digits", "-2"], "from 0 to 17"),
        (["-f", "latex", "--bold", "row"], "--bold row needs --pivot"),
        (["-f", "latex", "--percent", "model"], "'model' is not a measured column"),
        (["-f", "latex", "--percent", "val/ac"], "did you mean 'val/acc'"),
        (["-f", "latex", "-c", "val/ac=Accuracy"], "did you mean 'val/acc'"),
        (["-f", "latex", "--pivot", "model", "data", "-c", "data"], "data=HEADING"),
        (["-f", "latex", "--pivot", "model", "data", "-c", "data=c1=C"], "did you mean 'data=c10'"),
        (["-f", "latex", "--pivot", "model", "data", "--percent", "val/loss"], "is not the metric of this pivot"),
    ],
)
def test_bad_options_are_refused_in_a_line(
    trials: Trials, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    try:
        code = main([str(trials.sweeps[0].dir), *arguments])
    except SystemExit as end:
        code = int(str(end.code))
    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    assert says in shown.err.splitlines()[-1]


def test_a_table_for_a_paper_is_one_command(trials: Trials, capsys: pytest.CaptureFixture[str]) -> None:
    pivot = ["--pivot", "model", "data", "--percent", "val/acc", "--digits", "1"]
    asked = ["-f", "latex", *pivot, "--caption", "Results", "--label", "tab:results"]
    assert main([str(trials.sweeps[0].dir), *asked]) == 0
    text = capsys.readouterr().out
    assert "% mean ± std (n−1) over seed: n=3 per cell, finished trials only\n" in text
    assert len(rows(text)) == 3
