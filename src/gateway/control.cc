#include "gateway/control.h"

#include <algorithm>
#include <array>
#include <format>

#include "gateway/ask_client.h"
#include "gateway/desk_request.h"
#include "gateway/meters.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using net::Task;

}  // namespace

Task<void> Control::handle(net::ServerRequest& request) {
  const std::string_view target = request.head().target;
  const std::string_view method = request.head().method;
  Answer answer{404, refusal("no such resource")};
  if (method == "GET") {
    const Meters& meters = *worker_.shared().meters;
    if (target == "/metrics" || target == "/metrics/list") {
      const bool list = target.ends_with("list");
      (void)co_await request.respond(200, "", list ? "text/markdown" : telemetry::content_type,
                                     list ? meters.reference() : meters.text());
      co_return;
    }
    if (target == "/v1/status")
      answer = status();
    else if (target == "/v1/conversations")
      answer = conversations();
    else if (target == "/v1/tools")
      answer = tools();
    else if (target == "/v1/approvals")
      answer = approvals();
    else if (target == "/v1/agents")
      answer = agents();
    else if (target == "/v1/quarantines")
      answer = response_.list();
  } else if (method == "POST") {
    const auto text = co_await request.body();
    if (!text) co_return;
    const auto document = json::Document::parse(text->empty() ? std::string_view("{}") : *text);
    if (!document) {
      answer = {400, refusal(document.error().detail)};
    } else if (target == "/v1/kill") {
      answer = co_await response_.kill(document->root());
    } else if (target == "/v1/quarantine") {
      answer = co_await response_.quarantine(document->root());
    } else if (target == "/v1/release") {
      answer = response_.release(document->root());
    } else if (target == "/v1/approve") {
      answer = approve(document->root());
    } else if (target == "/v1/approvals") {
      answer = answer_approval(document->root());
    } else if (target == "/v1/agents") {
      answer = agent(document->root());
    } else if (target.starts_with("/v1/audit/")) {
      answer = co_await at_desk(target.substr(10), document->root());
    } else if (target == "/v1/reload") {
      if (auto done = reload_())
        answer = {200, R"({"reloaded":true})"};
      else
        answer = {409, refusal(base::describe(done.error()))};
    }
  } else {
    answer = {405, refusal("method not allowed")};
  }
  (void)co_await request.respond(answer.status, "", "application/json", answer.body);
}

Task<Control::Answer> Control::at_desk(std::string_view what, json::Value body) {
  const auto snapshot = worker_.shared().snapshot.load();
  const auto ask =
      desk_request(what, body, *snapshot->authenticator,
                   [this](std::string_view words) { return without_secrets(worker_, words); });
  if (!ask) co_return Answer{desk_status(ask.error()), refusal(ask.error().detail)};
  base::Result<std::string> outcome;
  co_await custody_.at_desk(worker_.loop(), [&](Desk& desk) { outcome = (*ask)(desk); });
  if (!outcome) co_return Answer{desk_status(outcome.error()), refusal(outcome.error().detail)};
  co_return Answer{200, *std::move(outcome)};
}

