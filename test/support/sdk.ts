/** What a client does step by step with the SDK alone, where a Traveler would do it by itself. */
import { Client, type Room } from "@colyseus/sdk";

/** A place kept for a client. */
export interface Seat {
  readonly sessionId: string;
  readonly roomId: string;
}

/** The URI of a portal to a world of a server; by default the plainest of `rooms()`. */
export function portal(
  to: { readonly authority: string },
  world = "plain",
  options: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams(options).toString();
  return `aether://${to.authority}/${world}${query === "" ? "" : `?${query}`}`;
}

/** An SDK client of a server, with a token for what it does. */
export function sdkClient(server: { readonly origin: string }, token?: string): Client {
  const client = new Client(server.origin);
  client.http.authToken = token;
  return client;
}

/** A seat in a room, as the SDK asks for it before it connects. */
export async function askSeat(
  server: { readonly origin: string },
  world: string,
  token: string,
): Promise<Seat | { readonly error: string }> {
  const response = await fetch(`${server.origin}/matchmake/joinOrCreate/${world}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: "{}",
  });
  return (await response.json()) as Seat | { readonly error: string };
}

/** Connects to a seat. */
export function takeSeat(
  server: { readonly origin: string },
  seat: unknown,
  token?: string,
): Promise<Room> {
  return sdkClient(server, token).consumeSeatReservation(seat as never);
}

/** The next message of a type. */
export function nextMessage<Message>(room: Room, type: string): Promise<Message> {
  return new Promise((resolve) => {
    const forget = room.onMessage(type, (message: Message) => {
      forget();
      resolve(message);
    });
  });
}

/** Sends a room a question and gives its answer. */
export function ask<Answer>(room: Room, question: string, answer = question): Promise<Answer> {
  const answered = nextMessage<Answer>(room, answer);
  room.send(question);
  return answered;
}

/** Asks a room for a crossing and gives what it says of the seat. */
export function askTransit(
  room: Room,
  to: string,
): Promise<{ transferId: string; origin: string; reservation: Seat }> {
  const transit = nextMessage<Awaited<ReturnType<typeof askTransit>>>(room, "federation:transit");
  room.send("federation:enter", { to });
  return transit;
}

/** Lets players leave, all at once: rooms, travellers, visitors. */
export async function leave(...leaving: readonly { leave(): Promise<unknown> }[]): Promise<void> {
  await Promise.all(leaving.map((each) => each.leave()));
}
