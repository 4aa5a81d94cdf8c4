// audit stream: records to a receiver as they are written, as syslog or as OTLP logs.
//
// A program of its own that follows the log on disk: the log is its spool, however long the
// receiver is away, and no call ever waits for it. Where it is in the log stands in a file, moved
// on after a receiver took a batch; so each record arrives at least once.
#include <charconv>
#include <chrono>
#include <fstream>
#include <print>

#include "audit/otlp.h"
#include "audit/query.h"
#include "audit/syslog.h"
#include "base/log.h"
#include "client/client.h"
#include "commands.h"
#include "log_reading.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/outlet.h"
#include "policy_files.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::size_t batch_bytes = std::size_t{512} * 1024;
constexpr std::uint64_t batch_records = 1000;
constexpr std::chrono::milliseconds first_pause(250);
constexpr std::chrono::milliseconds longest_pause(30'000);
constexpr std::string_view version = "0.1.0";

struct Arguments {
  LogChoice log;
  std::vector<std::string> words;
  std::string to;
  std::string form = "json";
  std::string state;
  std::string ca;
  std::string headers_file;
  bool once = false;
};

// Where a batch goes.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;
  virtual void add(json::Value record, base::Time now) = 0;
  virtual std::size_t size() const = 0;
  // Sends what was added; keeps it when that fails.
  virtual Task<Result<void>> send() = 0;
};

class SyslogSink final : public Sink {
 public:
  SyslogSink(net::Loop& loop, std::string host, std::uint16_t port,
             std::shared_ptr<const net::TlsContext> tls, audit::ExportForm form)
      : outlet_(loop, std::move(host), port, std::move(tls)), form_(form) {}

  void add(json::Value record, base::Time /*now*/) override {
    audit::write_syslog(record, form_, version, out_);
  }
  std::size_t size() const override { return out_.size(); }
  Task<Result<void>> send() override {
    auto sent = co_await outlet_.send(out_);
    if (sent) out_.clear();
    co_return sent;
  }

 private:
  net::Outlet outlet_;
  audit::ExportForm form_;
  std::string out_;
};

class OtlpSink final : public Sink {
 public:
  OtlpSink(std::unique_ptr<net::HttpPool> pool, std::string headers, std::string_view node,
           audit::OtlpRequest::Signal signal)
      : pool_(std::move(pool)), headers_(std::move(headers)), request_(node, version, signal) {}

  void add(json::Value record, base::Time now) override { request_.add(record, now); }
  std::size_t size() const override { return request_.size() + body_.size(); }
  Task<Result<void>> send() override {
    if (size() == 0) co_return Result<void>();  // none of the records was a call
    if (body_.empty()) body_ = request_.take();
    const std::string headers = "Content-Type: application/x-protobuf\r\n" + headers_;
    CO_TRY(auto connection, co_await pool_->exchange({.method = "POST",
                                                      .path = {},
                                                      .headers = headers,
                                                      .body = body_,
                                                      .has_body = true,
                                                      .idempotent = true,
                                                      .head_timeout = std::chrono::seconds(30)}));
    const int status = connection->head().status;
    (void)co_await connection->read_body();
    pool_->give_back(std::move(connection));
    if (status >= 200 && status < 300) {
      body_.clear();
      co_return Result<void>();
    }
    co_return fail(Code::unavailable, std::format("the collector answered {}", status));
  }

 private:
  std::unique_ptr<net::HttpPool> pool_;
  std::string headers_;
  audit::OtlpRequest request_;
  std::string body_;
};

audit::ExportForm form_of(std::string_view name) {
  if (name == "cef") return audit::ExportForm::cef;
  return name == "ocsf" ? audit::ExportForm::ocsf : audit::ExportForm::jsonl;
}

Result<std::shared_ptr<const net::TlsContext>> tls_for(const Arguments& given,
                                                       const std::string& host) {
  net::TlsClientOptions options;
  options.server_name = host;
  if (!given.ca.empty()) {
    auto ca = file_text(given.ca);
    if (!ca) return std::unexpected(std::move(ca).error());
    options.ca_pem = *std::move(ca);
  }
  return net::TlsContext::client(options);
}

Result<std::unique_ptr<Sink>> sink_for(const Arguments& given, net::Loop& loop,
                                       std::string_view node) {
  std::string text = given.to;
  const bool syslog_tls = text.starts_with("syslog+tls://");
  const bool syslog = syslog_tls || text.starts_with("syslog+tcp://");
  // The rest has the form of a URL.
  if (syslog) text = (syslog_tls ? "https://" : "http://") + text.substr(13);
  auto url = net::parse_url(text);
  if (!url) return std::unexpected(std::move(url).error());
  std::shared_ptr<const net::TlsContext> tls;
  if (url->tls) {
    auto made = tls_for(given, url->host);
    if (!made) return std::unexpected(std::move(made).error());
    tls = *std::move(made);
  }
  if (syslog)
    return std::make_unique<SyslogSink>(loop, url->host, url->port, tls, form_of(given.form));
  std::string headers;
  if (!given.headers_file.empty()) {
    const auto lines = file_text(given.headers_file);
    if (!lines) return std::unexpected(lines.error());
    for (std::string_view rest = *lines; !rest.empty();) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      if (!line.contains(": "))
        return fail(Code::invalid, "--headers-file: each line is \"Name: value\"");
      headers += std::format("{}\r\n", line);
    }
  }
  const auto signal = url->path.ends_with("/v1/traces") ? audit::OtlpRequest::Signal::spans
                                                        : audit::OtlpRequest::Signal::logs;
  auto pool =
      std::make_unique<net::HttpPool>(loop, *std::move(url), std::move(tls), net::ClientOptions{});
  return std::make_unique<OtlpSink>(std::move(pool), std::move(headers), node, signal);
}

