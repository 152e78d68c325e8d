"""What workers and sweeps leave for each other in a sweep's folder: a queue, requests, and a ledger of each worker."""
