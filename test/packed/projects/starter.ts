/** Colyseus' own starters, as `npm create colyseus-app` lays them out, before anybody federates them. */

const SCHEMA_TS = `import { Schema, type } from "@colyseus/schema";

export class MyRoomState extends Schema {
  @type("string") mySynchronizedProperty: string = "Hello world";
}
`;

const ROOM_TS = `import { Room, Client, CloseCode } from "colyseus";
import { MyRoomState } from "./schema/MyRoomState.js";

export class MyRoom extends Room<{ state: MyRoomState }> {
  maxClients = 4;
  state = new MyRoomState();

  messages = {
    yourMessageType: (client: Client, message: any) => {
      console.log(client.sessionId, "sent a message:", message);
    },
  };

  onJoin(client: Client, options: any) {
    console.log(client.sessionId, "joined!");
  }

  onLeave(client: Client, code: CloseCode) {
    console.log(client.sessionId, "left!", code);
  }
}
`;

const CONFIG_TS = `import {
  defineServer,
  defineRoom,
  monitor,
  playground,
  createRouter,
  createEndpoint,
} from "colyseus";

/**
 * Import your Room files
 */
import { MyRoom } from "./rooms/MyRoom.js";

const server = defineServer({
  /**
   * Define your room handlers:
   */
  rooms: {
    my_room: defineRoom(MyRoom),
  },

  routes: createRouter({
    api_hello: createEndpoint("/api/hello", { method: "GET" }, async (ctx) => {
      return { message: "Hello World" };
    }),
  }),

  express: (app) => {
    app.get("/hi", (req, res) => {
      res.send("It's time!");
    });
    app.use("/monitor", monitor());
    if (process.env.NODE_ENV !== "production") {
      app.use("/", playground());
    }
  },
});

export default server;
`;

const INDEX_TS = `import { listen } from "@colyseus/tools";

// Import Colyseus config
import app from "./app.config.js";

// Create and listen on 2567 (or PORT environment variable.)
listen(app);
`;

const manifest = (rest: object): string =>
  JSON.stringify({ private: true, name: "my-app", version: "0.18.0", ...rest }, null, 2);

const OF_COLYSEUS = {
  "@colyseus/schema": "^5.0.14",
  "@colyseus/tools": "^0.18.1",
  colyseus: "^0.18.2",
};

/** The starter in TypeScript, with an Express of the major version that is asked for. */
export function typescriptStarter(express: 4 | 5 = 5): Readonly<Record<string, string>> {
  return {
    "package.json": manifest({
      type: "module",
      main: "build/index.js",
      scripts: { start: "tsx watch src/index.ts", build: "tsc -p tsconfig.build.json" },
      devDependencies: {
        "@types/express": express === 4 ? "^4.17.1" : "^5.0.6",
        "@types/node": "^22.0.0",
        tsx: "^4.21.0",
        typescript: "^5.0.4",
      },
      dependencies: { ...OF_COLYSEUS, express: express === 4 ? "^4.18.2" : "^5.2.1" },
    }),
    "tsconfig.json": JSON.stringify({
      compilerOptions: {
        outDir: "build",
        target: "ESNext",
        module: "NodeNext",
        moduleResolution: "NodeNext",
        strict: true,
        allowJs: true,
        strictNullChecks: false,
        esModuleInterop: true,
        experimentalDecorators: true,
        skipLibCheck: true,
        forceConsistentCasingInFileNames: true,
        useDefineForClassFields: false,
      },
      include: ["src", "test"],
    }),
    "tsconfig.build.json": '{ "extends": "./tsconfig.json", "include": ["src"] }',
    ".gitignore": "node_modules\nbuild\n.colyseus-cloud.json\n.devmode.json",
    "src/app.config.ts": CONFIG_TS,
    "src/index.ts": INDEX_TS,
    "src/rooms/MyRoom.ts": ROOM_TS,
    "src/rooms/schema/MyRoomState.ts": SCHEMA_TS,
  };
}

/** The starter in JavaScript, by `require`. */
export function commonJsStarter(): Readonly<Record<string, string>> {
  return {
    "package.json": manifest({
      main: "src/index.js",
      scripts: { start: "node --watch src/index.js" },
      dependencies: { ...OF_COLYSEUS, express: "^5.2.1" },
    }),
    ".gitignore": "node_modules\n",
    "src/app.config.js": `const {
  defineServer,
  defineRoom,
  monitor,
  playground,
} = require("colyseus");

/**
 * Import your Room files
 */
const { MyRoom } = require("./rooms/MyRoom");

const server = defineServer({
  rooms: {
    my_room: defineRoom(MyRoom),
  },
  express: (app) => {
    app.use("/monitor", monitor());
    app.use("/", playground());
  },
});

module.exports = server;
`,
    "src/index.js": `const { listen } = require("@colyseus/tools");

// Import Colyseus config
const app = require("./app.config");

listen(app);
`,
    "src/rooms/MyRoom.js": `const colyseus = require("colyseus");
const { MyRoomState } = require("./schema/MyRoomState");

class MyRoom extends colyseus.Room {
  maxClients = 4;
  state = new MyRoomState();

  onJoin(client, options) {
    console.log(client.sessionId, "joined!");
  }
}

exports.MyRoom = MyRoom;
`,
    "src/rooms/schema/MyRoomState.js": `const { schema, t } = require("@colyseus/schema");

exports.MyRoomState = schema({ mySynchronizedProperty: t.string() });
`,
  };
}
