"""What became of a submission that did not succeed."""

from __future__ import annotations

from submitit.core.utils import FailedSubmissionError

from hyperherd.launch.commands import CommandResult, Outcome


class NotSubmitted(FailedSubmissionError):  # type: ignore[misc]
    """No job was submitted.

    Args:
        what: which was to be, for people.
        result: what the command printed.
    """

    def __init__(self, what: str, result: CommandResult) -> None:
        super().__init__(f"{what}:\n{result.text}")
        self.outcome = result.outcome
        if result.outcome is Outcome.DONE:  # no job was named: LSF may refuse with exit code 0, else nothing is known
            self.outcome = Outcome.REFUSED if "not submitted" in result.text else Outcome.LATER
        self.message = result.message
