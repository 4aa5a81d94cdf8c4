#include "desk.h"

#include <format>
#include <memory>
#include <utility>

#include "client/client.h"
#include "config/files.h"
#include "gateway/desk_request.h"
#include "inspect/redact.h"
#include "inspect/rules.h"
#include "inspect/scan.h"
#include "store/awaited.h"
#include "store/journal.h"
#include "store/pseudonym_key.h"
#include "store/wrapping_keys.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

Code code_of(int status) {
  switch (status) {
    case 400: return Code::invalid;
    case 401: return Code::unauthenticated;
    case 403: return Code::forbidden;
    case 404: return Code::not_found;
    case 409: return Code::conflict;
    default: return Code::unavailable;
  }
}

Result<std::string> ask_gateway(const config::Config& config, std::string_view what,
                                const std::string& body) {
  const auto answer = client::ask_control(config.control.socket.string(), "POST",
                                          std::format("/v1/audit/{}", what), body);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status == 200) return answer->body;
  const auto document = json::Document::parse(answer->body);
  return fail(code_of(answer->status),
              std::string(document ? document->root()["error"].text_or("refused") : "refused"));
}

// A desk on the log itself, which nobody else writes.
Result<std::string> ask_log(const config::Config& config, std::string_view what,
                            const std::string& body) {
  const config::Audit& audit = config.audit;
  auto keys = store::LogKeys::open(audit.keys, audit.origin, false);
  if (!keys) return base::within("audit.keys", std::move(keys).error());
  auto wrapping = store::read_wrapping_keys(
      {.file = audit.body_key.file, .command = audit.body_key.command, .may_make = false});
  if (!wrapping) return base::within("audit.body_key", std::move(wrapping).error());
  const auto keks = std::make_shared<const store::WrappingKeys>(*std::move(wrapping));
  const auto person_key = store::open_pseudonym_key(audit.keys, false);
  if (!person_key) return base::within("audit.keys", person_key.error());
  auto ring = store::BodyKeys::open(audit.keys / "bodies", keks);
  if (!ring) return base::within("audit.keys", std::move(ring).error());
  auto authenticator = identity::Authenticator::make(config.identity);
  if (!authenticator) return base::within("identity", std::move(authenticator).error());
  const auto document = json::Document::parse(body);
  if (!document) return std::unexpected(document.error());
  auto rules = inspect::RuleSet::built_in();
  if (!rules) return std::unexpected(std::move(rules).error());
  auto scanner = inspect::Scanner::create(*std::move(rules));
  if (!scanner) return std::unexpected(std::move(scanner).error());
  const auto clean = [&](std::string_view words) {
    const inspect::Findings found =
        inspect::scan_text(*scanner, inspect::Surface::arguments, words);
    return inspect::redact_text(words, found, {});
  };
  const auto ask = gateway::desk_request(what, document->root(), *authenticator, clean);
  if (!ask) return std::unexpected(ask.error());

  const base::SystemClock clock;
  store::SystemFiles files;
  store::Awaited awaited;
  auto journal =
      store::Journal::open({.directory = audit.directory,
                            .origin = audit.origin,
                            .segment = audit.segment,
                            .keys = std::make_shared<const store::LogKeys>(*std::move(keys))},
                           clock, files, awaited.notifier());
  if (!journal) return std::unexpected(std::move(journal).error());
  audit::RecordWriter writer(audit.origin);
  const auto write = [&](const audit::Record& record) -> Result<std::uint64_t> {
    store::Append append;
    append.set(writer.write(record), {}, 0, nullptr);
    if (auto queued = (*journal)->submit(append); !queued)
      return std::unexpected(std::move(queued).error());
    awaited.wait_for(1);
    const auto ticket = append.take_ticket();
    if (!ticket) return std::unexpected(ticket.error());
    return ticket->seq();
  };
  gateway::Desk desk(
      {.audit = audit,
       .keys = *std::move(ring),
       .person_key = std::string(person_key->reveal()),
       .write = write,
       .keys_changed = nullptr,
       .sign_with = [&](auto log_keys) { (*journal)->use_keys(std::move(log_keys)); },
       .prove_rotation = [&](std::uint64_t r) { (*journal)->prove_rotation(r); }},
      clock, files);
  return (*ask)(desk);
}

}  // namespace

Result<std::string> ask_desk(const std::string& config_file, std::string_view what,
                             const std::string& body) {
  auto loaded = config::load(config_file);
  if (!loaded) return base::within("configuration", std::move(loaded).error());
  auto answer = ask_log(*loaded->config, what, body);
  // Somebody writes the log: the gateway.
  if (!answer && answer.error().code == Code::conflict &&
      answer.error().detail.starts_with("another process"))
    return ask_gateway(*loaded->config, what, body);
  return answer;
}

}  // namespace latticegate::app
