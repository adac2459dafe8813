/** What a link asks of its connection: whole messages, in order, until it closes. */

/** An open connection. Nothing of it throws. */
export interface LinkSocket {
  /** Bytes that were sent and have not left yet. */
  readonly bufferedBytes: number;
  /** Who hears what comes; called once, before anything is sent. */
  listen(ears: LinkEars): void;
  /** Sends one message; without effect once it is closed. */
  send(message: Buffer): void;
  /** Reads on, or does not: what comes meanwhile waits at the other side. */
  read(on: boolean): void;
  /** Closes it once what was sent has left, or soon: `code` and `reason` as of RFC 6455. */
  close(code: number, reason: string): void;
}

/** Who hears what comes over a connection. */
export interface LinkEars {
  readonly message: (bytes: Buffer) => void;
  /** It is closed, whoever closed it. Nothing comes after it. */
  readonly closed: () => void;
}
