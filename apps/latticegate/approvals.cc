// approvals, approve, deny: calls that wait for a person's yes.
#include <chrono>
#include <print>
#include <thread>

#include "base/log.h"
#include "commands.h"
#include "json/write.h"
#include "management.h"

namespace latticegate::app {
namespace {

constexpr std::chrono::milliseconds glance(200);

void print_request(json::Value request) {
  const auto text = [&](std::string_view key) { return base::printable(request[key].text_or("")); };
  std::println("{}  {}, level {}, until {}", text("id"), text("state"), request["level"].digits(),
               text("until"));
  std::println("    {}{}{} calls {} of {}", text("agent"), request["user"] ? " for " : "",
               text("user"), text("subject"), text("server"));
  if (request["arguments"].text_or("") != "") std::println("    with {}", text("arguments"));
  std::println("    because {}", text("why"));
  if (request["by"]) std::println("    answered by {}", text("by"));
  if (request["reason"]) std::println("    {}", text("reason"));
}

struct Listing {
  std::size_t open = 0;
  std::string state;  // of the one that is looked for; empty: it is gone
};

// Looks at the list without printing it.
int look(const Where& where, std::string_view id, Listing& listing) {
  Where quiet = where;
  quiet.json = false;
  return ask(quiet, "GET", "/v1/approvals", "", [&](json::Value root) {
    listing = {};
    for (const json::Value request : root["approvals"].elements()) {
      const std::string_view state = request["state"].text_or("");
      listing.open += state == "open" ? std::size_t{1} : std::size_t{0};
      if (!id.empty() && request["id"].text_or("") == id) listing.state = state;
    }
  });
}

int list(const Where& where, bool wait) {
  for (Listing listing; wait && listing.open == 0; std::this_thread::sleep_for(glance)) {
    if (const int code = look(where, {}, listing); code != done) return code;
    if (listing.open > 0) break;
  }
  return ask(where, "GET", "/v1/approvals", "", [](json::Value root) {
    for (const json::Value request : root["approvals"].elements()) print_request(request);
  });
}

struct Reply {
  std::string id;
  std::string by;
  std::string reason;
  bool wait = false;
};

int answer(const Where& where, const Reply& reply, bool yes) {
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("id", reply.id)
      .member("by", reply.by)
      .member("reason", reply.reason)
      .member("approve", yes)
      .end_object();
  const int code = ask(where, "POST", "/v1/approvals", body, [](json::Value root) {
    std::println("{} {}, until {}", root["id"].text_or(""), root["state"].text_or(""),
                 root["until"].text_or(""));
  });
  if (code != done || !reply.wait) return code;
  for (Listing listing;; std::this_thread::sleep_for(glance)) {
    if (const int looked = look(where, reply.id, listing); looked != done) return looked;
    if (listing.state == "used") {
      std::println("{} used", reply.id);
      return done;
    }
    if (listing.state == "refused") return done;  // in force: who waits hears it within 100 ms
    if (listing.state == "open") {
      std::println(stderr, "latticegate: the policy does not accept {}", reply.by);
      return wrong;
    }
    if (listing.state.empty()) {
      std::println(stderr, "latticegate: the call was not made in time");
      return wrong;
    }
  }
}

}  // namespace

void add_approvals(CLI::App& parser, Chosen& chosen) {
  auto where = std::make_shared<Where>();
  auto wait = std::make_shared<bool>(false);
  CLI::App* const approvals = with_where(
      parser.add_subcommand("approvals", "Calls that wait for a person's yes, and their answers"),
      where);
  approvals->add_flag("--wait", *wait, "Until there is an open one");
  approvals->callback(
      [&chosen, where, wait] { chosen = [where, wait] { return list(*where, *wait); }; });
  auto reply = std::make_shared<Reply>();
  for (const bool yes : {true, false}) {
    CLI::App* const command =
        with_where(parser.add_subcommand(yes ? "approve" : "deny",
                                         yes ? "Let exactly this call through, once" : "Refuse it"),
                   where);
    command->add_option("id", reply->id, "The request, a-...")->required();
    command->add_option("--by", reply->by, "Who you are, as `users` names you")->required();
    command->add_option("--reason", reply->reason, "Why, for the record");
    command->add_flag("--wait", reply->wait,
                      yes ? "Until the call was made" : "Until who waits has heard it");
    command->callback([&chosen, where, reply, yes] {
      chosen = [where, reply, yes] { return answer(*where, *reply, yes); };
    });
  }
}

}  // namespace latticegate::app
