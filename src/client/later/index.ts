/** What is loaded when it is needed: a page is not to wait for it before a player can play. */
export { arrive } from "../hand-over/arrive.ts";
export { goOn } from "../hand-over/go-on.ts";
export { parseDestinations, withChange } from "./destinations.ts";
export { parseForecast } from "./forecast.ts";
export { use } from "./kit.ts";
export { saysAddress } from "./seat-address.ts";
export { requestTravel } from "./travel-request.ts";
