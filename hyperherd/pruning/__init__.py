"""Pruning: a trial decides by itself, from small files that all trials of the sweep leave, whether it goes on."""
