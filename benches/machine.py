"""The machine and the commit of a run, as far as they matter for the figures. Without names of hosts or folders."""

import datetime
import os
import platform
import re
import subprocess

# File systems that are no disk.
IN_MEMORY = ("tmpfs", "ramfs")


def describe(root, folder, postgres=None):
    """`postgres` is the version of the PostgreSQL server, if there is one."""
    return {
        **({"postgres": postgres} if postgres else {}),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(root),
        "cores": os.cpu_count(),
        "processor": first(r"model name\s*: (.*)", "/proc/cpuinfo"),
        "memory_gib": round(int(first(r"MemTotal:\s*(\d+)", "/proc/meminfo")) / 1024 / 1024),
        "kernel": f"{platform.system()} {platform.release()}",
        "filesystem": filesystem(folder),
    }


def first(pattern, path):
    with open(path) as file:
        found = re.search(pattern, file.read())
    return found.group(1).strip() if found else "unknown"


def git(root, *arguments):
    ended = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
    return ended.stdout.strip() if ended.returncode == 0 else None


def commit(root):
    """The commit, and whether anything but the document differs from it."""
    head = git(root, "rev-parse", "--short=12", "HEAD")
    if head is None:
        return "unknown"
    changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return f"{head} with changes" if changed else head


def filesystem(folder):
    """The type of the file system that the folder is on: that of the innermost mount."""
    with open("/proc/self/mounts") as mounts:
        fields = [line.split() for line in mounts]
    real = os.path.realpath(folder)
    holding = [field for field in fields if os.path.commonpath([real, field[1]]) == field[1]]
    return max(holding, key=lambda field: len(field[1]))[2]