// The first record that was not sent yet.
Result<std::uint64_t> position(const std::string& file) {
  if (file.empty()) return 0;
  const auto text = store::read_file(file, 64);
  if (!text && text.error().code == Code::not_found) return 0;
  if (!text) return std::unexpected(text.error());
  std::uint64_t seq = 0;
  const char* const end = text->data() + text->size();
  if (const auto [stopped, error] = std::from_chars(text->data(), end, seq);
      error != std::errc() || (stopped != end && *stopped != '\n'))
    return fail(Code::malformed, std::format("{} holds no number", file));
  return seq;
}

bool remember(const std::string& file, std::uint64_t seq) {
  if (file.empty()) return true;
  const std::string fresh = file + ".new";
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out << seq << "\n";
    out.flush();
    if (!out) return false;
  }
  std::error_code error;
  std::filesystem::rename(fresh, file, error);
  return !error;
}

// Sends until it is taken; a receiver that is away is asked again, ever less often.
Task<void> deliver(Sink& sink, net::Loop& loop) {
  std::chrono::milliseconds pause = first_pause;
  for (bool told = false;;) {
    const auto sent = co_await sink.send();
    if (sent) {
      if (told) std::println(stderr, "latticegate: the receiver takes records again");
      co_return;
    }
    if (!std::exchange(told, true))
      std::println(stderr, "latticegate: {}; trying again",
                   base::printable(base::describe(sent.error())));
    co_await loop.sleep(pause);
    pause = std::min(pause * 2, longest_pause);
  }
}

Task<int> follow(const Arguments& given, store::LogReader& reader, const audit::Query& wanted,
                 Sink& sink, net::Loop& loop) {
  const base::SystemClock clock;
  std::uint64_t damaged = 0;
  std::uint64_t next = 0;
  std::uint64_t sent = 0;
  for (;;) {
    std::uint64_t records = 0;
    std::uint64_t looked_at = 0;
    while (records < batch_records && sink.size() < batch_bytes && looked_at < 100'000) {
      const auto entry = next_leaf(reader, damaged);
      if (!entry) break;
      ++looked_at;
      next = entry->seq + 1;
      const auto record = json::Document::parse(entry->leaf);
      if (!record || !wanted.matches(record->root())) continue;
      sink.add(record->root(), clock.now());
      ++records;
    }
    if (records > 0) co_await deliver(sink, loop);
    sent += records;
    if (looked_at > 0 && !remember(given.state, next)) {
      std::println(stderr, "latticegate: cannot write {}", given.state);
      co_return unknown;
    }
    if (looked_at == 0) {
      if (given.once) {
        std::println(stderr, "{} records sent", sent);
        co_return damaged > 0 ? wrong : done;
      }
      co_await loop.sleep(std::chrono::milliseconds(200));
    }
  }
}

int stream(const Arguments& given) {
  const auto log = choose_log(given.log);
  if (!log) return complain("audit log", log.error());
  std::string words;
  for (const std::string& word : given.words) words += word + " ";
  const base::SystemClock clock;
  const auto wanted = audit::Query::parse(words, clock.now());
  if (!wanted) return complain("query", wanted.error());
  const auto from = position(given.state);
  if (!from) return complain("--state", from.error());
  auto reader = store::LogReader::open(log->directory, {.seq = *from, .since = {}, .last = {}});
  if (!reader) return complain("audit log", reader.error());
  net::Loop loop(0, clock);
  auto sink = sink_for(given, loop, log->origin);
  if (!sink) return complain(given.to, sink.error());
  return client::run_alone(loop, follow(given, *reader, *wanted, **sink, loop));
}

}  // namespace

void add_audit_stream(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = audit.add_subcommand(
      "stream", "Send records to a receiver as they are written: syslog, OTLP logs or spans");
  add_log_options(*command, given->log);
  command
      ->add_option(
          "--to", given->to,
          "syslog+tls://siem.example:6514, syslog+tcp://127.0.0.1:514, or an OTLP endpoint, "
          "https://collector.example:4318/v1/logs (or /v1/traces: each call as a span)")
      ->required();
  command->add_option("--form", given->form, "Of a syslog message: json, cef or ocsf")
      ->check(CLI::IsMember({"json", "cef", "ocsf"}))
      ->capture_default_str();
  command->add_option(
      "--state", given->state,
      "File that remembers what was sent; without it, everything from the beginning");
  command->add_option("--ca", given->ca,
                      "PEM file of the authority to trust instead of the system's");
  command->add_option("--headers-file", given->headers_file,
                      "File with headers for the collector, \"Name: value\" a line");
  command->add_flag("--once", given->once, "End when everything that is there now was sent");
  command->add_option("query", given->words, "As for audit query; none: all records");
  command->footer(
      "Runs until it is stopped, beside the gateway and as slow as its receiver: the log is the "
      "spool, and no call\nwaits for it. Each record arrives at least once; after a break, the "
      "last ones again.");
  command->callback([&chosen, given] { chosen = [given] { return stream(*given); }; });
}

}  // namespace latticegate::app
