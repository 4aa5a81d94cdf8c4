// Sessions of an official SDK through the gateway of a test file (with DIRECT=1: at the servers themselves).
import { connect } from "./clients.mjs";
import { direct, gatewayOfFile, servers } from "./gateway.mjs";

/** The working folder, and what opens a session to a server by name with the client of an SDK ("v1", "v2"). */
export function sdk(version) {
  const here = gatewayOfFile();
  const session = (server) => (options) =>
    connect(
      version,
      direct ? servers(here.folder)[server] : { url: here.gateway.endpoint(server), headers: here.gateway.headers() },
      options,
    );
  return { folder: here.folder, session };
}
