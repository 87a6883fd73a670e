"""The upstreams that clients talk to: an index of Python packages, one of Node packages, Git with LFS, HTTP/2, WebSocket, gRPC.

Each listens on a port of its own on loopback. Writes /tmp/ready, a line `NAME PORT` each and the root in /tmp/root.pem, once all
listen, and every request as a line of /tmp/requests.log: what, the credential as the server understands it, more.
"""
import asyncio
import base64
import concurrent.futures
import functools
import hashlib
import http.server
import io
import json
import os
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import zipfile

import certificates
import sigv4

FOLDER = "/tmp"
LOG = open(f"{FOLDER}/requests.log", "a", buffering=1)
LOCK = threading.Lock()


def record(*words):
    with LOCK:
        print(*words, file=LOG)


def credential(authorization):
    """`Basic …` decoded, anything else as it came."""
    kind, _, value = (authorization or "none").partition(" ")
    return f"{kind}:{base64.b64decode(value).decode()}" if kind.lower() == "basic" else f"{kind}:{value}"


def wheel():
    """anchorhold_tiny-1.0: one module, made here, so that no byte of it can have come from elsewhere."""
    info = "anchorhold_tiny-1.0.dist-info"
    files = {
        "anchorhold_tiny.py": "WORD = 'a wheel through the window'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: anchorhold-tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def node_package():
    files = {"package/package.json": json.dumps({"name": "anchorhold-tiny", "version": "1.0.0", "main": "index.js"}),
             "package/index.js": "module.exports = 'a tarball through the window';\n"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def debian_package():
    """anchorhold-tiny_1.0_all.deb: an ar archive of two tar files (deb(5))."""
    def packed(files):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text), 0o644
                tar.addfile(entry, io.BytesIO(text.encode()))
        return archive.getvalue()

    control = packed({"./control": DEBIAN_CONTROL})
    data = packed({"./usr/share/anchorhold-tiny": "a Debian package through the window\n"})
    deb = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.gz", control), ("data.tar.gz", data)):
        deb += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return deb


DEBIAN_CONTROL = """Package: anchorhold-tiny
Version: 1.0
Architecture: all
Maintainer: stand-in <s@example.com>
Description: one file
"""
DEB = debian_package()
WHEEL = wheel()
TARBALL = node_package()
BIG_SENT = []
LFS_OBJECTS = {}
# The test has it too; a guest never.
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY"
# What GitHub's answer hands out for one object: another credential that no guest may hold.
LFS_TOKEN = "RemoteAuth lfs-0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self, status, data, kind="application/octet-stream", **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        host, (path, _, query) = self.headers["Host"], self.path.partition("?")
        data = self.body()
        record(self.command, host + self.path, credential(self.headers.get("Authorization")), f"bytes:{len(data)}")
        if host == "pypi.org" and path == "/simple/anchorhold-tiny/":
            link = f"https://files.pythonhosted.org/packages/anchorhold_tiny-1.0-py3-none-any.whl#sha256={hashlib.sha256(WHEEL).hexdigest()}"
            self.answer(200, f'<a href="{link}">anchorhold_tiny-1.0-py3-none-any.whl</a>'.encode(), "text/html")
        elif host == "files.pythonhosted.org" and path.startswith("/packages/"):
            self.answer(200, WHEEL)
        elif host == "registry.npmjs.org" and path == "/anchorhold-tiny":
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
            self.answer(200, json.dumps({"name": "anchorhold-tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
                "name": "anchorhold-tiny", "version": "1.0.0", "dist": {
                    "tarball": "https://registry.npmjs.org/anchorhold-tiny/-/anchorhold-tiny-1.0.0.tgz", "integrity": integrity}}}}
            ).encode(), "application/json")
        elif host == "registry.npmjs.org" and path.endswith(".tgz"):
            self.answer(200, TARBALL)
        elif host == "registry.npmjs.org" and path == "/-/npm/v1/security/advisories/bulk":
            self.answer(200, b"{}", "application/json")
        elif host == "github.com" and path.endswith("/info/lfs/objects/batch"):
            self.lfs_batch(json.loads(data))
        elif host == "github.com" and path.endswith("/info/lfs/locks/verify"):
            self.answer(200, b'{"ours":[],"theirs":[]}', "application/vnd.git-lfs+json")
        elif host == "github-cloud.s3.amazonaws.com":
            self.lfs_object(path.rsplit("/", 1)[-1], data)
        elif host == "github.com" and path.startswith("/octo/tiny"):
            self.git(path, query, data)
        elif host == "deb.debian.org" and path == "/debian/dists/tiny/main/binary-amd64/Packages":
            self.answer(200, f"{DEBIAN_CONTROL}Filename: pool/anchorhold-tiny_1.0_all.deb\nSize: {len(DEB)}\n"
                             f"SHA256: {hashlib.sha256(DEB).hexdigest()}\n\n".encode())
        elif host == "deb.debian.org" and path == "/debian/pool/anchorhold-tiny_1.0_all.deb":
            self.answer(200, DEB)
        elif host == "tiny.s3.us-east-1.amazonaws.com":
            signed = sigv4.signed_with(self.command, path, query, self.headers, AWS_SECRET)
            record("s3", path, "signed" if signed else "not signed", f"by {sigv4.key_id(self.headers)}")
            self.answer(200 if signed else 403, b"an object through the window\n")
        elif host == "api.example.com" and path == "/v1/big":
            self.big(int(query))
        elif host == "api.example.com" and path == "/v1/until-big-waits":
            self.answer(200, f"waits after {big_waits()} bytes\n".encode())
        elif host == "api.example.com" and path.startswith("/v1/"):
            self.answer(200, b"you said " + data)
        else:
            self.answer(404, b"no such thing here")

    do_GET = do_POST = do_PUT = do_HEAD = serve

    def lfs_batch(self, request):
        objects = []
        for wanted in request["objects"]:
            held = wanted["oid"] in LFS_OBJECTS
            actions = {request["operation"]: {"href": f"https://github-cloud.s3.amazonaws.com/tiny/{wanted['oid']}",
                                              "header": {"Authorization": LFS_TOKEN}}}
            objects.append({**wanted, "actions": actions if (request["operation"] == "download") == held else {}})
        self.answer(200, json.dumps({"transfer": "basic", "objects": objects}).encode(), "application/vnd.git-lfs+json")

    def lfs_object(self, oid, data):
        if self.command == "PUT":
            assert hashlib.sha256(data).hexdigest() == oid
            LFS_OBJECTS[oid] = data
            self.answer(200, b"")
        else:
            self.answer(200, LFS_OBJECTS[oid])

    def git(self, path, query, data):
        """Git's own server side, as CGI (git-http-backend(1))."""
        authorized = self.headers.get("Authorization") is not None
        if not authorized:
            self.answer(401, b"who are you?", WWW_Authenticate='Basic realm="GitHub"')
            return
        environment = {"PATH": os.environ["PATH"], "HOME": FOLDER, "GIT_PROJECT_ROOT": f"{FOLDER}/git", "GIT_HTTP_EXPORT_ALL": "1",
                       "REMOTE_USER": "octo", "REQUEST_METHOD": self.command, "PATH_INFO": path.replace("/tiny/", "/tiny.git/", 1),
                       "QUERY_STRING": query, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(data)),
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                       "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=data, env=environment, capture_output=True, check=True)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(fields.pop("Status", "200").split()[0])
        kind = fields.pop("Content-Type")
        self.answer(status, answer, kind)
        if path.endswith("/git-receive-pack"):
            log = subprocess.run(["git", "-C", f"{FOLDER}/git/octo/tiny.git", "log", "--format=%an: %s", "main"],
                                 capture_output=True, text=True, check=True, env=environment)
            record("git-log", log.stdout.replace("\n", " | "))

    def big(self, mebibytes):
        """So many MiB of text that differs from block to block; its digest is in the log."""
        self.send_response(200)
        self.send_header("Content-Length", str(mebibytes << 20))
        self.end_headers()
        digest = hashlib.sha256()
        for number in range(mebibytes * 16):
            block = (b"%015d\n" % number) * 4096
            digest.update(block)
            self.wfile.write(block)
            BIG_SENT.append(len(block))
        record("big", digest.hexdigest())


