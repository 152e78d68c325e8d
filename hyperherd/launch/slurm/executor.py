"""submitit's executor for Slurm, with sbatch called through our own door."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from submitit.core.utils import JobPaths
from submitit.slurm.slurm import SlurmExecutor

from hyperherd.launch.slurm.commands import run
from hyperherd.launch.submission import NotSubmitted

_SUBMITTED = re.compile(r"Submitted batch job (\d+)")
_SBATCH_SECONDS = 180.0
"""sbatch itself waits up to two minutes where the controller's queue is full."""


class QuietSlurmExecutor(SlurmExecutor):  # type: ignore[misc]
    """Submits as submitit does, but by a command that cannot hang, and whose failure says whether to try again."""

    @classmethod
    def name(cls) -> str:
        """Return submitit's name of it."""
        return "slurm"

    def _internal_process_submissions(self, delayed_submissions: Sequence[Any]) -> list[Any]:
        folder = Path(str(JobPaths.get_first_id_independent_folder(self.folder)))
        folder.mkdir(parents=True, exist_ok=True)
        pickles = [folder / f"{uuid.uuid4().hex}.pkl" for _ in delayed_submissions]
        size = len(delayed_submissions)
        try:
            for submission, pickle in zip(delayed_submissions, pickles, strict=True):
                submission.set_timeout(self.parameters.get("time", 5), self.max_num_timeout)
                submission.dump(pickle)
            if size > 1:  # what makes submitit's script that of an array
                self.parameters["map_count"] = size
            first = self._submit_command(self._submitit_command_str)
        except BaseException:
            for pickle in pickles:
                pickle.unlink(missing_ok=True)
            raise
        finally:
            self.parameters.pop("map_count", None)
        tasks = range(self._num_tasks())
        ids = [first.job_id] if size == 1 else [f"{first.job_id}_{index}" for index in range(size)]
        jobs = [self.job_class(folder=self.folder, job_id=job_id, tasks=list(tasks)) for job_id in ids]
        for job, pickle in zip(jobs, pickles, strict=True):
            job.paths.move_temporary_file(pickle, "submitted_pickle")
        return jobs

    def _submit_command(self, command: str) -> Any:
        """Submit a shell command as a job; see :class:`submitit.core.core.PicklingExecutor`."""
        folder = Path(str(JobPaths.get_first_id_independent_folder(self.folder)))
        uid = uuid.uuid4().hex
        script = folder / f".submission_file_{uid}.sh"
        script.write_text(self._make_submission_file_text(command, uid))
        result = run(self._make_submission_command(script), _SBATCH_SECONDS, submits=True)
        # A banner of the site may hold "job 12" as well.
        found = _SUBMITTED.search(result.stdout) or _SUBMITTED.search(result.stderr)
        if found is None:
            script.unlink(missing_ok=True)
            raise NotSubmitted(f"sbatch did not submit {script}", result)
        job = self.job_class(folder=self.folder, job_id=found[1], tasks=list(range(self._num_tasks())))
        job.paths.move_temporary_file(script, "submission_file", keep_as_symlink=True)
        return job
