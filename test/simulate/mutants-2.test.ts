import { eachTakenAway } from "./taken-away.ts";

eachTakenAway(1);