def big_waits():
    """Returns once the large answer is on its way and nobody takes more of it: how much of it went."""
    before = None
    while not BIG_SENT or before != len(BIG_SENT):
        before = len(BIG_SENT)
        time.sleep(1)
    return sum(BIG_SENT)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def tls(*protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{FOLDER}/leaf.pem", f"{FOLDER}/leaf.key")
    context.set_alpn_protocols(protocols)
    return context


def serve_https():
    server = Server(("127.0.0.1", 0), Handler)
    # The handshake belongs into the connection's thread, not into accept().
    server.socket = tls("http/1.1").wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def serve_http():
    """The same without TLS, for apt."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def make_repository():
    """octo/tiny.git with one commit, whose author this is."""
    git = functools.partial(subprocess.run, check=True, capture_output=True,
                            env={"PATH": os.environ["PATH"], "HOME": FOLDER, "GIT_AUTHOR_NAME": "stand-in", "GIT_AUTHOR_EMAIL": "s@example.com",
                                 "GIT_COMMITTER_NAME": "stand-in", "GIT_COMMITTER_EMAIL": "s@example.com"})
    bare, work = f"{FOLDER}/git/octo/tiny.git", f"{FOLDER}/git-work"
    git(["git", "init", "-q", "-b", "main", work])
    with open(f"{work}/README", "w") as file:
        file.write("a repository through the window\n")
    git(["git", "-C", work, "add", "README"])
    git(["git", "-C", work, "commit", "-q", "-m", "first"])
    git(["git", "clone", "-q", "--bare", work, bare])


def serve_http2():
    """nghttpd: no line of it is ours. It logs every header it receives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.makedirs(f"{FOLDER}/h2/v1", exist_ok=True)
    with open(f"{FOLDER}/h2/v1/hello", "w") as file:
        file.write("hello over HTTP/2\n")
    log = open(f"{FOLDER}/http2.log", "w")
    server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "nghttpd", "-v", "-a", "127.0.0.1", "--echo-upload", "-d", f"{FOLDER}/h2", str(port),
                               f"{FOLDER}/leaf.key", f"{FOLDER}/leaf.pem"], stdout=log, stderr=log)
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port
    with open(f"{FOLDER}/http2.log") as said:
        raise RuntimeError("nghttpd: " + said.read())


