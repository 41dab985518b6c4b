"""Runs a command on one core and prints its wall time, CPU time and peak resident memory, and that
of its children that ended, as JSON: python measured.py <core> <command...>"""
import json
import os
import resource
import subprocess
import sys
import time

os.sched_setaffinity(0, {int(sys.argv[1])})
started = time.monotonic()
ended = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL)
wall = time.monotonic() - started
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps({"wall": wall, "cpu": cpu, "peak": usage.ru_maxrss * 1024}))
sys.exit(ended.returncode)
