// audit witness: sign other gateways' logs, if they only grew: one in a folder, or those that ask
// over HTTP.
#include <print>

#include "add_checkpoint.h"
#include "base/log.h"
#include "client/client.h"
#include "commands.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/socket.h"
#include "policy_files.h"
#include "seen.h"
#include "store/tree_writer.h"
#include "witness_book.h"

namespace latticegate::app {
namespace {

struct Arguments {
  std::string directory;
  std::string listen;
  std::string certificate;
  std::string key_file;
  std::string state;
  std::string name;
  std::vector<std::string> keys;
};

// POST <prefix>/add-checkpoint.
class Witness final : public net::Handler {
 public:
  Witness(WitnessBook& book, const base::Log& log) : book_(book), log_(log) {}
  net::Task<void> handle(net::ServerRequest& request) override {
    const std::string_view target = request.head().target;
    if (request.head().method != "POST" || !target.ends_with("/add-checkpoint")) {
      (void)co_await request.respond(404, "", "text/plain", "no such resource\n");
      co_return;
    }
    const auto body = co_await request.body();
    if (!body) co_return;
    const auto answer = book_.answer(*body);
    if (!answer) {
      log_.error("cannot answer", {{"reason", base::describe(answer.error())}});
      (void)co_await request.respond(500, "", "text/plain", "the witness is out of order\n");
      co_return;
    }
    log_.info("asked", {{"status", std::to_string(answer->status)},
                        {"log", answer->store ? answer->store->origin : ""},
                        {"records", answer->store ? std::to_string(answer->store->size) : ""}});
    (void)co_await request.respond(static_cast<int>(answer->status), "",
                                   answer->status == 409 ? "text/x.tlog.size" : "text/plain",
                                   answer->body);
  }

 private:
  WitnessBook& book_;
  const base::Log& log_;
};

int serve(const Arguments& given, WitnessBook& book) {
  auto address = net::parse_address(given.listen);
  if (!address) return complain("--listen", address.error());
  std::shared_ptr<const net::TlsContext> tls;
  if (!given.certificate.empty()) {
    const auto certificate = file_text(given.certificate);
    if (!certificate) return complain("--certificate", certificate.error());
    const auto key = file_text(given.key_file);
    if (!key) return complain("--key-file", key.error());
    auto made = net::TlsContext::server({.profile = {},
                                         .certificate_pem = *certificate,
                                         .key_pem = *key,
                                         .client_ca_pem = {},
                                         .require_client_certificate = false});
    if (!made) return complain("--certificate", made.error());
    tls = *std::move(made);
  }
  const auto fd = net::listen_on(*address, false);
  if (!fd) return complain("--listen", fd.error());
  const base::SystemClock clock;
  const base::Log log(clock, 2, base::Level::info, base::Log::Format::text);
  net::Loop loop(0, clock);
  Witness handler(book, log);
  net::HttpServerOptions options;
  options.limits.body = audit::note_limit;
  net::HttpServer server(loop, handler, options, std::make_shared<net::ConnectionLimits>(256, 64),
                         log);
  net::Acceptor acceptor(loop, *fd, [&](int accepted, net::Peer peer) {
    server.accept(accepted, std::move(peer), tls);
  });
  std::println("ready {}://{}:{}", tls ? "https" : "http", address->text, net::bound_port(*fd));
  (void)std::fflush(stdout);
  net::TaskGroup tasks([](const std::exception_ptr&) {});
  tasks.spawn(acceptor.run());
  loop.run();  // until a signal ends the process
  return done;
}

int witness(const Arguments& given) {
  if (given.directory.empty() == given.listen.empty()) {
    std::println(stderr, "latticegate: audit witness takes --directory or --listen");
    return usage;
  }
  auto log_keys = keys_given(given.keys);
  if (!log_keys) return complain("--key", log_keys.error());
  const std::string origin = log_keys->front().name();
  auto book = WitnessBook::open(given.state, given.name, *std::move(log_keys));
  if (!book) return complain("--state", book.error());
  if (!given.listen.empty()) return serve(given, *book);
  const auto last = book->last(origin);
  if (!last) {
    (void)complain("--state", last.error());
    return unknown;
  }
  const auto request = add_checkpoint_request(given.directory, *last ? (*last)->size : 0);
  if (!request) {
    (void)complain("audit log", request.error());
    return unknown;
  }
  const auto answer = book->answer(*request);
  if (!answer) {
    (void)complain("--state", answer.error());
    return unknown;
  }
  if (answer->status != 200) {
    std::println(stderr, "latticegate: not signed ({}): {}", answer->status,
                 base::printable(answer->body.substr(0, answer->body.find('\n'))));
    if (*last && answer->status == 400)
      std::println(stderr, "latticegate: the log had {} records when it was signed last",
                   (*last)->size);
    return wrong;
  }
  const auto kept = store::read_file(book->kept(origin), audit::note_limit.count);
  if (!kept) {
    (void)complain("--state", kept.error());
    return unknown;
  }
  std::print("{}", *kept);
  std::println(stderr, "{} records of {} signed; kept in {}", answer->store->size,
               base::printable(origin), book->kept(origin).string());
  return done;
}

}  // namespace

void add_audit_witness(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = audit.add_subcommand(
      "witness", "Sign another gateway's log, if it only grew since the last time");
  command->add_option("--directory", given->directory,
                      "The log, or a mirror of its checkpoint and tiles");
  command->add_option("--listen", given->listen,
                      "Instead: serve C2SP add-checkpoint at this address, 127.0.0.1:8444");
  command->add_option("--certificate", given->certificate,
                      "With --listen: PEM file of the certificate; without it, plain HTTP");
  command->add_option("--key-file", given->key_file, "With --certificate: PEM file of its key");
  command->add_option("--key", given->keys, "The log's verifier keys, or a file with them")
      ->required();
  command
      ->add_option("--state", given->state,
                   "Folder of the witness: its keys (made at the first time), and the last "
                   "checkpoint of each log")
      ->required();
  command->add_option("--name", given->name, "The witness's name, of its keys")->required();
  command->footer(
      "Prints the checkpoint with the witness's signatures. Anybody who has the witness's keys "
      "(witness.pub\nin its folder) then verifies with: audit verify --checkpoint FILE --witness "
      "witness.pub.\nExit codes: 0 signed, 1 not signed: the log is not the one that it was, 2 "
      "usage, 3 could not be checked.");
  command->callback([&chosen, given] { chosen = [given] { return witness(*given); }; });
}

}  // namespace latticegate::app
