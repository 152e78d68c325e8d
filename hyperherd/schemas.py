"""Typed schemas of our Hydra configs; the presets in `conf/` are commented values over them.

They live here and not in `hydra_plugins`, because Hydra 1.3 may execute a plugin module twice, and a dataclass defined
twice is two types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional  # noqa: UP035 - read by OmegaConf


@dataclass
class HerdSweeperConf:
    """`hydra/sweeper=herd`; conf/hydra/sweeper/herd.yaml explains each field.

    Maps are untyped because a typed one is closed: no key could be added to it on the command line.
    """

    _target_: str = "hydra_plugins.hyperherd.sweeper.HerdSweeper"
    _recursive_: bool = False  # a value with a `_target_` is a value like any other
    params: Any = None
    conditions: List[Any] = field(default_factory=list)  # noqa: UP006
    grid: Any = None
    zip: List[Any] = field(default_factory=list)  # noqa: UP006
    grids: List[Any] = field(default_factory=list)  # noqa: UP006
    sample: Optional[int] = None  # noqa: UP045
    order: str = "grid"
    max_trials: Optional[int] = None  # noqa: UP045
    seeds: Optional[int] = None  # noqa: UP045
    seed_key: str = "seed"
    seed: int = 0
    strict: bool = True
    objective: Any = None
    decide: Any = None
    pruner: Any = None
    sampler: Any = None
    max_batch_size: Optional[int] = None  # noqa: UP045
    dry_run: bool = False
    validate: str = "auto"
    name: Optional[str] = None  # noqa: UP045
    note: Optional[str] = None  # noqa: UP045
    name_key: Optional[str] = None  # noqa: UP045
    resume: Optional[str] = None  # noqa: UP045
    only: Any = None
    allow_drift: bool = False
    on_code_change: str = "report"
    shared: bool = False
    snapshot: Any = False
    retry: Any = None
    canary: Optional[int] = None  # noqa: UP045
    stop_after_failures: Any = None
    stop_after_same_error: Optional[int] = None  # noqa: UP045
    notify: Any = None
    # As the first HyperHerd writes them.
    parameters: Any = None
    constraints: List[Any] = field(default_factory=list)  # noqa: UP006
    static_overrides: List[str] = field(default_factory=list)  # noqa: UP006
    hydra: Any = None


@dataclass
class HerdLocalLauncherConf:
    """`hydra/launcher=herd_local`; conf/hydra/launcher/herd_local.yaml explains each field."""

    _target_: str = "hydra_plugins.hyperherd.local_launcher.HerdLocalLauncher"
    max_parallel: Optional[int] = None  # noqa: UP045
    threads: Optional[int] = None  # noqa: UP045
    gpus: Any = "auto"
    gpus_per_trial: Optional[int] = None  # noqa: UP045
    trials_per_gpu: int = 1
    timeout_min: Optional[float] = None  # noqa: UP045
    grace_s: float = 10.0
    allowed_load: Optional[float] = None  # noqa: UP045
    allowed_memory: Optional[float] = None  # noqa: UP045
    startup_time_s: float = 0.0
    start_method: str = "auto"


@dataclass
class ClusterLauncherConf:
    """What `herd_slurm` and `herd_lsf` have in common."""

    wait: bool = True
    array_parallelism: int = 256
    poll_s: float = 15.0
    max_array_size: Optional[int] = None  # noqa: UP045
    submitit_folder: str = "${hydra.sweep.dir}/.hyperherd/submitit"
    name: str = "${hydra.job.name}"
    max_num_timeout: int = 0
    max_num_preempted: int = 100
    workers: Optional[int] = None  # noqa: UP045
    trials_per_worker: int = 1
    trial_time_min: Optional[float] = None  # noqa: UP045
    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: Optional[int] = None  # noqa: UP045
    mem_gb: Optional[float] = None  # noqa: UP045
    gpus_per_node: Optional[int] = None  # noqa: UP045
    dependency: Optional[str] = None  # noqa: UP045
    stderr_to_stdout: bool = False
    env: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006
    setup: Optional[List[str]] = None  # noqa: UP006, UP045
    teardown: Optional[List[str]] = None  # noqa: UP006, UP045
    python: Optional[str] = None  # noqa: UP045
    additional_parameters: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006


@dataclass
class HerdSlurmLauncherConf(ClusterLauncherConf):
    """`hydra/launcher=herd_slurm`; conf/hydra/launcher/herd_slurm.yaml explains each field."""

    _target_: str = "hydra_plugins.hyperherd.slurm_launcher.HerdSlurmLauncher"
    timeout_min: int = 60
    signal_delay_s: int = 120
    mem_per_cpu: Optional[str] = None  # noqa: UP045
    mem_per_gpu: Optional[str] = None  # noqa: UP045
    gpus_per_task: Optional[int] = None  # noqa: UP045
    cpus_per_gpu: Optional[int] = None  # noqa: UP045
    gres: Optional[str] = None  # noqa: UP045
    partition: Optional[str] = None  # noqa: UP045
    qos: Optional[str] = None  # noqa: UP045
    account: Optional[str] = None  # noqa: UP045
    constraint: Optional[str] = None  # noqa: UP045
    nodelist: Optional[str] = None  # noqa: UP045
    exclude: Optional[str] = None  # noqa: UP045
    reservation: Optional[str] = None  # noqa: UP045
    exclusive: Any = None
    comment: Optional[str] = None  # noqa: UP045
    wckey: Optional[str] = "submitit"  # noqa: UP045
    mail_type: Optional[str] = None  # noqa: UP045
    mail_user: Optional[str] = None  # noqa: UP045
    use_srun: bool = True
    srun_args: Optional[List[str]] = None  # noqa: UP006, UP045


@dataclass
class HerdLsfLauncherConf(ClusterLauncherConf):
    """`hydra/launcher=herd_lsf`; conf/hydra/launcher/herd_lsf.yaml explains each field."""

    _target_: str = "hydra_plugins.hyperherd.lsf_launcher.HerdLsfLauncher"
    timeout_min: Optional[float] = 60  # noqa: UP045
    signal_delay_min: int = 2
    requeue: str = "exit_code"
    requeue_exit_code: int = 99
    rerunnable: Optional[bool] = None  # noqa: UP045
    mem_per: str = "auto"
    mem_unit: str = "suffix"
    mem_limit: Any = None
    gpu_mode: Optional[str] = None  # noqa: UP045
    gpu_j_exclusive: Optional[bool] = None  # noqa: UP045
    gpu_model: Optional[str] = None  # noqa: UP045
    gpu_mem: Optional[str] = None  # noqa: UP045
    gpu: Optional[str] = None  # noqa: UP045
    gpu_syntax: str = "gpu"
    queue: Optional[str] = None  # noqa: UP045
    project: Optional[str] = None  # noqa: UP045
    user_group: Optional[str] = None  # noqa: UP045
    app: Optional[str] = None  # noqa: UP045
    hosts: Optional[str] = None  # noqa: UP045
    exclusive: bool = False
    resreq: Any = None
    priority: Optional[int] = None  # noqa: UP045
    job_description: Optional[str] = None  # noqa: UP045
    cwd: Optional[str] = None  # noqa: UP045
    lsf_report: bool = True
    bsub_timeout_s: float = 120.0
    query_timeout_s: float = 60.0
    query_retries: int = 2


LAUNCHERS: dict[str, Any] = {
    "herd_local": HerdLocalLauncherConf,
    "herd_slurm": HerdSlurmLauncherConf,
    "herd_lsf": HerdLsfLauncherConf,
}
"""The schema of each launcher; Hydra knows it by the name with `_schema` behind it."""
