"""AWS Signature Version 4, the server's half: is a request signed with this secret?"""
import hashlib
import hmac
import re


def _parts(headers):
    return re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                        headers.get("Authorization", ""))


def key_id(headers):
    parts = _parts(headers)
    return parts[1] if parts else "nobody"


def signed_with(method, path, query, headers, secret):
    parts = _parts(headers)
    if not parts:
        return False
    scope, names, signature = parts[2], parts[3], parts[4]
    content = headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
    fields = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    canonical = "\n".join([method, path, "&".join(sorted(query.split("&"))), fields, names, content])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in [*scope.split("/"), text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(key.hex(), signature)
