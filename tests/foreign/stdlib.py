"""Checks a whole log with the Python standard library and the openssl program: signature, entries, tiles, root."""

import base64
import hashlib
import pathlib
import subprocess
import sys
import tempfile

WIDTH = 256
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


def sha256(data):
    return hashlib.sha256(data).digest()


def signature(log):
    """The checkpoint's lines, once openssl found its signature right."""
    name, key_id, key = (log / "log.vkey").read_text().strip().split("+", 2)
    text, lines = (log / "checkpoint").read_text().split("\n\n")
    text += "\n"
    key = base64.b64decode(key)
    if sha256(name.encode() + b"\n" + key)[:4].hex() != key_id or key[0] != 1:
        sys.exit("the key id does not belong to the key")
    signed = [line.split(" ") for line in lines.splitlines()]
    blobs = [base64.b64decode(blob) for dash, who, blob in signed if dash == "\u2014" and who == name]
    blobs = [blob[4:] for blob in blobs if blob[:4].hex() == key_id]
    if len(blobs) != 1:
        sys.exit("there is no signature by the log's key")
    with tempfile.TemporaryDirectory() as scratch:
        files = {"key": ED25519_SPKI + key[1:], "text": text.encode(), "sig": blobs[0]}
        for file, data in files.items():
            pathlib.Path(scratch, file).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile sig"
        if subprocess.run(command.split(), cwd=scratch, capture_output=True).returncode != 0:
            sys.exit("openssl: the signature does not belong to the checkpoint")
    origin, size, root = text.split("\n")[:3]
    if origin != name:
        sys.exit("the key is of another log")
    return int(size), base64.b64decode(root)


def tile(log, level, n, count):
    """The bytes of the n-th tile of a level that is `count` wide, and how wide it is."""
    width, parts = min(WIDTH, count - n * WIDTH), [f"{n % 1000:03d}"]
    while n := n // 1000:
        parts.insert(0, f"x{n % 1000:03d}")
    path = f"tile/{level}/" + "/".join(parts) + ("" if width == WIDTH else f".p/{width}")
    return (log / path).read_bytes(), width


def entries(log, size):
    for n in range((size + WIDTH - 1) // WIDTH):
        data, width = tile(log, "entries", n, size)
        for _ in range(width):
            end = 2 + int.from_bytes(data[:2], "big")
            if len(data) < end:
                sys.exit("a bundle is cut short")
            yield data[2:end]
            data = data[end:]
        if data:
            sys.exit("a bundle holds more than it should")


def tree(hashes):
    """RFC 6962, section 2.1."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + tree(hashes[:split]) + tree(hashes[split:]))


def main(log):
    size, root = signature(log)
    hashes = [sha256(b"\x00" + entry) for entry in entries(log, size)]
    if tree(hashes) != root:
        sys.exit("the entries do not lead to the root of the checkpoint")
    level = 0
    while hashes:
        for n in range((len(hashes) + WIDTH - 1) // WIDTH):
            data, _ = tile(log, level, n, len(hashes))
            if data != b"".join(hashes[n * WIDTH : (n + 1) * WIDTH]):
                sys.exit(f"tile {n} of level {level} does not hold the hashes of the entries")
        hashes = [tree(hashes[i : i + WIDTH]) for i in range(0, len(hashes) - WIDTH + 1, WIDTH)]
        level += 1
    print("ok")


main(pathlib.Path(sys.argv[1]))
