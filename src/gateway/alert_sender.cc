#include "gateway/alert_sender.h"

#include <array>
#include <cstdlib>
#include <format>
#include <utility>

#include "audit/syslog.h"
#include "crypto/hash.h"
#include "net/child.h"
#include "net/http_client.h"
#include "net/outlet.h"
#include "net/smtp.h"
#include "store/tree_writer.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;
using std::chrono::milliseconds;

constexpr std::string_view version = "0.1.0";
constexpr std::size_t largest_ca = std::size_t{1024} * 1024;

// Asks nobody else than the configured host, whatever it answers: redirects are errors.
class Webhook final : public AlertSender {
 public:
  Webhook(std::unique_ptr<net::HttpPool> pool, const base::Clock& clock,
          std::shared_ptr<const config::Config> config, const config::AlertChannel& channel)
      : pool_(std::move(pool)), clock_(clock), config_(std::move(config)), channel_(channel) {}

  Task<Result<void>> send(const AlertText& text) override {
    std::string headers =
        std::format("Content-Type: application/json\r\nLatticegate-Alert: {}\r\n", text.id);
    if (channel_.key) {
      // Of this try, so that the receiver can refuse what is old.
      const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now());
      headers += std::format(
          "Latticegate-Signature: {}\r\n",
          alert_signature(channel_.key->value.reveal(), now.time_since_epoch().count(), text.body));
    }
    CO_TRY(auto connection, co_await pool_->exchange({.method = "POST",
                                                      .path = {},
                                                      .headers = headers,
                                                      .body = text.body,
                                                      .has_body = true,
                                                      .idempotent = true,
                                                      .head_timeout = channel_.timeout}));
    const int status = connection->head().status;
    (void)co_await connection->read_body();
    pool_->give_back(std::move(connection));
    if (status < 200 || status > 299)
      co_return fail(Code::unavailable, std::format("the receiver answered {}", status));
    co_return Result<void>();
  }

 private:
  std::unique_ptr<net::HttpPool> pool_;
  const base::Clock& clock_;
  std::shared_ptr<const config::Config> config_;  // holds the channel
  const config::AlertChannel& channel_;
};

class Syslog final : public AlertSender {
 public:
  Syslog(net::Loop& loop, const config::AlertChannel& channel,
         std::shared_ptr<const net::TlsContext> tls)
      : outlet_(loop, channel.target.host, channel.target.port, std::move(tls), channel.timeout) {}

  Task<Result<void>> send(const AlertText& text) override {
    const std::string time = base::to_rfc3339(text.at);
    std::string frame;
    audit::write_syslog({.severity = text.severity == Alert::Severity::critical  ? 2
                                     : text.severity == Alert::Severity::warning ? 4
                                                                                 : 6,
                         .time = time,
                         .node = text.node,
                         .type = text.event,
                         .version = version},
                        text.body, frame);
    co_return co_await outlet_.send(std::move(frame));
  }

 private:
  net::Outlet outlet_;
};

class Mail final : public AlertSender {
 public:
  Mail(net::Loop& loop, std::shared_ptr<const config::Config> config,
       const config::AlertChannel& channel, std::shared_ptr<const net::TlsContext> tls)
      : loop_(loop),
        config_(std::move(config)),
        channel_(channel),
        server_{.host = channel.target.host,
                .port = channel.target.port,
                .tls = channel.target.tls,
                .demands_tls = channel.starts_tls,
                .context = std::move(tls),
                .login = {.user = channel.user, .password = {}}} {
    if (channel.password) server_.login.password = channel.password->value.reveal();
  }

  Task<Result<void>> send(const AlertText& text) override {
    const net::Letter letter{
        .from = channel_.from, .to = channel_.to, .text = alert_letter(text, channel_)};
    co_return co_await net::hand_in(loop_, server_, letter, channel_.timeout);
  }

 private:
  net::Loop& loop_;
  std::shared_ptr<const config::Config> config_;  // holds the channel
  const config::AlertChannel& channel_;
  net::SmtpServer server_;
};

