"""Variables of `hydra.launcher.env` that look like secrets: not in the script of a job, and in its environment."""

from __future__ import annotations

import os
from typing import Any

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.environment import check_handed_on, scrubbed_environment, without_secrets
from hyperherd.launch.lsf.cluster import LsfCluster
from hyperherd.launch.slurm.cluster import SlurmCluster

SECRETS = {"HF_TOKEN": "hf_1"}


def test_what_looks_like_a_secret_is_taken_out() -> None:
    options = {"env": {"HF_TOKEN": "hf_1", "TOKENIZERS_PARALLELISM": False, "WANDB_API_KEY": 12, "A": "b"}, "nodes": 1}
    kept, secrets = without_secrets(options)
    assert secrets == {"HF_TOKEN": "hf_1", "WANDB_API_KEY": "12"}
    assert kept == {"env": {"TOKENIZERS_PARALLELISM": False, "A": "b"}, "nodes": 1}
    assert without_secrets({"nodes": 1}) == ({"nodes": 1}, {})


def test_they_are_in_the_environment_while_a_job_is_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "mine")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with scrubbed_environment(SlurmCluster({}), {"HF_TOKEN": "theirs", "WANDB_API_KEY": "key"}):
        assert (os.environ["HF_TOKEN"], os.environ["WANDB_API_KEY"]) == ("theirs", "key")
        assert "SLURM_NTASKS" not in os.environ
    assert (os.environ["HF_TOKEN"], os.environ["SLURM_NTASKS"]) == ("mine", "4")
    assert "WANDB_API_KEY" not in os.environ


@pytest.mark.parametrize(
    ("cluster", "options", "held_back_by"),
    [
        (SlurmCluster, {"additional_parameters": {"export": "NONE"}}, "additional_parameters.export"),
        (SlurmCluster, {"additional_parameters": {"export": "PATH,HOME"}}, "additional_parameters.export"),
        (SlurmCluster, {"additional_parameters": {"export_file": "x"}}, "additional_parameters.export-file"),
        (SlurmCluster, {"srun_args": ["--export=NONE"]}, "hydra.launcher.srun_args"),
        (SlurmCluster, {"additional_parameters": {"export": "ALL,A=1"}}, ""),
        (SlurmCluster, {"additional_parameters": {"export": "PATH, HF_TOKEN"}}, ""),
        (SlurmCluster, {}, ""),
        (LsfCluster, {"additional_parameters": {"env": "none"}}, "additional_parameters.env"),
        (LsfCluster, {"additional_parameters": {"env": "all, ~HF_TOKEN"}}, "additional_parameters.env"),
        (LsfCluster, {"additional_parameters": {"env": "PATH,HF_TOKEN"}}, ""),
        (LsfCluster, {"additional_parameters": {"env": "all,A=1"}}, ""),
        (LsfCluster, {}, ""),
    ],
)
def test_an_option_that_holds_them_back_is_refused(cluster: Any, options: dict[str, Any], held_back_by: str) -> None:
    if not held_back_by:
        check_handed_on(cluster(options), SECRETS)
        return
    check_handed_on(cluster(options), {})
    with pytest.raises(SweepError, match=f"HF_TOKEN looks like a secret.*{held_back_by} excludes it") as refused:
        check_handed_on(cluster(options), SECRETS)
    assert "hf_1" not in str(refused.value)


def test_a_variable_of_sbatch_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")  # sbatch does not get it from us
    assert SlurmCluster({}).holds_back("HF_TOKEN") == ""
