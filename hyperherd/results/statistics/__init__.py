"""Configurations, effects, failures, the best, differences: computed, not shown."""
