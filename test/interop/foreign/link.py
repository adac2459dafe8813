"""A link of aether/1 (section 12), written from the protocol page alone, on a WebSocket by hand (RFC 6455)."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import wire

CAPABILITY = "aether-link/1"
SUBPROTOCOL = "aether-link.1"
CALL, ANSWER, PING, PONG, GOODBYE = range(1, 6)
BINARY, CLOSE, WS_PING, WS_PONG = 2, 8, 9, 10


# Keys and messages ----------------------------------------------------------------------------


def public_of(private):
    return wire.b64u(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def agree(private, theirs, opener, accepter, request_signature, answer_signature):
    """The keys of what the opener and of what the other one sends."""
    secret = private.exchange(X25519PublicKey.from_public_bytes(wire.unb64u(theirs)))
    salt = hashlib.sha256(request_signature + answer_signature).digest()
    info = b"aether/1 link\x00"
    for origin in (opener, accepter):
        info += len(origin.encode()).to_bytes(4, "big") + origin.encode()
    output = HKDF(algorithm=SHA256(), length=64, salt=salt, info=info).derive(secret)
    return output[:32], output[32:]


def frame(kind, identifier, rest=b""):
    return struct.pack(">IBI", len(rest) + 5, kind, identifier) + rest


def seal(key, counter, *frames):
    message = struct.pack(">QI", counter, int(time.time())) + b"".join(frames)
    return message + hmac.new(key, message, hashlib.sha256).digest()


def unseal(key, counter, message):
    """Its frames, each as (kind, id, rest); Refused with a code where anything is wrong."""
    if len(message) < 44:
        raise wire.Refused("ERR_FED_MALFORMED")
    text, mac = message[:-32], message[-32:]
    if not hmac.compare_digest(hmac.new(key, text, hashlib.sha256).digest(), mac):
        raise wire.Refused("ERR_FED_SIGNATURE_INVALID")
    if struct.unpack(">Q", text[:8])[0] != counter:
        raise wire.Refused("ERR_FED_REPLAYED")
    frames, rest = [], text[12:]
    while rest:
        if len(rest) < 9:
            raise wire.Refused("ERR_FED_MALFORMED")
        length, kind, identifier = struct.unpack(">IBI", rest[:9])
        if length < 5 or length + 4 > len(rest) or not CALL <= kind <= GOODBYE:
            raise wire.Refused("ERR_FED_MALFORMED")
        content = rest[9 : 4 + length]
        if kind == CALL and not content[1:2] == b"/":
            raise wire.Refused("ERR_FED_MALFORMED")
        frames.append((kind, identifier, content))
        rest = rest[4 + length :]
    if not frames:
        raise wire.Refused("ERR_FED_MALFORMED")
    return frames


def signature_bytes(headers):
    return base64.b64decode(headers["Signature"].removeprefix("aether=:").removesuffix(":"))


# The WebSocket --------------------------------------------------------------------------------


def accept_of(key):
    text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


class WebSocket:
    def __init__(self, connection, reader, masks):
        self._connection, self._reader, self._masks = connection, reader, masks

    def send(self, opcode, data):
        size, flag = len(data), 0x80 if self._masks else 0
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([flag | size])
        elif size < 65536:
            head += bytes([flag | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([flag | 127]) + size.to_bytes(8, "big")
        if self._masks:
            mask = os.urandom(4)
            head, data = head + mask, self._masked(data, mask)
        self._connection.sendall(head + data)

    def receive(self):
        """The next binary message; None when there is none any more."""
        message = b""
        while True:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
            if size > 128 * 1024:
                return None
            mask = self._exactly(4) if second & 0x80 else bytes(4)
            data, opcode = self._masked(self._exactly(size), mask), first & 0x0F
            if opcode == CLOSE:
                self.send(CLOSE, data[:2])
                return None
            if opcode == WS_PING:
                self.send(WS_PONG, data)
            elif opcode in (0, BINARY):
                message += data
                if first & 0x80:
                    return message

    def close(self):
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _exactly(self, size):
        data = self._reader.read(size)
        if len(data) < size:
            raise ConnectionError("closed")
        return data

    @staticmethod
    def _masked(data, mask):
        return bytes(byte ^ mask[index & 3] for index, byte in enumerate(data))


# Opening --------------------------------------------------------------------------------------


def open_link(endpoint, recipient, key, origin, key_for):
    """Asks for a link; the WebSocket, and the keys of what is sent and of what comes."""
    private, uri = X25519PrivateKey.generate(), f"{endpoint}/link"
    components = {
        **wire.request_components("GET", uri, recipient, None),
        '"aether-link-key"': public_of(private),
    }
    signed = wire.signature_headers(components, key, origin)
    parts = urllib.parse.urlsplit(uri)
    nonce = base64.b64encode(os.urandom(16)).decode()
    lines = {
        "Host": parts.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": nonce,
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
        "Aether-Recipient": recipient,
        "Aether-Link-Key": public_of(private),
        **signed,
    }
    connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection.sendall(f"GET {parts.path} HTTP/1.1\r\n{text}\r\n".encode())
    reader = connection.makefile("rb")
    status = int(reader.readline().split()[1])
    headers = {}
    while line := reader.readline().strip().decode():
        name, _, value = line.partition(":")
        headers["-".join(part.capitalize() for part in name.split("-"))] = value.strip()
    if status != 101:
        raise wire.Refused(f"no link: {status}")
    if headers["Sec-Websocket-Accept"] != accept_of(nonce):
        raise wire.Refused("not a WebSocket")
    expected = {
        **wire.response_components(
            101, headers["Content-Digest"], "GET", uri, recipient, signed["Signature"]
        ),
        '"aether-link-key"': headers["Aether-Link-Key"],
    }
    wire.verified_keyid(headers, expected, b"", key_for)
    signatures = (signature_bytes(signed), signature_bytes(headers))
    keys = agree(private, headers["Aether-Link-Key"], origin, recipient, *signatures)
    connection.settimeout(None)
    return WebSocket(connection, reader, masks=True), keys


def accept_link(handler, caller, uri, origin, key):
    """Answers a request that was verified; the WebSocket, and the keys of what comes and of what is sent."""
    private = X25519PrivateKey.generate()
    digest = wire.content_digest(b"")
    components = {
        **wire.response_components(101, digest, "GET", uri, origin, handler.headers["Signature"]),
        '"aether-link-key"': public_of(private),
    }
    signed = wire.signature_headers(components, key, origin)
    signatures = (signature_bytes(handler.headers), signature_bytes(signed))
    keys = agree(private, handler.headers["Aether-Link-Key"], caller, origin, *signatures)
    handler.send_response(101)
    for name, value in {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Accept": accept_of(handler.headers["Sec-WebSocket-Key"]),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
        "Content-Digest": digest,
        "Aether-Link-Key": public_of(private),
        **signed,
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()
    return WebSocket(handler.connection, handler.rfile, masks=False), keys


class Link:
    """One link. `answer(path, body)` says status and body; `health` is the text of GET /health."""

    def __init__(self, websocket, sending, receiving, answer, health):
        self._websocket, self._sending, self._receiving = websocket, sending, receiving
        self._answer, self._health = answer, health
        self._sent = self._received = self._next = 0
        self._lock = threading.Lock()
        self._waiting = {}  # id → [event, answer]
        self._proven = threading.Event()
        self.goodbye = False
        self.over = False

    def run(self):
        """Reads until it is over."""
        try:
            while (message := self._websocket.receive()) is not None:
                frames = unseal(self._receiving, self._received, message)
                self._received += 1
                self._proven.set()
                for kind, identifier, rest in frames:
                    self._take(kind, identifier, rest)
        except (OSError, ConnectionError, wire.Refused):
            pass
        finally:
            self.over = True
            self._websocket.close()
            for event, _answer in self._waiting.values():
                event.set()

    def _take(self, kind, identifier, rest):
        if kind == CALL:
            size = rest[0]
            call = rest[1 : 1 + size].decode(), rest[1 + size :]
            threading.Thread(target=self._answered, args=(identifier, *call), daemon=True).start()
        elif kind == PING:
            self._send(frame(PONG, identifier, self._health.encode()))
        elif kind == GOODBYE:
            self.goodbye = True
            self._send(frame(GOODBYE, 0))
        elif identifier in self._waiting:
            waiting = self._waiting.pop(identifier)
            if kind == ANSWER:
                waiting[1] = int.from_bytes(rest[:2], "big"), json.loads(rest[2:])
            waiting[0].set()
        else:
            raise wire.Refused("ERR_FED_MALFORMED")

    def _answered(self, identifier, path, body):
        status, answer = self._answer(path, json.loads(body))
        rest = status.to_bytes(2, "big") + json.dumps(answer).encode()
        self._send(frame(ANSWER, identifier, rest))

    def ping(self):
        self._ask(lambda identifier: frame(PING, identifier))

    def call(self, path, body):
        rest = bytes([len(path)]) + path.encode() + json.dumps(body).encode()
        answer = self._ask(lambda identifier: frame(CALL, identifier, rest))
        if answer is None:
            raise wire.Refused("the link broke")
        return answer

    @property
    def usable(self):
        return self._proven.is_set() and not self.goodbye and not self.over

    def _ask(self, made):
        with self._lock:
            identifier, self._next = self._next, self._next + 1
            waiting = self._waiting[identifier] = [threading.Event(), None]
        self._send(made(identifier))
        waiting[0].wait(10)
        return waiting[1]

    def _send(self, *frames):
        with self._lock:
            self._websocket.send(BINARY, seal(self._sending, self._sent, *frames))
            self._sent += 1
