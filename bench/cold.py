#!/usr/bin/env python3
"""Cold start of many servers behind one address: connect and list, against the slowest of them alone.

    bench/cold.py [--binary build/release/latticegate] [--servers 20] [--rounds 3]

Each server is a small legacy one on pipes that takes between 0.1 and 1 second to start and has five tools.
"""
import argparse
import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = r"""sleep $1
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case $line in
    *'"method":"notifications'*) ;;
    *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}'
      printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result";;
    *'"tools/list"'*) list=; for name in a b c d e; do list="$list${list:+,}{\"name\":\"$name\",\"inputSchema\":{\"type\":\"object\"}}"; done
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s]}}\n' "$id" "$list";;
    *) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}\n' "$id";;
  esac
done
"""
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "cold", "version": "1"}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alone(script, delay):
    begun = time.monotonic()
    server = subprocess.Popen(["sh", script, str(delay)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for number, method, params in ((1, "initialize", HELLO), (2, "tools/list", {})):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, separators=(",", ":")) + "\n")
        server.stdin.flush()
        server.stdout.readline()
    taken = time.monotonic() - begun
    server.stdin.close()
    server.wait()
    return taken


def behind_door(binary, folder, script, delays, modern):
    port = free_port()
    servers = "".join(f"  s{i:03}: {{stdio: [sh, {script}, '{delay}']}}\n" for i, delay in enumerate(delays))
    (folder / "policies").mkdir()
    (folder / "policies" / "all.cedar").write_text('@id("all")\npermit (principal, action, resource);\n')
    (folder / "latticegate.yaml").write_text(
        f"listen: {{address: 127.0.0.1:{port}, tls: off}}\nidentity: {{anonymous: loopback}}\nservers:\n{servers}")
    gateway = subprocess.Popen([binary, "run", "--config", folder / "latticegate.yaml"], stderr=subprocess.PIPE, text=True)
    while "ready" not in gateway.stderr.readline():
        pass
    connection = http.client.HTTPConnection("127.0.0.1", port)
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

    def post(method, params, headers, number=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params, **({"id": number} if number else {})}
        connection.request("POST", "/mcp", json.dumps(message), {**usual, **headers})
        response = connection.getresponse()
        return response, response.read()

    begun = time.monotonic()
    if modern:
        prefix = "io.modelcontextprotocol/"
        params = {"_meta": {prefix + "protocolVersion": "2026-07-28", prefix + "clientCapabilities": {}}}
        _, body = post("tools/list", params, {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}, 1)
    else:
        response, _ = post("initialize", HELLO, {}, 1)
        session = {"Mcp-Session-Id": response.getheader("Mcp-Session-Id")}
        post("notifications/initialized", {}, session)
        _, body = post("tools/list", {}, session, 2)
    taken = time.monotonic() - begun
    gateway.terminate()
    gateway.wait()
    return taken, len(json.loads(body)["result"]["tools"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=os.environ.get("LATTICEGATE_BINARY", ROOT / "build/release/latticegate"))
    parser.add_argument("--servers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    delays = [0.1 + 0.9 * i / max(args.servers - 1, 1) for i in range(args.servers)]
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="latticegate-cold-") as made:
            script = pathlib.Path(made) / "server.sh"
            script.write_text(SERVER)
            slowest = alone(script, delays[-1])
            for modern in (False, True):
                folder = pathlib.Path(made) / ("modern" if modern else "legacy")
                folder.mkdir()
                taken, tools = behind_door(args.binary.resolve(), folder, script, delays, modern)
                print(f"{args.servers} servers, {folder.name:6}: {taken:.3f} s for {tools} tools, "
                      f"{taken / slowest:.2f} times the slowest alone ({slowest:.3f} s)", flush=True)


if __name__ == "__main__":
    main()
