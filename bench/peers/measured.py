"""Runs a command on one core and prints its wall time, CPU time and peak resident memory, and that
of its children that ended, as JSON: python measured.py <core> <command...>. Also the CPU time of
the threads of all by name, as seen ten times a second."""
import json
import os
import resource
import subprocess
import sys
import time



def threads(pid):
    """Thread of a process or of its children -> its name and CPU seconds, by the fields 14 and 15
    of proc(5)."""
    found = {}
    folder = f"/proc/{pid}/task"
    for thread in os.listdir(folder) if os.path.exists(folder) else []:
        try:
            with open(f"{folder}/{thread}/stat") as file:
                name, fields = file.read().split("(", 1)[1].rsplit(")", 1)
            with open(f"{folder}/{thread}/children") as file:
                children = file.read().split()
        except OSError:
            continue  # it has ended
        ticks = sum(int(count) for count in fields.split()[11:13])
        found[thread] = name, ticks / os.sysconf("SC_CLK_TCK")
        for child in children:
            found.update(threads(child))
    return found


os.sched_setaffinity(0, {int(sys.argv[1])})
started = time.monotonic()
running = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
seen = {}
while running.poll() is None:
    seen.update(threads(running.pid))
    time.sleep(0.1)
wall = time.monotonic() - started
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = usage.ru_utime + usage.ru_stime
by_name = {}
for name, seconds in seen.values():
    by_name[name] = by_name.get(name, 0) + seconds
peak = usage.ru_maxrss * 1024
print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "threads": by_name}))
sys.exit(running.returncode)
