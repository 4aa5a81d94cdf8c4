// Shim: a client on standard input and output, passed on to an MCP endpoint over HTTP and back: one
// JSON-RPC message a line in both directions (stdio transport, all revisions).
//
// The handshake is awaited before what follows it is sent; everything else runs side by side. A
// message that is none, or an endpoint that cannot be reached, is answered with a JSON-RPC error
// that says so. At the end of the input, calls under way may finish within `patience`; then the
// session is ended.
// Limits: a line above 16 MiB is answered with an error and ends the input; of more than 256
// requests at a time the further ones are refused.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/upstream.h"
#include "mcp/mirror.h"
#include "net/channel.h"

namespace latticegate::gateway {

class Shim {
 public:
  using Lines = net::Channel<std::string>;
  static constexpr std::size_t longest_line = std::size_t{16} * 1024 * 1024;

  // `out` takes one message without its line break. `where` names the endpoint in errors.
  Shim(net::Loop& loop, std::shared_ptr<Link> link, std::string where,
       std::function<void(std::string_view)> out);
  Shim(const Shim&) = delete;
  Shim& operator=(const Shim&) = delete;

  // Until the lines end.
  net::Task<void> run(Lines& lines, std::chrono::milliseconds patience);

 private:
  struct Running {
    std::string id;
    Reply* reply = nullptr;
    bool stream = false;
  };
  net::Task<void> take(std::string_view line);
  net::Task<void> request(mcp::Message message);
  net::Task<void> listen();
  net::Task<void> pass_on(mcp::Message message);
  Outgoing outgoing(const mcp::Message& message) const;
  bool cancel(std::string_view id);
  void learn(const mcp::Message& response);
  void fail(std::string_view id, const base::Error& error, int status);

  net::Loop& loop_;
  std::shared_ptr<Link> link_;
  std::string where_;
  std::function<void(std::string_view)> out_;
  net::TaskGroup tasks_;
  std::string version_;  // of a legacy session
  std::vector<std::shared_ptr<Running>> running_;
  Reply* listening_ = nullptr;
  // Arguments that the modern era mirrors in headers, by tool, as the endpoint listed them.
  std::map<std::string, std::vector<mcp::Mirror>, std::less<>> mirrors_;
};

}  // namespace latticegate::gateway
