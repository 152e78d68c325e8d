"""`python -m hyperherd` says what there is; with arguments it is `herd-results`."""

import sys

from hyperherd.cli.main import main
from hyperherd.cli.terminal import write

OVERVIEW = """\
HyperHerd for Hydra: sweeps of any script with @hydra.main, and what came of them.

  python train.py -m hydra/sweeper=herd lr=0.01,0.1   sweep; hydra.sweeper.dry_run=true shows what would run
      hydra/launcher=herd_local                       many trials at once on this machine; herd_slurm, herd_lsf: jobs
  herd-results                                        the table of the newest sweep; herd-results help lists the rest
  python -m hyperherd guide                           for coding agents: which call, a template, pitfalls, JSON
  python -c "import hyperherd; help(hyperherd.load)"  from Python: load, run_sweep, plan, log_metrics, log_result, ...

With arguments, python -m hyperherd is herd-results.
"""

if len(sys.argv) > 1:
    sys.exit(main())
write(OVERVIEW)
