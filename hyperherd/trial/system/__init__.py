"""What a trial takes of its machine: GPUs, CPU, memory and energy, measured while it runs."""
