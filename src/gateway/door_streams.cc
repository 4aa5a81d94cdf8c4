#include <algorithm>
#include <format>
#include <set>

#include "gateway/door_round.h"
#include "gateway/ready.h"
#include "json/write.h"
#include "mcp/translate.h"
#include "net/sse.h"

namespace latticegate::gateway {

using base::Code;
using mcp::Method;
using net::Task;

namespace {

constexpr std::size_t most_waiting = 1024;  // messages of all servers that the client has not taken
constexpr std::chrono::milliseconds glance{200};
// What a client is told after a server came back: it may list everything anew.
constexpr Method changes[] = {Method::notifications_tools_list_changed,
                              Method::notifications_prompts_list_changed,
                              Method::notifications_resources_list_changed};

}  // namespace

// Held by the tasks that listen at the servers. All on one loop.
struct Doorway::Hub {
  struct Item {
    std::size_t at = 0;  // place of the server
    std::shared_ptr<Session> session;
    mcp::Message message;
  };
  struct Ear {
    const DoorServer* server = nullptr;
    std::string wanted;      // modern: the notifications of this server, JSON text; empty: none
    Reply* reply = nullptr;  // while it listens
  };
  explicit Hub(net::Loop& loop) : items(loop, most_waiting) {}

  std::shared_ptr<Round> round;  // how sessions are found
  net::Channel<Item> items;
  std::vector<Ear> ears;
  // Changes that wait to be told: more of the same say nothing new until then.
  std::set<std::pair<std::size_t, Method>> waiting;
  bool over = false;

  bool put(Item item) {
    const std::pair key(item.at, item.message.method());
    if (std::ranges::contains(changes, key.second) && !waiting.insert(key).second) return true;
    return items.push(std::move(item));
  }

