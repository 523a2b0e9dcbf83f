"""What the tests of deploy/'s files share: programs that may be missing here."""

import shutil
import subprocess
import unittest


def need(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
