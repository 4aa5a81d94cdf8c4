// The least of MCP over standard input and output: a message a line, a function a method.
import { createInterface } from "node:readline";

export const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

/** Answers requests by `methods`, from their params to their results, until the input ends. */
export const serve = (methods) =>
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { id, method, params } = JSON.parse(line);
      if (id === undefined) return;
      if (methods[method]) send({ id, result: methods[method](params ?? {}) });
      else send({ id, error: { code: -32601, message: "Method not found" } });
    })
    .on("close", () => process.exit(0));
