"""Launching: the seam every launcher fills, the adapter for any Hydra launcher, and what runs inside a job."""
