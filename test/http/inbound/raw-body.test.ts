import assert from "node:assert/strict";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { refusal, send } from "../../../src/http/inbound/answers.ts";
import { hangUpUnread, mayAnswerUnread, readRawBody } from "../../../src/http/inbound/raw-body.ts";
import { coded } from "../../support/coded.ts";
import { hangUp, listen } from "../../support/loopback.ts";
import { RawConnection } from "../../support/raw-connection.ts";

describe("http/raw-body", () => {
  let server: Server;
  let one: RawConnection;
  let seen: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    server = createServer((request, response) => seen(request, response));
    one = await RawConnection.open((await listen(server)).port);
  });
  afterEach(async () => {
    one.close();
    await hangUp(server);
  });

  const refuse = (response: ServerResponse): void => {
    response.writeHead(401, { "content-length": 0 });
    response.end();
  };

  it("leaves nothing on a connection for a request that is answered unread", async () => {
    const listeners: number[] = [];
    seen = (request, response) => {
      listeners.push(request.socket.listenerCount("close"));
      hangUpUnread(request, response);
      refuse(response);
    };
    for (let each = 0; each < 10; each += 1) {
      one.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
      assert.equal((await one.answer()).status, 401);
      one.write("body");
    }
    assert.deepEqual(
      listeners,
      Array.from({ length: 10 }, () => listeners[0]),
    );
  });

  it("answers unread what is short, untouched and to be followed by others", async () => {
    const verdicts: boolean[] = [];
    let parsed: unknown;
    seen = (request, response) => {
      if (parsed !== undefined) Object.assign(request, { body: parsed });
      verdicts.push(mayAnswerUnread(request, response));
      hangUpUnread(request, response);
      refuse(response);
    };
    const asked = async (headers: string, body: string): Promise<boolean | undefined> => {
      one.write(`POST / HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`);
      await one.answer();
      return verdicts.at(-1);
    };
    assert.equal(await asked("Content-Length: 4", "body"), true);
    assert.equal(await asked("Content-Length: 0", ""), true);
    parsed = {};
    assert.equal(await asked("Content-Length: 4", "body"), false);
    parsed = undefined;
    assert.equal(await asked("Transfer-Encoding: chunked", "0\r\n\r\n"), false);
    assert.equal(await asked("Content-Length: 4\r\nConnection: close", "body"), false);
  });

  it("has the size of a body looked at first, though all of it is there", async () => {
    const verdicts: boolean[] = [];
    seen = (request, response) => {
      const look = (): void => {
        if (!request.complete) {
          setImmediate(look);
          return;
        }
        verdicts.push(mayAnswerUnread(request, response));
        refuse(response);
      };
      look();
    };
    const body = "x".repeat(64 * 1024 + 1);
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    one.write(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`);
    await one.answer();
    one.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await one.answer();
    assert.deepEqual(verdicts, [false, false]);
  });

  const long = "x".repeat(64 * 1024 + 1);
  const chunk = (bytes: string): string => `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
  const answering = (): void => {
    seen = (request, response) => {
      hangUpUnread(request, response);
      readRawBody(request).then(
        () => send(response, { status: 200, body: {} }),
        () => send(response, refusal("ERR_FED_BODY_TOO_LARGE")),
      );
    };
  };
  const lengths = {
    "whose length it is told": `Content-Length: ${long.length}\r\n\r\n${long}`,
    "of which it is not told how long it is": `Transfer-Encoding: chunked\r\n\r\n${chunk(long)}`,
  };
  for (const [kind, rest] of Object.entries(lengths)) {
    it(`says that the connection ends with the answer to a long body ${kind}, and ends it`, async () => {
      answering();
      one.write(`POST / HTTP/1.1\r\nHost: a\r\n${rest}`);
      const { status, headers } = await one.answer();
      assert.equal(status, 413);
      assert.equal(headers["connection"], "close");
      await one.closed;
    });

    it(`has the answer to a long body ${kind} arrive while its sender is still writing`, async () => {
      answering();
      one.write(`POST / HTTP/1.1\r\nHost: a\r\n${rest}`);
      for (let each = 0; each < 50; each += 1) one.write(chunk(long));
      assert.equal((await one.answer()).status, 413);
    });
  }

  it("says that the connection ends with the answer to a method that has no body, and one without end", async () => {
    seen = (request, response) => {
      hangUpUnread(request, response);
      refuse(response);
    };
    one.write(`GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk("some")}`);
    assert.equal((await one.answer()).headers["connection"], "close");
    await one.closed;
  });

  it("ends a connection that it has said is the last, also where the client does not and all of it has come", async () => {
    seen = (request, response) => {
      hangUpUnread(request, response);
      refuse(response);
    };
    const ended = new Promise<void>((resolve) => {
      server.once("connection", (socket) => socket.once("close", () => resolve()));
    });
    const { port } = server.address() as AddressInfo;
    const halfOpen = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    halfOpen
      .resume()
      .write("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    await ended;
    halfOpen.destroy();
  });

  it("keeps a connection whose body of untold length was read whole", async () => {
    answering();
    for (let each = 0; each < 2; each += 1) {
      one.write(
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk("{}")}0\r\n\r\n`,
      );
      const { status, headers } = await one.answer();
      assert.equal(status, 200);
      assert.notEqual(headers["connection"], "close");
    }
  });

  it("does not wait for a sender that is gone before anybody reads", async () => {
    const read = new Promise((resolve, reject) => {
      seen = (request) => {
        request.once("close", () => {
          setImmediate(() => {
            readRawBody(request).then(resolve, reject);
          });
        });
        request.on("error", () => undefined);
        one.close();
      };
    });
    one.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
    await assert.rejects(read, coded("ERR_FED_MALFORMED"));
  });
});
