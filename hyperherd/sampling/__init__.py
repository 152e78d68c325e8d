"""Samplers: Optuna behind ask and tell. It is imported here alone, and only where a sweep asks for a sampler."""
