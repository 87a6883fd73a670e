"""Prints what a server on a socket says, line by line: ask.py SOCKET [LINE]."""
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(" ".join(sys.argv[2:]).encode() + b"\n")
while data := connection.recv(65536):
    sys.stdout.write(data.decode())
