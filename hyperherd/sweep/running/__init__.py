"""While trials run: starting them, collecting their ends, retries, and what the terminal shows."""
