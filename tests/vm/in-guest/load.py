"""Keeps processors and disk busy and checks every byte of it; each worker tells whoever connects how it went.

load.py ROUNDS: a worker answers after so many more rounds of its own, so that what it says covers the time since."""
import hashlib
import os
import socket
import sys

import background

ROUNDS = int(sys.argv[1])


def worker(name, work):
    server = socket.socket(socket.AF_UNIX)
    server.bind(name + ".socket")
    server.listen()
    server.setblocking(False)
    rounds = wrong = 0
    asked = []  # connections, each with the round that answers it
    while True:
        wrong += not work(rounds)
        rounds += 1
        if rounds == 1:
            ready()
        try:
            connection, _ = server.accept()
            connection.recv(64)
            asked.append((connection, rounds + ROUNDS))
        except BlockingIOError:
            pass
        while asked and asked[0][1] <= rounds:
            connection, _ = asked.pop(0)
            connection.sendall(f"{name}-rounds {rounds}\n{name}-wrong {wrong}\n".encode())
            connection.close()


def memory_work():
    pattern = bytearray(os.urandom(1 << 20))
    digest = hashlib.sha256(pattern).digest()

    def work(turn):
        nonlocal pattern
        pattern = bytearray(pattern)  # to other pages each time
        return hashlib.sha256(pattern).digest() == digest

    return work


def disk_work():
    data = os.urandom(256 << 10)
    digest = hashlib.sha256(data).digest()

    def work(turn):
        path = f"load-{turn % 4}"
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).digest() == digest

    return work


def arithmetic_work():
    def work(turn):
        return sum(i * 1.5 for i in range(20000)) == 299985000.0

    return work


for name, make in (("memory", memory_work), ("disk", disk_work), ("arithmetic", arithmetic_work)):
    if os.fork() == 0:
        ready = background.begin()
        worker(name, make())
    if os.wait()[1] != 0:
        sys.exit(name + " did not start")
