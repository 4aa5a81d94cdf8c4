// An MCP client over streamable HTTP, both eras: what `latticegate call` and the management
// commands use.
//
// Answers of a server that asks back (sampling, elicitation, roots) are refused politely: this
// client has no model and no user. One loop, one request at a time.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "mcp/message.h"
#include "mcp/revision.h"
#include "net/http_client.h"
#include "pqc/profile.h"

namespace latticegate::client {

struct Options {
  std::string url;
  std::string bearer;  // empty: none
  std::string ca_pem;  // empty: the system's trust store
  pqc::Profile profile = pqc::Profile::preferred;
  mcp::Era era = mcp::Era::legacy;
  std::chrono::milliseconds timeout{60'000};
};

// How connections to that URL are secured; null for http.
[[nodiscard]] base::Result<std::shared_ptr<const net::TlsContext>> tls_for(const net::Url& url,
                                                                           const Options& options);

class Client {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Client>> make(net::Loop& loop, Options options);

  // The handshake of the legacy era; nothing to do in the modern one. Gives the server's answer as
  // JSON text ("" for modern).
  net::Task<base::Result<std::string>> open();
  // Sends a request and waits for its response. `params` is JSON text of an object; in the modern
  // era _meta is added. The response may be an error of the protocol: that is a Message, not an
  // Error.
  net::Task<base::Result<mcp::Message>> request(std::string method, std::string params);
  // Ends the session.
  net::Task<void> close();

  // After the first request: "X25519MLKEM768"; empty without TLS.
  const std::string& tls_group() const { return pool_->tls_group(); }

 private:
  Client(net::Loop& loop, Options options, std::unique_ptr<net::HttpPool> pool)
      : loop_(loop), options_(std::move(options)), pool_(std::move(pool)) {}
  std::string headers(std::string_view method, std::string_view name) const;
  net::Task<base::Result<void>> notify(std::string text);
  net::Loop& loop_;
  Options options_;
  std::unique_ptr<net::HttpPool> pool_;
  std::string session_;
  std::string version_;
  std::int64_t next_id_ = 1;
};

// One request to the management socket: status and body.
struct Answer {
  int status = 0;
  std::string body;
};
[[nodiscard]] base::Result<Answer> ask_control(const std::string& socket, std::string_view method,
                                               std::string_view path, std::string_view body);

// Runs a task on a loop of its own and gives its value: for programs that do one thing.
template <class T>
T run_alone(net::Loop& loop, net::Task<T> task) {
  std::optional<T> value;
  net::TaskGroup group([&loop](const std::exception_ptr&) { loop.stop(); });
  group.spawn([](net::Loop& on, net::Task<T> work, std::optional<T>& out) -> net::Task<void> {
    out.emplace(co_await work);
    on.stop();
  }(loop, std::move(task), value));
  loop.run();
  return *std::move(value);
}

}  // namespace latticegate::client
