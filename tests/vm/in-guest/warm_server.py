"""Draws from every generator that a process may hold, before a template is written down and after; tells it to whoever connects."""
import os
import random
import socket
import ssl
import tempfile
import uuid

import background

ready = background.begin()
kept = random.Random()  # the application's own, which nobody renews: it shows that copies are copies


def client_random():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="a.example.com")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    return hello[11:43].hex()  # behind record, handshake header and version (RFC 8446, 4.1.2)


def draw():
    return {
        "random": random.random(),
        "bits": random.getrandbits(64),
        "ssl": ssl.RAND_bytes(16).hex(),
        "hello": client_random(),
        "uuid1": uuid.uuid1().hex[16:],
        "uuid4": uuid.uuid4().hex,
        "urandom": os.urandom(16).hex(),
        "name": next(tempfile._get_candidate_names()),
    }


draw()
server = socket.socket(socket.AF_UNIX)
server.bind("warm.socket")
server.listen()
ready()
while True:
    connection, _ = server.accept()
    connection.recv(64)
    text = "".join(f"warm-{key} {value}\n" for key, value in draw().items())
    connection.sendall((text + f"kept {kept.random()}\n").encode())
    connection.close()
