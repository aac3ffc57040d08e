#!/usr/bin/env python3
"""Signs a token with the test cluster's keys, by openssl: mkjwt.py rs256|hs256|none CLAIMS [KEY ID]

CLAIMS is JSON, such as '{"email":"kirby@example.com"}' for Weir or '{"sun":"kirby"}' for slurmrestd;
iat and exp (an hour from now) are added where absent, and to one of RS256 the iss and aud
that Weir is set up for; a claim that is null is left out.
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time

TESTBED = os.environ.get("TESTBED", "/tmp/testbed")
ISSUER = "https://idp.example.com"
AUDIENCE = "weir"


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(algorithm: str, message: bytes) -> bytes:
    if algorithm == "rs256":
        command = ["openssl", "dgst", "-sha256", "-sign", f"{TESTBED}/keys/idp-rs256.pem"]
        return subprocess.run(command, input=message, stdout=subprocess.PIPE, check=True).stdout
    if algorithm == "hs256":
        with open(f"{TESTBED}/etc/jwt_hs256.key", "rb") as key:
            return hmac.new(key.read(), message, hashlib.sha256).digest()
    return b""


def token(algorithm: str, claims: dict, key_id: str = "testbed-1") -> str:
    now = int(time.time())
    header = {"alg": "none" if algorithm == "none" else algorithm.upper(), "typ": "JWT"}
    if algorithm == "rs256":
        header["kid"] = key_id
    ours = {"iss": ISSUER, "aud": AUDIENCE} if algorithm == "rs256" else {}
    claims = {"iat": now, "exp": now + 3600, **ours, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    message = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return (message + b"." + encode(sign(algorithm, message))).decode()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in ("rs256", "hs256", "none"):
        sys.exit(__doc__)
    print(token(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:]))
