"""A root of the stand-ins' own and one leaf for all their names, made with the openssl program."""
import subprocess

NAMES = """pypi.org files.pythonhosted.org registry.npmjs.org github.com github-cloud.s3.amazonaws.com
           lfs.github.com tiny.s3.us-east-1.amazonaws.com api.example.com grpc.example.com socket.example.com h2.example.com""".split()


def make(folder):
    """Writes root.pem, leaf.pem and leaf.key to the folder."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "root.key", "-out", "root.pem", "-days", "2", "-subj", "/CN=Stand-in root",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *new_key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=stand-in")
    with open(f"{folder}/leaf.cnf", "w") as config:
        config.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName="
                     + ",".join("DNS:" + name for name in NAMES) + "\n")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "2",
            "-extfile", "leaf.cnf", "-out", "leaf.pem")
