"""Runs commands at the same time and tells what they cost together.

    python3 measure.py '[{"argv": [...], "env": {...}, "out": "file"}]'

Prints one JSON object: seconds from the first start to the last end, and per command its exit status, CPU seconds (user and system, as the kernel
counted them for the process and the children it waited for) and peak resident memory. Python, because Node can't ask the kernel for a child's usage.
"""
import json
import os
import sys
import time

started = {}
begin = time.monotonic()
for number, command in enumerate(json.loads(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        out = os.open(command["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        err = os.open(command["out"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        os.dup2(err, 2)
        try:
            os.execvpe(command["argv"][0], command["argv"], {**os.environ, **command["env"]})
        except OSError as error:
            os.write(2, f"{command['argv'][0]}: {error}\n".encode())
            os._exit(127)
    started[pid] = number

results = {}
while started:
    pid, status, usage = os.wait4(-1, 0)
    number = started.pop(pid)
    results[number] = {
        "status": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * 1024,
    }
print(json.dumps({"seconds": time.monotonic() - begin, "commands": [results[number] for number in sorted(results)]}))
