"""The images: MNIST if its files are there, else the 8x8 digits beside this file; the log says which."""

from __future__ import annotations

import gzip
import logging
import secrets
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = (
    "train-images-idx3-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
UBYTE = 8

Split = tuple[torch.Tensor, torch.Tensor]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Images:
    """Images as floats in 0..1, [n, 1, size, size], and labels as integers, [n]; the split never varies."""

    name: str
    size: int
    train: Split
    val: Split
    test: Split


def load(root: str, download: bool = False) -> Images:
    """Return MNIST from the folder `root`, fetching it first if asked to, or the bundled digits."""
    folder = Path(root).expanduser()
    if download:
        fetch(folder)
    if all((folder / name).exists() for name in FILES):
        images = split("mnist", *read_mnist(folder), val=5000, test=10000)
    else:
        images = split("digits", *read_digits(), val=300, test=300)
    log.info("data: %s, %d training images of %dx%d", images.name, len(images.train[1]), images.size, images.size)
    return images


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the 1797 bundled images, grey values 0..1, and their labels."""
    with np.load(Path(__file__).with_name("digits.npz")) as digits:
        return digits["images"] / np.float32(16), digits["labels"]


def read_mnist(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return all 70000 images, grey values 0..1, and their labels; the last 10000 are the test set."""
    parts = [read_idx(folder / name) for name in FILES]
    return np.concatenate(parts[:2]) / np.float32(255), np.concatenate(parts[2:])


def split(name: str, images: np.ndarray, labels: np.ndarray, *, val: int, test: int) -> Images:
    """Set the last `test` images aside, and `val` of the others, the same ones in every trial."""
    order = np.arange(len(labels))
    np.random.default_rng(0).shuffle(order[:-test])
    x = torch.from_numpy(images[order]).unsqueeze(1)
    y = torch.from_numpy(labels[order].astype(np.int64))
    train = slice(val, len(y) - test)
    return Images(name, x.shape[-1], (x[train], y[train]), (x[:val], y[:val]), (x[-test:], y[-test:]))


def fetch(folder: Path) -> None:
    """Download what is missing; a file appears under its name only when it is whole, as trials start together."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).exists():
            continue
        temporary = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with urllib.request.urlopen(MIRROR + name, timeout=30) as source:
                temporary.write_bytes(source.read())
            read_idx(temporary)
            temporary.replace(folder / name)
        finally:
            temporary.unlink(missing_ok=True)


def read_idx(path: Path) -> np.ndarray:
    """Return the array in a gzipped IDX file (http://yann.lecun.com/exdb/mnist/); ValueError if it is none of bytes."""
    with gzip.open(path) as stream:
        zeros, kind, dimensions = int.from_bytes(stream.read(2), "big"), *stream.read(2)
        if zeros != 0 or kind != UBYTE:
            raise ValueError(f"{path} is no IDX file of unsigned bytes")
        shape = tuple(int.from_bytes(stream.read(4), "big") for _ in range(dimensions))
        return np.frombuffer(stream.read(), np.uint8).reshape(shape)
