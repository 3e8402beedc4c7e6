"""Stops one thread of a process, and lets it go on at the next line of input: stop-thread.py PID THREAD-NAME"""

import ctypes
import os
import sys

PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

pid, name = int(sys.argv[1]), sys.argv[2]
threads = os.listdir(f"/proc/{pid}/task")
[thread] = [int(t) for t in threads if open(f"/proc/{pid}/task/{t}/comm").read().strip() == name]
if libc.ptrace(PTRACE_ATTACH, thread, None, None) != 0:
    sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
os.waitpid(thread, WALL)
print("stopped", flush=True)
sys.stdin.readline()
libc.ptrace(PTRACE_DETACH, thread, None, None)
print("going on", flush=True)
