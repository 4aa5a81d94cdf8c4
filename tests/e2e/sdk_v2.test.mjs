// The official SDK, 2.x, in both eras, through the gateway: every tool of four real servers, and what servers ask of clients.
import * as bodies from "./bodies.mjs";
import { sdk } from "./sdk.mjs";

const { folder, session } = sdk("v2");

bodies.everything(session("everything"));
bodies.files(session("files"), folder);
bodies.memory(session("memory"));
bodies.staff(session("staff"));
bodies.staff(session("staff"), { era: "modern" });