Control::Answer Control::status() const {
  Shared& shared = worker_.shared();
  const store::Journal::Status journal = shared.recorder.status();
  const auto count = [](const std::atomic<std::uint64_t>& counter) {
    return static_cast<std::int64_t>(counter.load());
  };
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1");
  w.key("counters").begin_object();
  w.member("requests", count(shared.counters.requests))
      .member("calls", count(shared.counters.calls));
  w.member("allowed", count(shared.counters.allowed))
      .member("denied", count(shared.counters.denied));
  w.member("refused", count(shared.counters.refused))
      .member("withheld", count(shared.counters.withheld));
  w.member("redactions", count(shared.counters.redactions))
      .member("kills", count(shared.counters.kills));
  w.member("upstream_errors", count(shared.counters.upstream_errors)).end_object();
  w.key("audit")
      .begin_object()
      .member("working", journal.working)
      .member("trouble", journal.trouble);
  w.member("records", static_cast<std::int64_t>(journal.next_seq))
      .member("refused", static_cast<std::int64_t>(journal.refused))
      .member("aside", static_cast<std::int64_t>(journal.aside))
      .member("bodies", static_cast<std::int64_t>(journal.bodies))
      .member("bodies_left_out", static_cast<std::int64_t>(journal.bodies_left_out))
      .member("signed", static_cast<std::int64_t>(journal.signed_records))
      .member("seal_trouble", journal.seal_trouble)
      .member("pack_trouble", journal.pack_trouble)
      .end_object();
  const auto snapshot = shared.snapshot.load();
  w.key("policy").begin_object().member("epoch",
                                        static_cast<std::int64_t>(snapshot->engine->epoch()));
  w.member("hash", snapshot->engine->hash())
      .member("policies", static_cast<std::int64_t>(snapshot->engine->policies()))
      .end_object();
  if (!snapshot->config->policy.shadow.empty()) {
    w.key("shadow").begin_object().member("working", snapshot->shadow != nullptr);
    if (snapshot->shadow) {
      w.member("hash", snapshot->shadow->hash())
          .member("policies", static_cast<std::int64_t>(snapshot->shadow->policies()));
      w.member("judged", count(shared.counters.shadow_judged))
          .member("would_allow", count(shared.counters.shadow_would_allow));
      w.member("would_refuse", count(shared.counters.shadow_would_refuse))
          .member("differs", count(shared.counters.shadow_differs));
    } else {
      w.member("trouble", snapshot->shadow_trouble);
    }
    w.end_object();
  }
  w.member("sessions", static_cast<std::int64_t>(shared.sessions.size()));
  w.key("servers").begin_array();
  for (const auto& [name, route] : snapshot->routes) w.string(name);
  w.end_array();
  w.key("unavailable").begin_array();  // of those, in lists of several servers
  for (const std::string& name : shared.outages.all())
    if (snapshot->routes.contains(name)) w.string(name);
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::conversations() const {
  Shared& shared = worker_.shared();
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").key("conversations").begin_array();
  for (const auto& principal : shared.principals.all()) {
    w.begin_object().member("conversation", principal->id()).member("agent", principal->agent());
    if (!principal->user().empty()) w.member("user", principal->user());
    w.member("open", static_cast<std::int64_t>(principal->open().size()));
    if (const auto kill = principal->killed()) {
      w.key("killed")
          .begin_object()
          .member("at", base::to_rfc3339(kill->at))
          .member("by", kill->by);
      w.member("reason", kill->reason).end_object();
    }
    w.end_object();
  }
  for (const auto& [id, kill] : shared.principals.kills()) {
    if (shared.principals.find_by_id(id)) continue;  // named above
    w.begin_object()
        .member("conversation", id)
        .member("agent", kill.agent)
        .key("killed")
        .begin_object();
    w.member("at", base::to_rfc3339(kill.at))
        .member("by", kill.by)
        .member("reason", kill.reason)
        .end_object()
        .end_object();
  }
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::tools() const {
  Shared& shared = worker_.shared();
  const inspect::PinBook book = shared.pins.book();
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").key("tools").begin_array();
  for (const auto& [subject, entry] : book.entries()) {
    const inspect::Fingerprint* const approved = book.approved(subject);
    w.begin_object()
        .member("server", subject.server)
        .member("kind", inspect::name(subject.kind))
        .member("name", subject.name);
    w.member("state", entry.pending ? "held" : "approved");
    if (approved != nullptr) w.member("hash", approved->hash);
    if (!entry.approvals.empty())
      w.member("approved_by", entry.approvals.back().by)
          .member("approved_at", base::to_rfc3339(entry.approvals.back().at));
    if (entry.pending) {
      w.member("pending", entry.pending->hash)
          .member("since", base::to_rfc3339(entry.pending_since));
      w.key("diff").begin_array();
      if (approved != nullptr)
        for (const std::string& line : inspect::pin_diff(*approved, *entry.pending)) w.string(line);
      w.end_array();
    }
    w.end_object();
  }
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::agents() const {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").key("agents").begin_array();
  for (const std::string& name : worker_.shared().habits.agents()) w.string(name);
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::agent(json::Value body) {
  using Order = behaviour::Habits::Order;
  Shared& shared = worker_.shared();
  const std::string_view agent = body["agent"].text_or({});
  const std::string_view order = body["order"].text_or("show");
  constexpr std::array orders{std::pair("ratify", Order::ratify), std::pair("lock", Order::lock),
                              std::pair("unlock", Order::unlock),
                              std::pair("forget", Order::forget)};
  const auto found =
      std::ranges::find_if(orders, [&](const auto& one) { return order == one.first; });
  if (order != "show" && order != "reset" && found == orders.end())
    return {400, refusal("no such order")};
  if (order == "reset") {
    if (const auto change = shared.ladders.reset(agent)) worker_.tell_ladder(*change);
  } else if (found != orders.end()) {
    if (!shared.habits.order(agent, found->second, shared.clock.now()))
      return {404, refusal("no such agent is known")};
    shared.log.info("habits of an agent", {{"agent", std::string(agent)}, {"order", found->first}});
  }
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").member("agent", agent);
  const bool known = shared.habits.show(agent, [&](const behaviour::Habit& habit) {
    w.member("phase", behaviour::name(habit.phase())).key("normal").begin_array();
    for (const std::string& sentence : habit.sentences()) w.string(sentence);
    w.end_array().key("deviations").begin_array();
    for (const auto& deviation : habit.deviations())
      w.begin_object()
          .member("at", base::to_rfc3339(deviation.at))
          .member("signal", behaviour::name(deviation.kind))
          .member("score", std::int64_t{deviation.score})
          .member("sentence", deviation.sentence)
          .end_object();
    w.end_array();
  });
  if (!known) return {404, refusal("no such agent is known")};
  if (const auto standing = shared.ladders.show(agent, shared.clock.now()))
    w.key("ladder")
        .begin_object()
        .member("rung", behaviour::name(standing->rung))
        .member("pressure", std::format("{:.2f}", standing->pressure))
        .member("since", base::to_rfc3339(standing->since))
        .end_object();
  w.key("tools").begin_array();
  for (const auto& [name, usual] : shared.watch.usual_of(
           agent, shared.clock.now(), shared.snapshot.load()->config->behaviour)) {
    w.begin_object()
        .member("tool", name)
        .member("calls", std::int64_t{usual.samples})
        .member("mature", usual.mature)
        .member("since", base::to_rfc3339(usual.since))
        .member("records", static_cast<std::int64_t>(usual.records))
        .member("bytes", static_cast<std::int64_t>(usual.bytes))
        .member("calls_per_minute", static_cast<std::int64_t>(usual.calls_per_minute))
        .member("records_a_day", static_cast<std::int64_t>(usual.records_a_day))
        .key("arguments")
        .begin_array();
    for (const std::string& argument : usual.arguments) w.string(argument);
    w.end_array().end_object();
  }
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::approvals() const {
  Shared& shared = worker_.shared();
  std::string out;
  json::Writer w(out);
  w.begin_object().member("apiVersion", "v1").key("approvals").begin_array();
  for (const ApprovalRequest& request : shared.approvals.all(shared.clock.now())) {
    w.begin_object()
        .member("id", request.id)
        .member("state", name(request.state))
        .member("level", request.level)
        .member("conversation", request.conversation)
        .member("agent", request.agent);
    if (!request.user.empty()) w.member("user", request.user);
    w.member("server", request.server)
        .member("subject", request.subject)
        .member("arguments", request.arguments)
        .member("why", request.why)
        .member("at", base::to_rfc3339(request.at))
        .member("until", base::to_rfc3339(request.until));
    if (!request.by.empty()) w.member("by", request.by);
    if (!request.reason.empty()) w.member("reason", request.reason);
    if (!request.call.empty()) w.member("call", request.call);
    w.end_object();
  }
  w.end_array().end_object();
  return {200, out};
}

Control::Answer Control::answer_approval(json::Value body) {
  Shared& shared = worker_.shared();
  const std::string_view by = body["by"].text_or({});
  const std::optional<bool> yes = body["approve"].boolean();
  if (by.empty() || !yes) return {400, refusal("say who answers, and what")};
  if (!knows(shared, by))
    return {404, refusal(std::format("'users' has nobody named '{}'", base::printable(by)))};
  const auto answered = shared.approvals.answer(
      body["id"].text_or({}), *yes, std::string(by), std::string(body["reason"].text_or({})),
      shared.snapshot.load()->config->approvals.valid, shared.clock.now());
  if (!answered)
    return {answered.error().code == base::Code::conflict ? 409 : 404,
            refusal(answered.error().detail)};
  tell_approval(worker_, *answered, mark_of(shared, by));
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("id", answered->id)
      .member("state", name(answered->state))
      .member("until", base::to_rfc3339(answered->until))
      .end_object();
  return {200, out};
}

Control::Answer Control::approve(json::Value body) {
  Shared& shared = worker_.shared();
  const std::string server(body["server"].text_or({}));
  const std::string tool(body["tool"].text_or({}));
  const auto snapshot = shared.snapshot.load();
  const auto route = snapshot->routes.find(server);
  if (route == snapshot->routes.end())
    return {404, refusal(std::format("no server '{}'", base::printable(server)))};
  const inspect::PinSubject subject{
      server, tool.empty() ? inspect::PinKind::instructions : inspect::PinKind::tool, tool};
  const inspect::PinBook book = shared.pins.book();
  const inspect::PinEntry* const entry = book.find(subject);
  if (entry == nullptr || !entry->pending)
    return {404, refusal("nothing of this name waits for approval")};
  const std::string hash(body["hash"].text_or(entry->pending->hash));
  const std::string was =
      book.approved(subject) != nullptr ? book.approved(subject)->hash : std::string();
  if (auto done = shared.pins.approve(subject, hash, "operator", shared.clock.now()); !done)
    return {409, refusal(base::describe(done.error()))};
  route->second.catalogue->approved(tool);
  audit::Record record;
  record.type = audit::Type::tool_approved;
  record.time = shared.clock.now();
  record.uid = crypto::uuid_v7(record.time, worker_.random());
  record.server.id = server;
  record.tool = tool;
  record.tool_pin = hash;
  record.tool_pin_was = was;
  shared.recorder.post(worker_.record_writer().write(record));
  std::string out;
  json::Writer(out).begin_object().member("approved", hash).end_object();
  return {200, out};
}

}  // namespace latticegate::gateway
