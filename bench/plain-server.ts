/** The anchor: Colyseus without the federation. */
import { matchMaker } from "@colyseus/core";
import express from "express";
import { BenchRoom, listen, readFlags } from "./room.ts";

const { port } = readFlags();
await listen(
  port,
  { bare: BenchRoom },
  {
    express: (app) => {
      app.get("/status", (_request, response) => {
        response.json({ peers: [] });
      });
      app.post("/reserve", express.json(), async (request, response) => {
        const { world, state } = request.body as { world: string; state: unknown };
        const room = await matchMaker.findOneRoomAvailable(world, {});
        response.json(await matchMaker.reserveSeatFor(room as never, { state }));
      });
    },
  },
);
