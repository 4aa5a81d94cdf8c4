// The official SDK, 1.x, through the gateway: every tool of four real servers, and what servers ask of clients.
import * as bodies from "./bodies.mjs";
import { sdk } from "./sdk.mjs";

const { folder, session } = sdk("v1");

bodies.everything(session("everything"));
bodies.files(session("files"), folder);
bodies.memory(session("memory"));
bodies.staff(session("staff"));