def serve_grpc():
    import grpc

    def seen(context, method):
        record("grpc", method, credential(dict(context.invocation_metadata()).get("authorization")))

    def say(request, context):
        seen(context, "Say")
        return b"you said " + request

    def count(request, context):
        seen(context, "Count")
        for number in range(int(request)):
            yield str(number + 1).encode()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Echo", {
        "Say": grpc.unary_unary_rpc_method_handler(say), "Count": grpc.unary_stream_rpc_method_handler(count)}),))
    with open(f"{FOLDER}/leaf.key", "rb") as key, open(f"{FOLDER}/leaf.pem", "rb") as chain:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key.read(), chain.read())]))
    server.start()
    serve_grpc.server = server  # ends when nobody holds it
    return port


def serve_websocket():
    import websockets

    async def converse(connection, path):
        record("websocket", path, credential(connection.request_headers.get("Authorization")))
        async for message in connection:
            await connection.send(message[::-1] if isinstance(message, bytes) else "you said " + message)

    async def serve(port):
        async with websockets.serve(converse, "127.0.0.1", 0, ssl=tls("http/1.1")) as server:
            port.set_result(server.sockets[0].getsockname()[1])
            await asyncio.Future()

    port = concurrent.futures.Future()
    threading.Thread(target=lambda: asyncio.run(serve(port)), daemon=True).start()
    return port.result()


def main():
    import sys
    certificates.make(FOLDER)
    makers = {"https": serve_https, "http": serve_http, "http2": serve_http2, "grpc": serve_grpc, "websocket": serve_websocket}
    if "https" in sys.argv[1:]:
        make_repository()
    ports = {name: makers[name]() for name in sys.argv[1:]}
    with open(f"{FOLDER}/ready.new", "w") as file:
        file.writelines(f"{name} {port}\n" for name, port in ports.items())
    os.rename(f"{FOLDER}/ready.new", f"{FOLDER}/ready")
    print("ready", flush=True)
    threading.Event().wait()


main()
