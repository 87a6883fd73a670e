"""What a process that starts in a copy draws, and who the copy is."""
import os
import random
import socket
import uuid


def read(path):
    with open(path) as file:
        return file.read().strip()


def ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    return ",".join(str(one.getsockname()[1]) for one in sockets)


print("kernel-uuid", read("/proc/sys/kernel/random/uuid"))
print("boot-id", read("/proc/sys/kernel/random/boot_id"))
print("machine-id", read("/etc/machine-id"))
print("generation", read("/run/anchorhold/generation"))
print("getrandom", os.getrandom(32).hex())
with open("/dev/urandom", "rb") as device:
    print("urandom", device.read(32).hex())
print("auxv-random", hash("a string's hash"))
print("random", random.random())
print("uuid4", uuid.uuid4())
print("ports", ports(4))
