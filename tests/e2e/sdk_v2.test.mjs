// The official SDK, 2.x, in both eras, through the gateway: every tool of four real servers, and what servers ask of clients.
import { after, before } from "node:test";
import * as bodies from "./bodies.mjs";
import { connect } from "./clients.mjs";
import { direct, servers, startGateway, workshop } from "./gateway.mjs";

const folder = workshop();
let gateway;
before(async () => {
  if (!direct) gateway = await startGateway(folder);
});
after(async () => {
  await gateway?.stop();
});

const session = (server) => (options) =>
  connect(
    "v2",
    direct ? servers(folder)[server] : { url: gateway.endpoint(server), headers: gateway.headers() },
    options,
  );

bodies.everything(session("everything"));
bodies.files(session("files"), folder);
bodies.memory(session("memory"));
bodies.staff(session("staff"));
bodies.staff(session("staff"), { era: "modern" });
