"""aether/1 on the wire, written from the protocol page alone: keys, tokens, signed messages."""

import base64
import hashlib
import http.client
import json
import os
import re
import time
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TAG = "aether-federation"


class Refused(Exception):
    """A message that is not what it says it is."""


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk):
    """RFC 7638."""
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64u(hashlib.sha256(text.encode()).digest())


class Key:
    """An Ed25519 key of ours."""

    def __init__(self):
        self._private = Ed25519PrivateKey.generate()
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = {"kty": "OKP", "crv": "Ed25519", "x": b64u(raw)}
        self.kid = thumbprint(self.public)

    def sign(self, data):
        return self._private.sign(data)

    def jws(self, header, payload):
        parts = [b64u(json.dumps(part).encode()) for part in ({"alg": "EdDSA", **header}, payload)]
        return ".".join(parts + [b64u(self.sign(".".join(parts).encode()))])


def verify(jwk, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(unb64u(jwk["x"])).verify(signature, data)
    except InvalidSignature as cause:
        raise Refused("bad signature") from cause


def read_jws(token, typ, keys):
    """The payload of a JWS by one of `keys` (kid → JWK)."""
    header, payload, signature = token.split(".")
    head = json.loads(unb64u(header))
    in_tree = head.get("alg") == TREE and typ in TREE_TYPES
    if not (in_tree or head.get("alg") == "EdDSA"):
        raise Refused(f"header {head}")
    if head.get("typ") != typ or head.get("kid") not in keys:
        raise Refused(f"header {head}")
    (verify_tree if in_tree else verify)(
        keys[head["kid"]], unb64u(signature), f"{header}.{payload}".encode()
    )
    return json.loads(unb64u(payload))


# Many under one signature ---------------------------------------------------------------------

TREE = "aether-tree-EdDSA"
TREE_TYPES = ("aether-receipt+jwt", "aether-countersignature+jwt")


def _sha256(data):
    return hashlib.sha256(data).digest()


def _tree(leaves):
    """RFC 9162, 2.1.1: the hash of a tree, and the path of each of its leaves."""
    if len(leaves) == 1:
        return leaves[0], [[]]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    (left, lefts), (right, rights) = _tree(leaves[:split]), _tree(leaves[split:])
    paths = [path + [right] for path in lefts] + [path + [left] for path in rights]
    return _sha256(b"\x01" + left + right), paths


def _root_text(size, root):
    return b"aether-tree/1\x00" + size.to_bytes(2, "big") + root


def sign_all(key, typ, payloads):
    """JWSs of all of `payloads`, under one signature."""
    header = b64u(json.dumps({"alg": TREE, "typ": typ, "kid": key.kid}).encode())
    texts = [f"{header}.{b64u(json.dumps(payload).encode())}" for payload in payloads]
    root, paths = _tree([_sha256(b"\x00" + text.encode()) for text in texts])
    size = len(texts)
    signature = key.sign(_root_text(size, root))
    tokens = []
    for index, (text, path) in enumerate(zip(texts, paths)):
        place = size.to_bytes(2, "big") + index.to_bytes(2, "big")
        tokens.append(f"{text}.{b64u(signature + place + b''.join(path))}")
    return tokens


def verify_tree(jwk, signature, data):
    size, index = (int.from_bytes(signature[at : at + 2], "big") for at in (64, 66))
    path = [signature[at : at + 32] for at in range(68, len(signature), 32)]
    if len(signature) < 68 or size > 256 or index >= size or any(len(each) != 32 for each in path):
        raise Refused("tree")
    fn, sn, root = index, size - 1, _sha256(b"\x00" + data)
    for each in path:
        if sn == 0:
            raise Refused("tree")
        if fn & 1 or fn == sn:
            root = _sha256(b"\x01" + each + root)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = _sha256(b"\x01" + root + each)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Refused("tree")
    verify(jwk, signature[:64], _root_text(size, root))


def read_descriptor(token):
    """A descriptor, signed by one of the keys it names."""
    claimed = json.loads(unb64u(token.split(".")[1]))
    keys = {key["kid"]: key for key in claimed["keys"]}
    for kid, key in keys.items():
        if thumbprint(key) != kid:
            raise Refused("kid")
    return read_jws(token, "aether-descriptor+jwt", keys)


def handshake_proof(role, a, b, kid_a, kid_b, nonce_a, nonce_b):
    def lp(data):
        data = data.encode() if isinstance(data, str) else data
        return len(data).to_bytes(4, "big") + data

    parts = [role, a, b, kid_a, kid_b, unb64u(nonce_a), unb64u(nonce_b), "aether/1"]
    return b"aether/1 handshake\x00" + b"".join(lp(part) for part in parts)


# RFC 9421 and RFC 9530 ------------------------------------------------------------------------


def content_digest(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_headers(components, key, origin):
    """`components`: identifier as it stands in the base → value."""
    now = int(time.time())
    params = (
        f'({" ".join(components)});created={now};expires={now + 30};nonce="{b64u(os.urandom(16))}";'
        f'keyid="{origin}#{key.kid}";alg="ed25519";tag="{TAG}"'
    )
    signature = base64.b64encode(key.sign(_base(components, params))).decode()
    return {"Signature-Input": f"aether={params}", "Signature": f"aether=:{signature}:"}


def _base(components, params):
    lines = [f"{name}: {value}" for name, value in components.items()]
    return "\n".join(lines + [f'"@signature-params": {params}']).encode()


def verified_keyid(headers, components, body, key_for):
    """Checks a message in the order of section 3; returns its keyid and nonce."""
    match = re.fullmatch(r"aether=(\(([^)]*)\);(.+))", headers.get("Signature-Input") or "")
    signature = re.fullmatch(r"aether=:([A-Za-z0-9+/=]+):", headers.get("Signature") or "")
    if match is None or signature is None:
        raise Refused("not signed")
    params, covered, rest = match.groups()
    if set(covered.split(" ")) != set(components):
        raise Refused(f"covers {covered}")
    values = dict(re.findall(r';?([a-z]+)="?([^";]*)"?', rest))
    if values.get("tag") != TAG or values.get("alg") != "ed25519":
        raise Refused(rest)
    ordered = {name: components[name] for name in covered.split(" ")}
    key = key_for(values["keyid"])
    if key is None:
        raise Refused("unknown key")
    verify(key, base64.b64decode(signature[1]), _base(ordered, params))
    if '"content-digest"' in components and headers["Content-Digest"] != content_digest(body):
        raise Refused("digest")
    created, expires, now = int(values["created"]), int(values["expires"]), time.time()
    if not (created - 30 <= now <= expires + 30 and expires - created <= 60):
        raise Refused("time")
    return values["keyid"], values["nonce"]


def request_components(method, uri, recipient, digest):
    components = {'"@method"': method, '"@target-uri"': uri, '"aether-recipient"': recipient}
    return components if digest is None else {**components, '"content-digest"': digest}


def response_components(status, digest, method, uri, recipient, signature):
    return {
        '"@status"': status,
        '"content-digest"': digest,
        '"@method";req': method,
        '"@target-uri";req': uri,
        '"aether-recipient";req': recipient,
        '"signature";req;key="aether"': signature.removeprefix("aether="),
    }


def post(uri, recipient, body, key, origin, key_for):
    """A signed call; the status and the body of its answer, which must be signed too."""
    data = json.dumps(body).encode()
    digest = content_digest(data)
    components = request_components("POST", uri, recipient, digest)
    signed = signature_headers(components, key, origin)
    named = {"Aether-Recipient": recipient, "Content-Digest": digest}
    headers = {"Content-Type": "application/json", **named, **signed}
    status, answered, text = fetch("POST", uri, data, headers)
    answer = json.loads(text)
    expected = response_components(
        status, answered.get("Content-Digest"), "POST", uri, recipient, signed["Signature"]
    )
    try:
        verified_keyid(answered, expected, text, key_for)
    except Refused as cause:
        raise Refused(f"{uri} answered {status} {answer}: {cause}") from cause
    return status, answer


def fetch(method, uri, data=None, headers=None):
    parts = urllib.parse.urlsplit(uri)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, parts.path, data, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()
