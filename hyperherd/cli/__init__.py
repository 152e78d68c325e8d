"""The command `herd-results`: it parses, calls `hyperherd.results` and prints, and decides nothing itself."""
