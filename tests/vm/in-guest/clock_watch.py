"""Looks at the clocks as often as it can and tells whoever connects of every step backwards and of the longest gap."""
import os
import select
import socket
import time

import background

ready = background.begin()
CLOCKS = {"monotonic": time.CLOCK_MONOTONIC, "boottime": time.CLOCK_BOOTTIME, "raw": time.CLOCK_MONOTONIC_RAW}

server = socket.socket(socket.AF_UNIX)
server.bind("clock.socket")
server.listen()
last = {name: time.clock_gettime_ns(clock) for name, clock in CLOCKS.items()}
back = dict.fromkeys(CLOCKS, 0)
gap = dict.fromkeys(CLOCKS, 0)
processors = sorted(os.sched_getaffinity(0))
turn = 0
ready()
while True:
    # On another processor each time: their counters have to agree.
    turn += 1
    os.sched_setaffinity(0, {processors[turn % len(processors)]})
    for name, clock in CLOCKS.items():
        now = time.clock_gettime_ns(clock)
        back[name] += now < last[name]
        gap[name] = max(gap[name], now - last[name])
        last[name] = now
    if select.select([server], [], [], 0.002)[0]:
        connection, _ = server.accept()
        connection.recv(64)
        lines = [f"{name}-back {back[name]}\n{name}-gap {gap[name]}\n{name} {last[name]}\n" for name in CLOCKS]
        connection.sendall("".join(lines).encode())
        connection.close()
