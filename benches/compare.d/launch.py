# Starts one program and says what it took: its process id, then the usage, on a descriptor. It is small, because the system counts the memory
# of whoever starts a program as that program's least peak.
import os
import sys
import time

report = int(sys.argv[1])
os.set_inheritable(report, False)
began = time.time()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, setpgroup=0)
os.write(report, b"%d\n" % pid)
_, status, usage = os.wait4(pid, 0)
took = (began, time.time(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
os.write(report, " ".join(map(repr, took)).encode() + b"\n")
