"""Writes an image without any tool of containers: one layer of the files below a folder, all of root.

archive.py NAME FOLDER ARCHIVE --entrypoint PROGRAM [--command ARG..] [--user UID:GID] [--env NAME=VALUE]
"""
import argparse
import hashlib
import io
import json
import os
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer(folder, file):
    def of_root(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(file, "w") as tar:
        tar.add(folder, arcname=".", filter=of_root)


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def main():
    parser = argparse.ArgumentParser()
    for argument in ("name", "folder", "archive"):
        parser.add_argument(argument)
    parser.add_argument("--entrypoint", required=True)
    parser.add_argument("--command", nargs="*", default=[])
    parser.add_argument("--user", default="")
    parser.add_argument("--env", action="append", default=[])
    given = parser.parse_args()
    contents = f"{given.archive}.layer"
    layer(given.folder, contents)
    with open(contents, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [given.entrypoint], "Cmd": given.command, "User": given.user, "Env": given.env},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [given.name], "Layers": ["layer.tar"]}]
    with tarfile.open(given.archive, "w") as tar:
        add(tar, "manifest.json", json.dumps(manifest).encode())
        add(tar, "config.json", json.dumps(config).encode())
        tar.add(contents, arcname="layer.tar")
    os.remove(contents)


main()