class Command final : public AlertSender {
 public:
  Command(net::Loop& loop, const base::Clock& clock, std::shared_ptr<const config::Config> config,
          const config::AlertChannel& channel)
      : loop_(loop), clock_(clock), config_(std::move(config)), channel_(channel) {}

  Task<Result<void>> send(const AlertText& text) override {
    net::ChildOptions options{
        .arguments = channel_.command, .environment = {}, .directory = config_->directory.string()};
    for (const char* const name : {"PATH", "HOME"})
      if (const char* const value = std::getenv(name))
        options.environment.push_back(std::format("{}={}", name, value));
    CO_TRY(auto child, net::Child::start(loop_, options));
    bool over = false;
    bool late = false;
    net::TaskGroup beside([](const std::exception_ptr&) {});
    // What it says is of no interest, but a full pipe would hold it.
    beside.spawn(swallow(child->output()));
    beside.spawn(swallow(child->errors()));
    beside.spawn(end_late(*child, over, late));
    (void)co_await child->input().write_one(text.body + "\n");
    child->input().close();
    const std::string status = co_await child->wait();
    over = true;
    child->output().close();
    child->errors().close();
    co_await beside.empty();
    if (late) co_return fail(Code::timeout, "the command did not end in time");
    if (status != "exit 0") co_return fail(Code::unavailable, "the command ended with " + status);
    co_return Result<void>();
  }

 private:
  static Task<void> swallow(net::Stream& stream) {
    std::array<char, 1024> bytes{};
    for (;;) {
      const auto count = co_await stream.read(bytes);
      if (!count || *count == 0) co_return;
    }
  }
  Task<void> end_late(net::Child& child, const bool& over, bool& late) {
    const base::Instant limit = clock_.instant() + channel_.timeout;
    while (!over && clock_.instant() < limit) co_await loop_.sleep(milliseconds(50));
    if (over) co_return;
    late = true;
    co_await child.stop(milliseconds(200));
  }
  net::Loop& loop_;
  const base::Clock& clock_;
  std::shared_ptr<const config::Config> config_;
  const config::AlertChannel& channel_;
};

}  // namespace

std::string alert_signature(std::string_view key, std::int64_t seconds, std::string_view body) {
  return std::format("t={},v1={}", seconds,
                     crypto::to_hex(crypto::hmac_sha256(key, std::format("{}.{}", seconds, body))));
}

Result<std::unique_ptr<AlertSender>> make_alert_sender(net::Loop& loop, const base::Clock& clock,
                                                       std::shared_ptr<const config::Config> config,
                                                       const config::AlertChannel& channel) {
  if (channel.way == config::AlertChannel::Way::command)
    return std::make_unique<Command>(loop, clock, std::move(config), channel);
  std::shared_ptr<const net::TlsContext> tls;
  if (channel.target.tls || channel.starts_tls) {
    net::TlsClientOptions options;
    options.server_name = channel.target.host;
    if (!channel.target.ca.empty()) {
      auto ca = store::read_file(channel.target.ca, largest_ca);
      if (!ca) return std::unexpected(std::move(ca).error());
      options.ca_pem = *std::move(ca);
    }
    auto made = net::TlsContext::client(options);
    if (!made) return std::unexpected(std::move(made).error());
    tls = *std::move(made);
  }
  if (channel.way == config::AlertChannel::Way::syslog)
    return std::make_unique<Syslog>(loop, channel, std::move(tls));
  if (channel.way == config::AlertChannel::Way::smtp)
    return std::make_unique<Mail>(loop, std::move(config), channel, std::move(tls));
  auto url = net::parse_url(channel.target.url);
  if (!url) return std::unexpected(std::move(url).error());
  net::ClientOptions options;
  options.limits.body = {std::uint64_t{64} * 1024};
  options.connect_timeout = channel.timeout;
  options.head_timeout = channel.timeout;
  options.write_timeout = channel.timeout;
  options.idle_connections = 1;
  auto pool = std::make_unique<net::HttpPool>(loop, *std::move(url), std::move(tls), options);
  return std::make_unique<Webhook>(std::move(pool), clock, std::move(config), channel);
}

}  // namespace latticegate::gateway
