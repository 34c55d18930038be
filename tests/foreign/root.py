"""Rebuilds the root of a log from its entries with pymerkle, and compares it with the checkpoint's."""

import base64
import pathlib
import sys

from pymerkle import InmemoryTree

WIDTH = 256


def bundle(log, n, size):
    """The path of the n-th bundle of entries."""
    parts = [f"{n % 1000:03d}"]
    while n := n // 1000:
        parts.insert(0, f"x{n % 1000:03d}")
    return log / "tile/entries" / "/".join(parts)


def main(log):
    _, size, root = (log / "checkpoint").read_text().split("\n")[:3]
    size, tree = int(size), InmemoryTree(algorithm="sha256")
    for n in range((size + WIDTH - 1) // WIDTH):
        path, width = bundle(log, n, size), min(WIDTH, size - n * WIDTH)
        if width < WIDTH:
            path = path.with_name(f"{path.name}.p") / str(width)
        data = path.read_bytes()
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            tree.append_entry(data[2:end])
            data = data[end:]
    if tree.get_size() != size or tree.get_state() != base64.b64decode(root):
        sys.exit("the entries do not lead to the root of the checkpoint")
    print("ok")


main(pathlib.Path(sys.argv[1]))
