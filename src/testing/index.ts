/** For tests of hosts and of engines: `aether-federation/testing`. Nothing of it is for production. */
import "../colyseus/version.ts";
export { type ArriveOptions, type ArrivedPlayer, arrive } from "./arrive.ts";
export type { HandMadeAnswer, HeardCall, Treatment } from "./fake-endpoints.ts";
export { FakePeer, type FakePeerOptions, type ServerRef } from "./fake-peer.ts";
export type { FakePlayer, FakeVisitor, ProvingKey } from "./fake-players.ts";
export { ManualClock } from "./manual-clock.ts";
export type { RawAnswer } from "./signed-post.ts";
export {
  type MovableClock,
  type StoreConformanceOptions,
  type TestRunner,
  storeConformance,
} from "./store-conformance.ts";
export { type TestOptions, type TestPlace, freePort, testPlace } from "./test-place.ts";
export type { Patience } from "./waiting.ts";
export { type MemoryDisk, MemoryStore } from "../storage/memory-store.ts";