  void end() {
    over = true;
    items.close();
    for (const Ear& ear : ears)
      if (ear.reply != nullptr) ear.reply->cancel();
  }
  // Whether this client wants to hear of such a change.
  bool wants(const Ear& ear, Method change) const {
    if (round->era == mcp::Era::legacy) return true;
    const std::string_view kind =
        change == Method::notifications_tools_list_changed     ? "\"toolsListChanged\""
        : change == Method::notifications_prompts_list_changed ? "\"promptsListChanged\""
                                                               : "\"resourcesListChanged\"";
    return ear.wanted.contains(kind);
  }
};

// Listens at one server for as long as the client does. A server that went away is asked again with
// the pauses that lists make, and when it is back the client hears that lists changed.
Task<void> Doorway::pump(std::shared_ptr<Hub> hub, std::size_t at) {
  Round& round = *hub->round;
  Worker& worker = round.worker;
  net::Loop& loop = worker.loop();
  Hub::Ear& ear = hub->ears[at];
  const ServerRoute& route = *ear.server->route;
  const std::string& name = route.config->name;
  Outages& outages = worker.shared().outages;
  bool missed = round.era == mcp::Era::legacy && !round.door->members.find(name);
  while (!hub->over) {
    if (outages.rests(name, loop.clock().instant())) {
      missed = true;
      co_await loop.sleep(glance);
      continue;
    }
    auto session = co_await round.session_at(route);
    if (hub->over) break;
    if (!session) {
      outages.failed(name, loop.clock().instant());
      continue;
    }
    if (std::exchange(missed, false)) {
      if (outages.answered(name))
        worker.shared().log.info("server answers again", {{"server", name}});
      for (const Method change : changes)
        if (hub->wants(ear, change))
          (void)hub->put({at, *session,
                          own_message(std::format(R"({{"jsonrpc":"2.0","method":"{}"}})",
                                                  gateway::name_of(change)))});
    }
    net::Abort abort;
    base::Result<std::unique_ptr<Reply>> reply = nullptr;
    if (round.era == mcp::Era::legacy) {
      reply = co_await (*session)->link->listen(loop);
    } else {
      Outgoing message;
      message.id = std::to_string(worker.shared().next_id.fetch_add(1, std::memory_order_relaxed));
      message.method = "subscriptions/listen";
      message.era = round.era;
      message.version = mcp::modern_revision;
      message.stream = true;
      message.text = std::format(
          R"({{"jsonrpc":"2.0","id":{},"method":"subscriptions/listen","params":{{"notifications":{},"_meta":{}}}}})",
          message.id, ear.wanted, round.meta);
      reply = co_await pass(Method::subscriptions_listen, *(*session)->link, loop, message, abort);
    }
    const bool refused = reply ? (*reply)->status() / 100 == 4 && (*reply)->status() != 404
                               : reply.error().code == Code::unsupported;
    const bool forgotten =
        reply ? (*reply)->status() == 404 : reply.error().code == Code::not_found;
    if (reply && !refused && !forgotten && !hub->over) {
      ear.reply = reply->get();
      for (bool open = true; open && !hub->over;) {
        auto next = co_await (*reply)->next();
        open = next && *next && !(*next)->is_response();
        if (open && (*next)->method() != Method::notifications_subscriptions_acknowledged &&
            !hub->put({at, *session, std::move(**next)}))
          hub->end();  // the client takes nothing
      }
      ear.reply = nullptr;
    }
    if (forgotten && round.era == mcp::Era::legacy) round.door->members.drop(**session);
    // It offers no stream: nothing is heard of it, and only the end of a process tells of itself.
    while (refused && !hub->over && (*session)->link->alive()) {
      if (!std::holds_alternative<config::Stdio>(route.config->transport)) co_return;
      co_await loop.sleep(glance);
    }
    missed = missed || !(*session)->link->alive() || forgotten;
    if (!hub->over) co_await loop.sleep(missed ? glance : std::chrono::milliseconds(1'000));
  }
}

// The stream for what belongs to no request (legacy GET), of all servers.
Task<void> Doorway::listen() {
  if (!admits(request_.head().find("accept").value_or(""), "text/event-stream"))
    co_return co_await reject(request_, {}, 406, -32600, "Accept must list text/event-stream");
  if (admitted_->principal->is_killed()) co_return co_await killed();
  const auto id = request_.head().find("mcp-session-id");
  if (!id) {
    (void)co_await request_.respond(
        405, "Allow: POST\r\n", "application/json",
        R"({"error":"a stream needs the Mcp-Session-Id of a session"})");
    co_return;
  }
  session_ = worker_.shared().sessions.find(*id, *admitted_->principal, door_.name);
  if (!session_)
    co_return co_await reject(request_, {}, 404, -32600,
                              "this session does not exist or has ended");
  if (session_->streams.fetch_add(1) >= snapshot_->config->limits.streams) {
    session_->streams.fetch_sub(1);
    co_return co_await reject(request_, {}, 429, mcp::unavailable_code,
                              "too many streams of this session are open");
  }
  const auto owner = view(door_.servers.front(), Method::unknown, session_);
  if (const auto last = request_.head().find("last-event-id")) {
    const std::string named(*last);
    if (co_await owner->resume(named)) {
      session_->streams.fetch_sub(1);
      co_return;
    }
  }
  auto hub = std::make_shared<Hub>(worker_.loop());
  hub->round = std::make_shared<Round>(worker_, Method::unknown);
  hub->round->snapshot = snapshot_;
  hub->round->principal = admitted_->principal;
  hub->round->door = session_;
  for (const DoorServer& server : door_.servers)
    hub->ears.push_back({.server = &server, .wanted = {}});
  co_await stream(hub, *owner, {});
  session_->streams.fetch_sub(1);
}

// subscriptions/listen: each server is asked for its part. What is certain is said at once. Results
// of tasks are judged where they are asked for, so nobody is told of them here.
Task<void> Doorway::subscribe() {
  const json::Value wanted = message_->params()["notifications"];
  if (!wanted.is_object()) co_return co_await fail(-32602, "notifications is no object");
  auto hub = std::make_shared<Hub>(worker_.loop());
  hub->round = round(Method::unknown);
  const auto asks = [&](std::string_view kind) { return wanted[kind].boolean() == true; };
  std::vector<std::vector<std::string>> uris(door_.servers.size());
  std::string honoured;
  json::Writer writer(honoured);
  writer.begin_object();
  for (const std::string_view kind :
       {"toolsListChanged", "promptsListChanged", "resourcesListChanged"})
    if (asks(kind)) writer.member(kind, true);
  const auto place = [&](const Target& target) {
    return static_cast<std::size_t>(target.server - door_.servers.data());
  };
  if (wanted["resourceSubscriptions"].is_array()) {
    writer.key("resourceSubscriptions").begin_array();
    for (const json::Value uri : wanted["resourceSubscriptions"].elements()) {
      const auto found = resource_of(uri.text_or({}));
      // What may not be read is not watched either.
      if (!found ||
          !view(*found->server, Method::subscriptions_listen, nullptr)->may_watch(found->name))
        continue;
      uris[place(*found)].push_back(found->name);
      writer.value(uri);
    }
    writer.end_array();
  }
  writer.end_object();
  const auto texts = [](json::Writer& out, std::string_view key,
                        const std::vector<std::string>& list) {
    if (list.empty()) return;
    out.key(key).begin_array();
    for (const std::string& each : list) out.string(each);
    out.end_array();
  };
  for (std::size_t i = 0; i < door_.servers.size(); ++i) {
    const DoorServer& server = door_.servers[i];
    std::string part;
    json::Writer out(part);
    out.begin_object();
    if (asks("toolsListChanged")) out.member("toolsListChanged", true);
    if (server.whole && asks("promptsListChanged")) out.member("promptsListChanged", true);
    if (server.whole && asks("resourcesListChanged")) out.member("resourcesListChanged", true);
    texts(out, "resourceSubscriptions", uris[i]);
    out.end_object();
    hub->ears.push_back({.server = &server, .wanted = part == "{}" ? std::string() : part});
  }
  const mcp::Message acknowledgement = own_message(std::format(
      R"({{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{}}}}})",
      honoured));
  const auto owner = view(door_.servers.front(), Method::unknown, nullptr);
  co_await stream(hub, *owner, mcp::with_subscription(acknowledgement, client_id_));
}

// Until the client leaves, or the conversation or the gateway ends.
Task<void> Doorway::stream(std::shared_ptr<Hub> hub, Exchange& owner, std::string first) {
  OpenCalls::Handle open =
      admitted_->principal->open().open(worker_.loop(), [hub](OpenCalls::End) { hub->end(); });
  OpenCalls::Handle open_in_session;
  if (!modern())
    open_in_session = session_->open->open(worker_.loop(), [hub](OpenCalls::End) { hub->end(); });
  // Its stream of events is that of all servers; in the modern era events have no ids.
  if (!co_await owner.begin_events(true)) co_return;
  request_.on_hangup([hub] { hub->end(); });
  if (!first.empty()) {
    std::string event;
    net::write_event(first, std::nullopt, event);
    if (!co_await request_.send_events(event)) hub->end();
  }
  for (std::size_t i = 0; i < hub->ears.size() && !hub->over; ++i)
    if (!modern() || !hub->ears[i].wanted.empty()) worker_.tasks().spawn(pump(hub, i));
  while (!hub->over) {
    auto popped = co_await hub->items.pop();
    if (!popped.value) break;
    Hub::Item& item = *popped.value;
    const DoorServer& server = *hub->ears[item.at].server;
    const Method method = item.message.method();
    hub->waiting.erase({item.at, method});
    const auto eyes = view(server, Method::unknown, item.session, true, owner.stream());
    // Only to those who may see something of the server; before its first list nobody knows.
    const bool heard =
        method == Method::notifications_resources_updated
            ? eyes->may_watch(item.message.params()["uri"].text_or({}))
            : server.route->catalogue->entries().empty() || sees_any(server, item.session);
    if (!heard) {
      if (item.message.is_request()) {
        Outgoing refusal;
        refusal.text =
            mcp::error_response(item.message.id_text(), -32603, "the client cannot be asked now");
        refusal.version = item.session->version;
        (void)co_await item.session->link->notify(worker_.loop(), refusal);
      }
      continue;
    }
    if (std::ranges::contains(changes, method)) {
      if (!hub->wants(hub->ears[item.at], method)) continue;
      if (modern()) item.message = own_message(mcp::with_subscription(item.message, client_id_));
    }
    if (!co_await eyes->side_message(item.message)) break;
  }
  hub->end();
  request_.on_hangup(nullptr);
  open.release();
  (void)co_await request_.finish_events();
}

}  // namespace latticegate::gateway
