# A WebSocket client: a text and a binary message, then the end.
import os

import websocket

connection = websocket.create_connection("wss://socket.example.com/chat", header=["Authorization: Bearer " + os.environ["API_KEY"]])
connection.send("hello")
print("websocket text", connection.recv())
connection.send_binary(b"\x00\x01\x02")
print("websocket binary", connection.recv().hex())
connection.close()
