#include "gateway/approval_page.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "gateway/approval_link.h"
#include "gateway/ask_client.h"
#include "gateway/operators.h"

namespace latticegate::gateway {
namespace {

using net::Task;

constexpr std::string_view html_type = "text/html; charset=utf-8";
constexpr std::string_view page_headers =
    "Cache-Control: no-store\r\nReferrer-Policy: same-origin\r\nX-Frame-Options: DENY\r\n"
    "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; "
    "style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n";

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : base::printable(text)) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string page(std::string_view title, std::string_view inside) {
  return std::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>body{{font:16px/1.5 system-ui,"
      "sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}dt{{font-weight:600}}"
      "dd{{margin:0 0 .6rem;overflow-wrap:anywhere}}button{{font:inherit;padding:.5rem 1.2rem;"
      "margin-right:1rem}}</style></head><body><h1>{0}</h1>{1}</body></html>",
      shown(title), inside);
}

std::string question(const ApprovalRequest& request, std::string_view person) {
  std::string out = "<dl>";
  const auto row = [&](std::string_view word, std::string_view text) {
    if (!text.empty()) out += std::format("<dt>{}</dt><dd>{}</dd>", word, shown(text));
  };
  row("Call", std::format("{} of {}", request.subject, request.server));
  row("Arguments", request.arguments);
  row("Agent", request.agent);
  row("On behalf of", request.user);
  row("Why it waits", request.why);
  row("Level", std::format("{}", request.level));
  row("Until", base::to_rfc3339(request.until));
  row("You answer as", person);
  // To the address of this page.
  return out +
         "</dl><form method=\"post\"><button name=\"answer\" value=\"yes\">Approve this one "
         "call</button><button name=\"answer\" value=\"no\">Refuse</button></form>";
}

Task<void> say(net::ServerRequest& request, int status, std::string title, std::string inside) {
  const std::string text = page(title, inside);
  (void)co_await request.respond(status, page_headers, html_type, text);
}

}  // namespace

std::string approval_link_key(std::string_view state_key) {
  return crypto::to_hex(crypto::hmac_sha256(state_key, "the key of approval links"));
}

bool is_approval_page(const net::Head& head) { return head.target.starts_with(approval_path); }

Task<void> answer_approval_page(Worker& worker, net::ServerRequest& request) {
  Shared& shared = worker.shared();
  const auto snapshot = shared.snapshot.load();
  const std::string method(request.head().method);
  const auto link =
      snapshot->config->approvals.address.empty()
          ? base::Result<ApprovalLink>(base::fail(base::Code::forbidden, "there are no links here"))
          : read_approval_link(request.head().target, approval_link_key(shared.state_key),
                               shared.clock.now());
  if (!link || !knows(shared, link->by)) {
    const bool late = !link && link.error().code == base::Code::timeout;
    co_await say(request, late ? 410 : 403, late ? "Too late" : "Not a link of this gateway",
                 late ? "<p>The time to answer this request is over.</p>" : "");
    co_return;
  }
  const auto known = shared.approvals.all(shared.clock.now());
  const auto found = std::ranges::find(known, link->request, &ApprovalRequest::id);
  if (found == known.end() || found->state != ApprovalRequest::State::open) {
    // Not in the awaited call itself: g++ 14 ends temporaries of a conditional there twice.
    std::string why = "<p>This request has ended.</p>";
    if (found != known.end())
      why = std::format("<p>This request is answered: {}.</p>", name(found->state));
    co_await say(request, 410, "Nothing to answer", std::move(why));
    co_return;
  }
  if (method == "GET") {
    co_await say(request, 200, "May this call be made?", question(*found, link->by));
    co_return;
  }
  if (method != "POST") {
    (void)co_await request.respond(405, "Allow: GET, POST\r\n", html_type, "");
    co_return;
  }
  const auto body = co_await request.body();
  if (!body) co_return;
  const bool yes = *body == "answer=yes";
  if (!yes && *body != "answer=no") {
    co_await say(request, 400, "Say yes or no", "");
    co_return;
  }
  const auto answered =
      shared.approvals.answer(link->request, yes, link->by, "by link",
                              snapshot->config->approvals.valid, shared.clock.now());
  if (!answered) {
    co_await say(request, 410, "Nothing to answer", "<p>This request is answered already.</p>");
    co_return;
  }
  tell_approval(worker, *answered, mark_of(shared, link->by));
  co_await say(request, 200, yes ? "Approved" : "Refused",
               yes ? "<p>This one call may be made.</p>" : "<p>It will not be made.</p>");
}

}  // namespace latticegate::gateway
