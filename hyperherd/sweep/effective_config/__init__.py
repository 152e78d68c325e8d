"""The config that each trial composes, which is where conditions look names up."""
