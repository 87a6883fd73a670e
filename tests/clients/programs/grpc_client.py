# A gRPC client: one answer, a stream of answers, a method that the policy does not grant.
import os

import grpc

channel = grpc.secure_channel("grpc.example.com:443", grpc.ssl_channel_credentials())
key = [("authorization", "Bearer " + os.environ["API_KEY"])]
print("grpc unary", channel.unary_unary("/example.Echo/Say")(b"hello", metadata=key).decode())
for number in channel.unary_stream("/example.Echo/Count")(b"3", metadata=key):
    print("grpc stream", number.decode())
try:
    channel.unary_unary("/example.Echo/Forbidden")(b"hello")
except grpc.RpcError as error:
    print("grpc refused", error.code().name)
