"""Source of a class for child processes that are to end between two operations on files."""

DYING = """
import os, sys
from hyperherd.records.disk.atomic import FileOps

class Dying(FileOps):
    # The process is gone before its n-th operation, as after kill -9.
    def __init__(self, left):
        self.left = left
    def __getattribute__(self, name):
        if name != "left":
            if self.left == 0:
                os._exit(9)
            self.left -= 1
        return super().__getattribute__(name)
"""
