"""Where a result comes from: the code, the packages, the machine. Never a reason for a trial to fail."""
