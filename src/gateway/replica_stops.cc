#include "gateway/replica_stops.h"

#include <array>
#include <format>

#include "gateway/halts.h"
#include "gateway/response.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::fail;
using base::Result;
using net::Task;

constexpr std::array waits{std::chrono::seconds(1), std::chrono::seconds(3)};  // between attempts
constexpr std::chrono::seconds patience{5};

void write(json::Writer& writer, const Stop& stop) {
  writer.begin_object().member("halt", stop.what.halt).member("id", stop.what.id);
  if (stop.kill) {
    writer.key("kill").begin_object();
    writer.key("at").raw(std::to_string(base::to_unix_ms(stop.kill->at)));
    if (stop.kill->until)
      writer.key("until").raw(std::to_string(base::to_unix_ms(*stop.kill->until)));
    writer.member("agent", stop.kill->agent)
        .member("user", stop.kill->user)
        .member("by", stop.kill->by)
        .member("reason", stop.kill->reason)
        .end_object();
  }
  writer.end_object();
}

std::optional<base::Time> time_of(json::Value value) {
  if (const auto ms = value.integer()) return base::Time(std::chrono::milliseconds(*ms));
  return std::nullopt;
}

std::optional<Stop> read(json::Value value) {
  Stop stop{.what = {.halt = value["halt"].boolean().value_or(false),
                     .id = std::string(value["id"].text_or({}))},
            .kill = std::nullopt};
  if (stop.what.id.empty()) return std::nullopt;
  if (const json::Value kill = value["kill"]; kill.exists()) {
    const auto at = time_of(kill["at"]);
    if (!at) return std::nullopt;
    stop.kill = Kill{.at = *at,
                     .agent = std::string(kill["agent"].text_or({})),
                     .user = std::string(kill["user"].text_or({})),
                     .by = std::string(kill["by"].text_or({})),
                     .reason = std::string(kill["reason"].text_or({})),
                     .until = time_of(kill["until"])};
  }
  return stop;
}

// `from` told it, so nobody is told again.
void apply(Worker& worker, Stop stop, std::string_view from) {
  const std::string why = std::format("as replica {} says", from);
  if (!stop.kill) {
    lift(worker, stop.what, {}, {}, why, Tell::nobody);
    return;
  }
  stop.kill->reason = std::format("{} ({})", stop.kill->reason, why);
  if (stop.what.halt)
    (void)halt(worker, stop.what.id, *std::move(stop.kill), {}, Tell::nobody);
  else
    (void)worker.kill_all_of(stop.what.id, stop_type(stop.what.id), *std::move(stop.kill),
                             Tell::nobody);
}

// One message to one of them, and its answer.
Task<Result<std::string>> say(Worker& worker, std::shared_ptr<const Snapshot> snapshot,
                              std::string to, std::string text) {
  const Replica& replica = *snapshot->replicas->find(to);
  net::HttpPool& pool = worker.pool(replica, snapshot->config->limits);
  const std::string_view method = text.empty() ? "GET" : "POST";
  net::Head line;
  line.method = method;
  line.target = stops_path;
  const std::string sealed =
      snapshot->replicas->seal(to, {}, line, text, worker.shared().clock.now(), worker.random());
  const std::string headers = std::format("{}: {}\r\n", handed_header, sealed);
  CO_TRY(auto connection, co_await pool.exchange({.method = method,
                                                  .path = stops_path,
                                                  .headers = headers,
                                                  .body = text,
                                                  .has_body = !text.empty(),
                                                  .idempotent = true,
                                                  .head_timeout = patience}));
  const auto body = co_await connection->read_body();
  if (!body) co_return std::unexpected(body.error());
  if (connection->head().status != 200)
    co_return fail(base::Code::unavailable,
                   std::format("it answered {}", connection->head().status));
  std::string answer(*body);
  pool.give_back(std::move(connection));
  co_return answer;
}

Task<void> tell(Worker& worker, std::shared_ptr<const Snapshot> snapshot, std::string to,
                std::string text) {
  for (std::size_t attempt = 0;; ++attempt) {
    const auto told = co_await say(worker, snapshot, to, text);
    if (told) co_return;
    if (attempt == waits.size()) {
      worker.shared().log.warning("a replica was not told what is stopped or released",
                                  {{"replica", to}, {"reason", base::describe(told.error())}});
      co_return;
    }
    co_await worker.loop().sleep(waits.at(attempt));
  }
}

}  // namespace

void tell_replicas(Worker& worker, const Stop& stop) {
  const auto snapshot = worker.shared().snapshot.load();
  if (!snapshot->replicas) return;
  std::string text;
  json::Writer writer(text);
  write(writer, stop);
  for (const std::string& name : snapshot->replicas->others())
    worker.tasks().spawn(tell(worker, snapshot, name, text));
}

Task<void> ask_replicas(Worker& worker) {
  const auto snapshot = worker.shared().snapshot.load();
  if (!snapshot->replicas) co_return;
  for (const std::string& name : snapshot->replicas->others()) {
    const auto answer = co_await say(worker, snapshot, name, {});
    const auto document = json::Document::parse(answer.value_or("[]"));
    if (!document) continue;
    for (const json::Value each : document->root().elements())
      if (auto stop = read(each); stop && stop->kill) apply(worker, *std::move(stop), name);
  }
}

Task<void> answer_replica(Worker& worker, net::ServerRequest& request, std::string_view from,
                          std::string_view body) {
  constexpr std::string_view type = "application/json";
  if (body.empty()) {
    std::string text;
    json::Writer writer(text);
    writer.begin_array();
    for (const auto& [id, kill] : worker.shared().principals.kills())
      write(writer, {.what = {.halt = false, .id = id}, .kill = kill});
    for (const auto& [name, kill] : worker.shared().halts->all())
      write(writer, {.what = {.halt = true, .id = name}, .kill = kill});
    writer.end_array();
    (void)co_await request.respond(200, "", type, text);
    co_return;
  }
  const auto document = json::Document::parse(body);
  auto stop = document ? read(document->root()) : std::nullopt;
  if (!stop) {
    (void)co_await request.respond(400, "", type, R"({"error":"this says nothing of a stop"})");
    co_return;
  }
  apply(worker, *std::move(stop), from);
  (void)co_await request.respond(200, "", type, "{}");
}

}  // namespace latticegate::gateway
