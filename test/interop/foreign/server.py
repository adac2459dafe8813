"""A foreign server: the home of some players, the host of others. It knows no Colyseus at all.

The protocol is at /federation; /control is how a test tells it what to do. With --plain it knows no additions: no
links, no receipts of many crossings at once.
"""

import base64
import hashlib
import json
import os
import re
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import link
import wire

PORT = int(sys.argv[1])
ORIGIN = f"http://localhost:{PORT}"
AUTHORITY = f"localhost:{PORT}"
ENDPOINT = f"{ORIGIN}/federation"
IS_PLAIN = "--plain" in sys.argv
ADDITIONS = [] if IS_PLAIN else [link.CAPABILITY, "aether-receipts/1"]
HEALTH = {"status": "pass", "version": "1"}
LEASE_SECONDS = 4
KEY = wire.Key()
LOCK = threading.RLock()

peers = {}  # origin → descriptor
offered = {}  # handshakeId → what was offered
sessions = set()  # origins
nonces = set()
rows = {}  # local id → row, as home
seats = {}  # (caller, transferId) → answer, as destination
assets = {}  # hex → bytes, perhaps not those that the hash names
links = {}  # origin → its links, the newest last
crossings = {}  # transferId → (caller, what its receipt says), as home
busy = []  # not empty: it gives no receipts now
words = []  # countersignatures that verified, as home
told = []  # calls that came in, as (caller, path, body, whether over a link)


