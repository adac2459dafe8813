/**
 * What a dishonest operator can do: serve other bytes under a picture's hash. For `--forge`, so that
 * one can see what visitors of the other worlds make of it.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Answers GETs of one path with altered bytes, ahead of everything else on this server. */
export function forge(http: Server, path: string, genuine: string): void {
  const forged = Buffer.from(
    genuine.replace("<circle", '<circle stroke="red"').slice(0, genuine.length),
  );
  const emit = http.emit.bind(http) as (event: string, ...rest: unknown[]) => boolean;
  http.emit = (event: string, ...rest: unknown[]): boolean => {
    const [request, response] = rest as [IncomingMessage, ServerResponse];
    if (event !== "request" || request.method !== "GET" || request.url !== path) {
      return emit(event, ...rest);
    }
    response.writeHead(200, { "Content-Type": "image/svg+xml", "Content-Length": forged.length });
    response.end(forged);
    return true;
  };
}
