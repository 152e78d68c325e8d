"""`python -m hyperherd` is `herd-results`."""

import sys

from hyperherd.cli.main import main

sys.exit(main())
