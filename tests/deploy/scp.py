#!/usr/bin/env python3
"""scp for a machine of two_machines_test.py: copies from another machine, which serves its files there by
HTTP, over the network between them.

Usage: scp HOST:PATTERN... FOLDER
"""

import fnmatch
import os
import re
import sys
import urllib.request

*sources, target = sys.argv[1:]
for source in sources:
    host, path = source.split(":", 1)
    folder, pattern = os.path.split(path)
    address = f"http://{host}:8022{folder}/"
    with urllib.request.urlopen(address, timeout=60) as listing:
        names = re.findall(r'href="([^"/]+)"', listing.read().decode())
    copied = [name for name in names if fnmatch.fnmatch(name, pattern)]
    if not copied:
        sys.exit(f"scp: {source}: no such file")
    for name in copied:
        with urllib.request.urlopen(address + name, timeout=60) as file, open(f"{target}/{name}", "wb") as out:
            out.write(file.read())