class Answer(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


def now():
    return int(time.time())


def descriptor():
    return KEY.jws(
        {"typ": "aether-descriptor+jwt", "kid": KEY.kid},
        {
            "origin": ORIGIN,
            "name": "Snake Hall",
            "endpoint": ENDPOINT,
            "protocols": ["aether/1", *ADDITIONS],
            "worlds": ["hall"],
            "keys": [{**KEY.public, "kid": KEY.kid, "use": "sig"}],
            "validUntil": now() + 3600,
        },
    )


def well_known():
    jws = descriptor()
    return {**wire.read_descriptor(jws), "jws": jws}


def peer(origin):
    """A peer's descriptor, from its own origin."""
    if origin not in peers:
        status, _headers, text = wire.fetch("GET", f"{origin}/.well-known/aether-federation")
        if status != 200:
            raise wire.Refused(f"{origin} has no descriptor")
        found = wire.read_descriptor(json.loads(text)["jws"])
        if found["origin"] != origin:
            raise wire.Refused("another origin")
        peers[origin] = found
    return peers[origin]


def keys_of(origin):
    return {key["kid"]: key for key in peer(origin)["keys"]}


def key_for(keyid):
    origin, kid = keyid.rsplit("#", 1)
    return keys_of(origin).get(kid)


def call(origin, path, body):
    for each in reversed(links.get(origin, [])):
        if each.usable and not path.startswith("/handshake"):
            return each.call(path, body)
    return wire.post(peer(origin)["endpoint"] + path, origin, body, KEY, ORIGIN, key_for)


# Handshake -----------------------------------------------------------------------------------


def handshake(caller, body):
    theirs = wire.read_descriptor(body["descriptor"])
    if body["responder"] != ORIGIN or theirs["origin"] != caller or "aether/1" not in body["protocols"]:
        raise Answer(400, "ERR_FED_MALFORMED")
    nonce, identifier = wire.b64u(os.urandom(32)), str(uuid.uuid4())
    kid = peer(caller)["keys"][0]["kid"]
    offer = [caller, ORIGIN, kid, KEY.kid, body["nonce"], nonce]
    offered[identifier] = offer
    return 200, {
        "handshakeId": identifier,
        "protocol": "aether/1",
        "descriptor": descriptor(),
        "nonce": body["nonce"],
        "counterNonce": nonce,
        "proof": wire.b64u(KEY.sign(wire.handshake_proof("responder", *offer))),
        "expiresAt": now() + 10,
    }


def complete(caller, body):
    offer = offered.pop(body["handshakeId"])
    proof = wire.handshake_proof("initiator", *offer)
    wire.verify(keys_of(caller)[offer[2]], wire.unb64u(body["proof"]), proof)
    sessions.add(caller)
    return 200, {
        "sessionId": str(uuid.uuid4()),
        "peer": caller,
        "protocol": "aether/1",
        "trust": "trusted",
        "expiresAt": now() + 24 * 3600,
    }


def begin_handshake(origin):
    nonce = wire.b64u(os.urandom(32))
    challenge = {"protocols": ["aether/1"], "responder": origin, "descriptor": descriptor()}
    status, offer = call(origin, "/handshake", {**challenge, "nonce": nonce, "issuedAt": now()})
    if status != 200:
        return {"status": status, "body": offer}
    assert offer["nonce"] == nonce and offer["protocol"] == "aether/1"
    theirs = wire.read_descriptor(offer["descriptor"])
    assert theirs["origin"] == origin
    # Which of its keys it proved, if it has several, is the one that verifies.
    for candidate in theirs["keys"]:
        parts = [ORIGIN, origin, KEY.kid, candidate["kid"], nonce, offer["counterNonce"]]
        try:
            proof = wire.handshake_proof("responder", *parts)
            wire.verify(candidate, wire.unb64u(offer["proof"]), proof)
            break
        except wire.Refused:
            continue
    else:
        raise wire.Refused("proof")
    proof = wire.b64u(KEY.sign(wire.handshake_proof("initiator", *parts)))
    completion = {"handshakeId": offer["handshakeId"], "proof": proof}
    status, session = call(origin, "/handshake/complete", completion)
    return {"status": status, "body": session}


# Custody, as home ----------------------------------------------------------------------------


def row_of(player):
    local, _, authority = player.rpartition("@")
    if authority != AUTHORITY or local not in rows:
        raise Answer(409, "ERR_FED_STALE_CUSTODY")
    return rows[local]


def held_by(caller, body):
    row = row_of(body["player"])
    if row["holder"] != caller or row["epoch"] != body["epoch"]:
        raise Answer(409, "ERR_FED_STALE_CUSTODY")
    return row


def issue_pass(local, transfer, jkt=None):
    row = rows[local]
    claims = {
        "iss": ORIGIN,
        "sub": local,
        "aud": transfer["to"],
        "iat": now(),
        "exp": now() + 60,
        "jti": str(uuid.uuid4()),
        "xfer": transfer["id"],
        "src": transfer["from"],
        "world": transfer["world"],
        "name": row["name"],
    }
    if row["jkt"] is not None:
        claims["cnf"] = {"jkt": row["jkt"]}
    return KEY.jws({"typ": "aether-pass+jwt", "kid": KEY.kid}, claims)


def depart(caller, body):
    row = held_by(caller, body)
    transfer = row["transfer"]
    if transfer is not None and transfer["id"] != body["transferId"]:
        raise Answer(409, "ERR_FED_STALE_CUSTODY")
    row["transfer"] = {
        "id": body["transferId"],
        "from": caller,
        "to": body["to"],
        "world": body["world"],
    }
    if "state" in body:
        row["state"] = body["state"]
    token = issue_pass(body["player"].rpartition("@")[0], row["transfer"])
    return 200, {"transferId": body["transferId"], "pass": token, "deadline": now() + 30}


def claim(caller, body):
    for local, row in rows.items():
        transfer, last = row["transfer"], row["last"]
        if transfer is not None and transfer["id"] == body["transferId"]:
            if transfer["to"] != caller:
                raise Answer(403, "ERR_FED_NOT_DESTINATION")
            row.update(holder=caller, epoch=row["epoch"] + 1, transfer=None, last=transfer)
        elif last is None or last["id"] != body["transferId"]:
            continue
        elif last.get("cancelled"):
            raise Answer(409, "ERR_FED_TRANSFER_CANCELLED")
        elif row["holder"] != caller or transfer is not None:
            raise Answer(409, "ERR_FED_STALE_CUSTODY")
        player = f"{local}@{AUTHORITY}"
        receipt = {
            "iss": ORIGIN,
            "xfer": body["transferId"],
            "player": player,
            "epoch": row["epoch"],
            "from": row["last"]["from"],
            "to": caller,
            "iat": now(),
        }
        _, receipt = crossings.setdefault(body["transferId"], (caller, receipt))
        answer = {
            "player": player,
            "name": row["name"],
            "epoch": row["epoch"],
            **({} if row["state"] is None else {"state": row["state"]}),
            "leaseSeconds": LEASE_SECONDS,
        }
        if body.get("receiptLater") and not IS_PLAIN:
            return 200, answer
        head = {"typ": "aether-receipt+jwt", "kid": KEY.kid}
        return 200, {**answer, "receipt": KEY.jws(head, receipt)}
    raise Answer(409, "ERR_FED_TRANSFER_UNKNOWN")


def receipts(caller, body):
    if IS_PLAIN:
        raise Answer(404, "ERR_FED_NOT_FOUND")
    if busy:
        raise Answer(503, "ERR_FED_UNAVAILABLE")
    refused, good = [], []
    for each in body["crossings"]:
        owner, claims = crossings.get(each["transferId"], (None, None))
        if owner != caller:
            refused.append({"transferId": each["transferId"], "code": "ERR_FED_TRANSFER_UNKNOWN"})
            continue
        said = wire.read_jws(each["countersignature"], COUNTERSIGNATURE, keys_of(caller))
        assert said["iss"] == caller and said["home"] == ORIGIN, said
        assert all(said[name] == claims[name] for name in SAME), (said, claims)
        words.append(said)
        good.append((each, claims))
    signed = wire.sign_all(KEY, "aether-receipt+jwt", [claims for _, claims in good]) if good else []
    answers = [
        {
            "transferId": each["transferId"],
            "receipt": token,
            "countersignatures": [each["countersignature"]],
        }
        for (each, _), token in zip(good, signed)
    ]
    return 200, {"receipts": answers, "refused": refused}


COUNTERSIGNATURE = "aether-countersignature+jwt"
SAME = ("xfer", "player", "epoch", "from", "to")


def countersign(origin, held):
    """Asks a home for the receipts of what was claimed of it, all countersigned under one signature."""
    claims = [
        {
            **{name: each[name] for name in SAME},
            "iss": ORIGIN,
            "home": origin,
            "iat": now(),
            "digest": each["digest"],
        }
        for each in held
    ]
    tokens = wire.sign_all(KEY, COUNTERSIGNATURE, claims)
    asked = [
        {"transferId": each["xfer"], "countersignature": token} for each, token in zip(held, tokens)
    ]
    status, answer = call(origin, "/custody/receipts", {"crossings": asked})
    assert status == 200 and answer["refused"] == [], answer
    return [
        {
            "alg": json.loads(wire.unb64u(each["receipt"].split(".")[0]))["alg"],
            "claims": wire.read_jws(each["receipt"], "aether-receipt+jwt", keys_of(origin)),
            "words": len(each["countersignatures"]),
        }
        for each in answer["receipts"]
    ]


def cancel(caller, body):
    row = held_by(caller, body)
    if row["transfer"] is not None:
        if row["transfer"]["id"] != body["transferId"]:
            raise Answer(409, "ERR_FED_STALE_CUSTODY")
        row["last"] = {**row["transfer"], "cancelled": True}
    row.update(transfer=None, epoch=row["epoch"] + 1)
    return 200, {"epoch": row["epoch"], "leaseSeconds": LEASE_SECONDS}


def take_back(caller, body):
    row = held_by(caller, body)
    row.update(holder=ORIGIN, epoch=row["epoch"] + 1, transfer=None)
    if "state" in body:
        row["state"] = body["state"]
    return 200, {"epoch": row["epoch"]}


def renew(caller, body):
    lost = []
    for each in body["players"]:
        try:
            row = held_by(caller, each)
            if "state" in each:
                row["state"] = each["state"]
        except Answer:
            lost.append({"player": each["player"], "epoch": each["epoch"]})
    return 200, {"leaseSeconds": LEASE_SECONDS, "lost": lost}


# Seats, as destination ------------------------------------------------------------------------


def reserve(caller, body):
    transfer, token = body["transferId"], body["pass"]
    issuer = json.loads(wire.unb64u(token.split(".")[1]))["iss"]
    claims = wire.read_jws(token, "aether-pass+jwt", keys_of(issuer))
    good = (
        claims["aud"] == ORIGIN
        and claims["xfer"] == transfer
        and claims["src"] == caller
        and claims["world"] == body["world"] == "hall"
        and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", claims["sub"])
        and claims["exp"] > time.time()
        and claims["exp"] - claims["iat"] <= 120
        and claims["iat"] <= time.time() + 30
    )
    if not good:
        raise Answer(403, "ERR_FED_PASS_INVALID")
    seat = {"name": "hall", "processId": "snake", "roomId": "hall-1"}
    seats.setdefault(
        (caller, transfer),
        {
            "reservation": {**seat, "sessionId": wire.b64u(os.urandom(9))},
            "origin": ORIGIN,
            "expiresAt": now() + 15,
        },
    )
    return 201, seats[(caller, transfer)]


def free(caller, body):
    seats.pop((caller, body["transferId"]), None)
    return 200, {}


def noted(_caller, _body):
    return 200, {}


CALLS = {
    "/handshake": handshake,
    "/handshake/complete": complete,
    "/reservations": reserve,
    "/reservations/cancel": free,
    "/custody/depart": depart,
    "/custody/claim": claim,
    "/custody/receipts": receipts,
    "/custody/cancel": cancel,
    "/custody/return": take_back,
    "/custody/renew": renew,
    "/custody/departed": noted,
    "/custody/revoke": noted,
}


# Calls, however they come ---------------------------------------------------------------------


def answer_call(caller, path, body, linked):
    try:
        if path not in CALLS:
            raise Answer(404, "ERR_FED_NOT_FOUND")
        with LOCK:
            told.append({"caller": caller, "path": path, "body": body, "linked": linked})
            return CALLS[path](caller, body)
    except Answer as refused:
        status = refused.status
        return status, {"type": "about:blank", "title": "No", "status": status, "code": refused.code}


def add_link(origin, websocket, sending, receiving):
    added = link.Link(
        websocket,
        sending,
        receiving,
        lambda path, body: answer_call(origin, path, body, True),
        json.dumps(HEALTH),
    )
    links.setdefault(origin, []).append(added)
    return added


def begin_link(origin):
    endpoint = peer(origin)["endpoint"]
    websocket, (ours, theirs) = link.open_link(endpoint, origin, KEY, ORIGIN, key_for)
    added = add_link(origin, websocket, ours, theirs)
    threading.Thread(target=added.run, daemon=True).start()
    added.ping()
    return {"usable": added.usable}


# What the test asks for -----------------------------------------------------------------------


def control(name, body):
    if name == "handshake":
        return begin_handshake(body["origin"])
    if name == "link":
        return begin_link(body["origin"])
    if name == "links":
        return len([each for each in links.get(body["origin"], []) if each.usable])
    if name == "call":
        status, answer = call(body["origin"], body["path"], body["body"])
        return {"status": status, "body": answer}
    if name == "player":
        key = wire.Key()
        local = key.kid if body.get("bound") else f"p{uuid.uuid4().hex}"
        rows[local] = {
            "holder": ORIGIN,
            "epoch": 0,
            "transfer": None,
            "last": None,
            "state": body.get("state"),
            "name": body["name"],
            "jkt": key.kid if body.get("bound") else None,
        }
        player_keys[local] = key
        return {"player": f"{local}@{AUTHORITY}"}
    if name == "depart":
        row, transfer = row_of(body["player"]), str(uuid.uuid4())
        asked = {"transferId": transfer, "player": body["player"], "epoch": row["epoch"]}
        return depart(ORIGIN, {**asked, "to": body["to"], "world": body["world"]})[1]
    if name == "cancel":
        return cancel(ORIGIN, body)[1]
    if name == "prove":
        key = player_keys[body["player"].rpartition("@")[0]]
        claims = {"aud": body["aud"], "use": "seat", "sid": body["sid"], "jti": str(uuid.uuid4())}
        head = {"typ": "aether-pop+jwt", "jwk": key.public}
        return {"token": key.jws(head, {**claims, "iat": now(), "exp": now() + 30})}
    if name == "asset":
        data = body["text"].encode()
        digest = hashlib.sha256(data).digest()
        assets[digest.hex()] = data if body["honest"] else data[:-1] + b"?"
        return {
            "originServer": ORIGIN,
            "assetHash": f"sha256-{base64.b64encode(digest).decode()}",
            "size": len(data),
            "mediaType": "image/svg+xml",
        }
    if name == "row":
        return row_of(body["player"])
    if name == "receipt":
        return wire.read_jws(body["receipt"], "aether-receipt+jwt", keys_of(body["issuer"]))
    if name == "countersign":
        return countersign(body["origin"], body["held"])
    if name == "busy":
        busy[:] = [True] if body["busy"] else []
        return {}
    if name == "words":
        return words
    if name == "told":
        return [entry for entry in told if entry["path"] == body["path"]]
    if name == "sessions":
        return sorted(sessions)
    raise Answer(404, "ERR_FED_NOT_FOUND")


player_keys = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        if self.path == "/.well-known/aether-federation":
            self.reply(200, well_known())
        elif self.path == "/federation/health":
            self.reply(200, HEALTH, "application/health+json")
        elif self.path == "/federation/link" and HAS_LINKS:
            self.linked()
        elif self.path.removeprefix("/federation/assets/sha256/") in assets:
            data = assets[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Type", "image/svg+xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        else:
            self.reply(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/control/"):
            self.controlled(body)
            return
        uri = ORIGIN + self.path
        recipient, digest = self.headers.get("Aether-Recipient"), self.headers.get("Content-Digest")
        components = wire.request_components("POST", uri, recipient, digest)
        if recipient is not None and recipient != ORIGIN:
            self.reply(421, {"code": "ERR_FED_WRONG_RECIPIENT"})
            return
        caller = self.caller(components, body)
        if caller is None:
            return
        path = self.path.removeprefix("/federation")
        status, answer = answer_call(caller, path, json.loads(body), False)
        kind = "application/json" if status < 400 else "application/problem+json"
        self.reply(status, answer, kind, signed=uri)

    def caller(self, components, body):
        """Who has signed the request; None, and it is answered, when nobody has."""
        try:
            keyid, nonce = wire.verified_keyid(self.headers, components, body, key_for)
            with LOCK:
                if nonce in nonces:
                    raise wire.Refused("replayed")
                nonces.add(nonce)
        except wire.Refused as cause:
            self.reply(401, {"code": "ERR_FED_SIGNATURE_INVALID", "detail": str(cause)})
            return None
        return keyid.rsplit("#", 1)[0]

    def linked(self):
        """Accepts a link, and stays with it until it is over."""
        uri, recipient = ORIGIN + self.path, self.headers.get("Aether-Recipient")
        components = {
            **wire.request_components("GET", uri, recipient, None),
            '"aether-link-key"': self.headers.get("Aether-Link-Key"),
        }
        if recipient != ORIGIN:
            self.reply(421, {"code": "ERR_FED_WRONG_RECIPIENT"})
            return
        caller = self.caller(components, b"")
        if caller is None:
            return
        if caller not in sessions:
            self.reply(401, {"code": "ERR_FED_HANDSHAKE_REQUIRED"})
            return
        websocket, (theirs, ours) = link.accept_link(self, caller, uri, ORIGIN, KEY)
        self.close_connection = True
        add_link(caller, websocket, ours, theirs).run()

    def controlled(self, body):
        name = self.path.removeprefix("/control/")
        try:
            if name in ("handshake", "call", "link"):
                # These wait for the other server, which may call meanwhile.
                self.reply(200, control(name, json.loads(body)))
            else:
                with LOCK:
                    self.reply(200, control(name, json.loads(body)))
        except Exception as cause:  # pylint: disable=broad-except
            self.reply(500, {"error": f"{type(cause).__name__}: {cause}"})

    def reply(self, status, answer, kind="application/json", signed=None):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if signed is not None:
            digest = wire.content_digest(data)
            self.send_header("Content-Digest", digest)
            components = wire.response_components(
                status, digest, "POST", signed, ORIGIN, self.headers["Signature"]
            )
            for name, value in wire.signature_headers(components, KEY, ORIGIN).items():
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


ThreadingHTTPServer(("localhost", PORT), Handler).serve_forever()
