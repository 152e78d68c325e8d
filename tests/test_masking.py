from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.masking import MASK, is_secret, masked, masked_text, masked_word, masked_words

WORDS = "s3same-word"


SECRETS = """
token HF_TOKEN wandb.api_key wandbApiKey auth_token api_tokens password db.password secret
client_secret apiKey credentials AWS_ACCESS_KEY_ID aws_secret_access_key private_key OPENAI_API_KEY
passphrase accessToken
"""
OTHERS = """
max_tokens tokenizer num_tokens n_tokens pad_token model.eos_token_id tokens key seed_key keyboard
secretary monkey password_file token_dropout hidden_size mask_token tokenize lr
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_keys_that_look_like_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_keys_that_do_not(name: str) -> None:
    assert not is_secret(name)


def test_only_values_that_tell_something_are_masked() -> None:
    quiet = [None, True, False, "", "???", "${oc.env:HF_TOKEN}"]
    assert [masked("token", value) for value in quiet] == quiet
    assert masked("token", "abc") == masked("password", 1234) == MASK
    assert masked("db", {"password": "x", "user": "y"}) == {"password": MASK, "user": "y"}
    assert masked("credentials", {"user": ["a", "b"]}) == {"user": [MASK, MASK]}
    assert masked_word("token=null") == "token=null"
    assert masked_words(["a.py", "--token", "abc", "+db={user: me, password: 'x y'}", "~token", "lr=1"]) == (
        "a.py",
        "--token",
        MASK,
        "+db={user: me, password: <masked>}",
        "~token",
        "lr=1",
    )
    nested = ["a={b:{token:xyz},c:1}", "a={token:{x:y,z:1}}", '--config={"api_key": "x", "lr": 1}', '{"api_key": "x"}']
    assert masked_words(nested) == (
        "a={b:{token:<masked>},c:1}",
        "a={token:<masked>",
        '--config={"api_key": <masked>, "lr": 1}',
        '{"api_key": <masked>}',
    )
    escaped = [r"a={token:'x\'y',b:1}", r"a={token:x\,y,b:1}"]
    assert masked_words(escaped) == ("a={token:<masked>,b:1}", "a={token:<masked>,b:1}")
    words = ("serve", "https://me:secret@host/x", "model.path=hf_0123456789abcdefgh")
    assert masked_words(words) == ("serve", f"https://me:{MASK}@host/x", f"model.path={MASK}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token = 'abc'", "token = <masked>"),
        ('{"api_key": "a:b", "lr": 1}', '{"api_key": <masked>, "lr": 1}'),
        ("export HF_TOKEN=abc", "export HF_TOKEN=<masked>"),
        ("password: a b c", "password: <masked>"),
        ("password: a,b\nlr: 1", "password: <masked>\nlr: 1"),
        ("-password=abc", "-password=<masked>"),
        ('+client = Client(api_key="a\\"b", retries=3)', "+client = Client(api_key=<masked>, retries=3)"),
        ("wandb: {api_key: abc}", "wandb: {api_key: <masked>"),
        ("ENV LR=1 API_KEY=abc", "ENV LR=1 API_KEY=<masked>"),
        ('os.environ["HF_TOKEN"] = "abc"', 'os.environ["HF_TOKEN"] = <masked>'),
        ('os.environ.setdefault("HF_TOKEN", "abc")', 'os.environ.setdefault("HF_TOKEN", <masked>)'),
        ('token = "abc" + "def"', "token = <masked>"),
        ("train --lr 1 --api-key abc", "train --lr 1 --api-key <masked>"),
        ("https://host/x?private_token=abc", "https://host/x?private_token=<masked>"),
        ("a: {token: ${oc.env:HF_TOKEN}, password: ''}", "a: {token: ${oc.env:HF_TOKEN}, password: ''}"),
        ("password: null, max_tokens: 5", "password: null, max_tokens: 5"),
        ("x = ghp_0123456789abcdefgh", "x = <masked>"),
        ("AKIAIOSFODNN7EXAMPLE.", "<masked>."),
        ("https://me:p@ss@host/x?a=1", "https://me:<masked>@host/x?a=1"),
        ("https://abcdef@host/x and ssh://git@host/x", "https://<masked>@host/x and ssh://git@host/x"),
        ("git@github.com:a/b.git https://host/a@b", "git@github.com:a/b.git https://host/a@b"),
        ("-----BEGIN RSA PRIVATE KEY-----\n+abc\n+def", "-----BEGIN RSA PRIVATE KEY----- <masked> "),
    ],
)
def test_texts_of_any_kind(text: str, expected: str) -> None:
    assert masked_text(text) == expected


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    """A pattern that looks back would take hours for these."""
    for text in ("a" * 500_000, "a." * 250_000, "a://" * 100_000, "token" * 100_000, '"a' * 250_000, "-" * 500_000):
        assert masked_text(text).startswith(text[:1])
    for text in ("token=null," * 50_000, "token=${" * 60_000, 'token="' * 60_000, "a-" * 250_000, "--a " * 100_000):
        assert masked_text(text).startswith(text[:1])


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    sweep = SweepBuilder(tmp_path / "multirun" / "s")
    for seed in range(2):
        sweep.trial({"val/acc": 0.5 + seed / 10}, params={"lr": 0.1 * seed, "api_key": WORDS, "seed": seed})
        trial = sweep.dir / str(seed)
        (trial / ".hydra").mkdir()
        config = f"lr: 0.1\napi_key: {WORDS}\nlogger: {{wandb: {{password: {WORDS}}}, again: '${{api_key}}'}}\n"
        (trial / ".hydra" / "config.yaml").write_text(f"{config}max_tokens: 7\nseed: {seed}\n")
        argv = ["train.py", f"api_key={WORDS}", "--token", WORDS]
        told = {"argv": argv, "env": {"HF_TOKEN": WORDS}, "python": "3"}
        (trial / ".hyperherd" / "provenance.json").write_text(json.dumps(told))
    _plain(sweep.dir / "2")
    sweep.plan(api_key=WORDS)
    return sweep.dir


def _plain(trial: Path) -> None:
    (trial / ".hydra").mkdir(parents=True)
    (trial / ".hydra" / "config.yaml").write_text(f"api_key: {WORDS}\nname: '${{api_key}}'\n")
    (trial / ".hydra" / "overrides.yaml").write_text(f"- +api_key={WORDS}\n- name='${{api_key}}'\n")


@pytest.mark.parametrize(
    "command",
    [
        ["multirun", "-f", "json"],
        ["multirun", "-a", "-f", "csv"],
        ["multirun", "--seeds", "-f", "json", "-a"],
        ["multirun", "-a", "--full", "-f", "table"],
        ["multirun", "-c", "name,api_key,config.logger.wandb.password,config.logger.again", "-f", "tsv"],
        ["show", "multirun/s/0"],
        ["show", "multirun/s/0", "-f", "json"],
        ["show", "multirun/s/2", "-f", "json"],
        ["best", "multirun/s", "-f", "json"],
        ["best", "multirun/s", "--seeds", "5"],
        ["diff", "multirun/s/0", "multirun/s/2", "-f", "json"],
        ["sql", "select * from configs", "multirun"],
        ["sql", "select * from trials", "multirun"],
        ["effects", "multirun", "-f", "json"],
    ],
)
def test_no_command_shows_a_secret(
    command: list[str], sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sweep.parent.parent)
    assert main(command) == 0
    told = "".join(capsys.readouterr())
    assert WORDS not in told
    assert told


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_no_export_and_no_report_holds_one(form: str, sweep: Path, tmp_path: Path) -> None:
    trials = load(sweep)
    files = trials.export(tmp_path / "out", form)
    trials.report(tmp_path / "report.html")
    for path in [*files, tmp_path / "report.html"]:
        assert WORDS.encode() not in path.read_bytes()
    assert all(WORDS not in repr(trial) + str(trial.config) + str(trial.provenance) for trial in trials)
    assert {trial.config.get("max_tokens") for trial in trials if trial.config} == {7, None}


def test_a_command_with_a_mask_is_not_run(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", str(sweep), "--seeds", "5", "--run"]) == 2
    assert f"contains a secret, shown as {MASK}" in capsys.readouterr().err


def test_provenance_is_written_without_secrets(app: App) -> None:
    swept = app.sweep("lr=1", f"+api_key={WORDS}")
    assert WORDS in (swept.dir / "0" / ".hydra" / "config.yaml").read_text()  # Hydra's own file.
    assert json.loads((swept.dir / "0" / ".hyperherd" / "provenance.json").read_text())["argv"].count(
        f"+api_key={MASK}"
    )
