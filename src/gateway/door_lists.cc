#include <algorithm>
#include <format>
#include <set>
#include <utility>

#include "gateway/descriptions.h"
#include "gateway/door_round.h"
#include "gateway/ready.h"
#include "gateway/tool_search.h"
#include "json/write.h"
#include "mcp/server.h"

namespace latticegate::gateway {

using base::Code;
using base::Result;
using mcp::Method;
using net::Task;

namespace {

constexpr std::size_t most_pages = 32;      // of one server's list
constexpr std::size_t most_words = 65'536;  // bytes of all instructions together
constexpr std::size_t shown_words = 300;    // bytes of a description in what a search found
constexpr std::string_view us = R"({"name":"latticegate","version":"1"})";

std::string_view list_of(Method method) {
  switch (method) {
    case Method::tools_list: return "tools";
    case Method::prompts_list: return "prompts";
    case Method::resources_list: return "resources";
    case Method::resources_templates_list: return "resourceTemplates";
    case Method::tasks_list: return "tasks";
    default: return {};
  }
}

// At most so many bytes, whole characters only.
std::string_view beginning(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

std::string_view name_of(Method method) {
  const auto* const row = std::ranges::find(mcp::methods, method, &mcp::MethodRow::method);
  return row == mcp::methods.end() ? std::string_view() : row->name;
}

// What the client says of itself, for requests that we make for it.
std::string Doorway::own_meta() const {
  std::string meta;
  json::Writer writer(meta);
  writer.begin_object();
  for (const json::Member member : message_->meta().members())
    if (member.key.starts_with(mcp::meta_prefix)) writer.member(member.key, member.value);
  writer.end_object();
  return meta;
}

CursorBinding Doorway::binding() const {
  return {worker_.shared().cursor_key, admitted_->principal->id(), door_.name,
          message_->method_name()};
}

std::shared_ptr<Doorway::Round> Doorway::round(Method method, std::string_view params) const {
  auto made = std::make_shared<Round>(worker_, method);
  made->snapshot = snapshot_;
  made->principal = admitted_->principal;
  made->era = era_;
  made->door = session_;
  made->params = params;
  if (modern()) made->meta = own_meta();
  return made;
}

// False when the conversation was killed meanwhile.
Task<bool> Doorway::gather(const std::shared_ptr<Round>& round) {
  Outages& outages = worker_.shared().outages;
  const base::Instant start = worker_.loop().clock().instant();
  std::size_t pending = 0;
  for (std::size_t i = 0; i < round->parts.size(); ++i) {
    Part& part = round->parts[i];
    if (outages.rests(part.server->route->config->name, start)) {
      part.error = base::Error{Code::unavailable, "it did not answer lately"};
      part.done = true;
      continue;
    }
    ++pending;
    worker_.tasks().spawn(ask_one(round, i));
  }
  OpenCalls::Handle open = admitted_->principal->open().open(
      worker_.loop(), [finished = round->finished](OpenCalls::End) { finished->close(); });
  const base::Instant deadline = start + snapshot_->config->aggregate.wait;
  for (; pending > 0; --pending) {
    const auto popped = co_await round->finished->pop(deadline);
    if (!popped.value) break;
    take_in(round->parts[*popped.value]);  // while the others take their time
  }
  open.release();
  const base::Instant end = worker_.loop().clock().instant();
  for (Part& part : round->parts) {
    const std::string& server = part.server->route->config->name;
    if (!part.done) part.error = base::Error{Code::timeout, "it did not answer in time"};
    if (!part.error) {
      if (outages.answered(server))
        worker_.shared().log.info("server answers again", {{"server", server}});
    } else if (!admitted_->principal->is_killed() && part.error->code != Code::cancelled &&
               part.error->code != Code::overloaded && !outages.rests(server, end)) {
      worker_.shared().counters.upstream_errors.fetch_add(1, std::memory_order_relaxed);
      const bool news = outages.failed(server, end);
      const base::Log& log = worker_.shared().log;
      const std::string reason = base::describe(*part.error);
      if (news)
        log.warning("server left out of lists", {{"server", server}, {"reason", reason}});
      else
        log.debug("server still left out", {{"server", server}, {"reason", reason}});
    }
  }
  co_return !admitted_->principal->is_killed();
}

Task<void> Doorway::ask_one(std::shared_ptr<Round> round, std::size_t at) {
  Part& part = round->parts[at];
  const auto told = co_await tell(*round, part);
  if (!part.done) {
    if (!told) part.error = told.error();
    part.done = true;
  }
  (void)round->finished->push(at);
}

Task<Result<void>> Doorway::tell(Round& round, Part& part) {
  CO_TRY(part.session, co_await round.session_at(*part.server->route));
  if (round.method == Method::initialize || round.method == Method::server_discover) {
    json::Value said;
    if (round.method == Method::initialize) {
      said = part.session->hello->result();
    } else {
      CO_TRY(auto answer, co_await ask(round, part, Method::server_discover, {}));
      part.answers.push_back(std::move(answer));
      part.pages = 1;
      said = part.answers.back().result();
      if (!said.exists()) co_return base::fail(Code::unavailable, "the server refused discovery");
    }
    // Whose words are told depends on whether the caller may use any of its tools.
    if (!said["instructions"].is_string() || !part.server->route->catalogue->entries().empty())
      co_return Result<void>();
  }
  if (round.method == Method::logging_set_level) {
    if (!part.session->hello->result()["capabilities"]["logging"].exists())
      co_return Result<void>();
    CO_TRY(auto answer, co_await ask(round, part, round.method, round.params));
    co_return Result<void>();
  }
  const bool opening =
      round.method == Method::initialize || round.method == Method::server_discover;
  const Method method = opening ? Method::tools_list : round.method;
  const std::size_t most = opening ? most_pages : round.most_pages;
  std::optional<std::string> cursor = part.cursor;
  for (std::size_t page = 0; page < most; ++page) {
    std::string params;
    if (cursor) {
      params = R"("cursor":)";
      json::write_string(*cursor, params);
    }
    CO_TRY(auto answer, co_await ask(round, part, method, params));
    const json::Value next = answer.result()["nextCursor"];
    cursor.reset();
    if (next.is_string()) cursor = std::string(*next.string());
    part.answers.push_back(std::move(answer));
    if (!opening) ++part.pages;
    if (!cursor) break;
  }
  if (!opening) part.cursor = cursor;
  co_return Result<void>();
}

Task<Result<mcp::Message>> Doorway::ask(Round& round, Part& part, Method method,
                                        std::string_view params) {
  for (int attempt = 0;; ++attempt) {
    Worker& worker = round.worker;
    Outgoing message;
    message.id = std::to_string(worker.shared().next_id.fetch_add(1, std::memory_order_relaxed));
    message.method = gateway::name_of(method);
    message.era = round.era;
    message.version =
        round.era == mcp::Era::modern ? std::string(mcp::modern_revision) : part.session->version;
    message.idempotent = true;
    std::string inside(params);
    if (round.era == mcp::Era::modern) {
      if (!inside.empty()) inside += ',';
      inside += R"("_meta":)" + round.meta;
    }
    message.text = std::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{{{}}}}})",
                               message.id, message.method, inside);
    net::Abort abort;
    Reply* running = nullptr;
    const OpenCalls::Handle open = round.principal->open().open(worker.loop(), [&](OpenCalls::End) {
      abort.request();
      if (running != nullptr) running->cancel();
    });
    CO_TRY(auto reply, co_await pass(method, *part.session->link, worker.loop(), message, abort));
    if (reply->status() == 404 && round.era == mcp::Era::legacy && attempt == 0) {
      // The server forgot the session: it gets a new one.
      round.door->members.drop(*part.session);
      CO_TRY(part.session, co_await round.session_at(*part.server->route));
      continue;
    }
    running = reply.get();
    for (;;) {
      auto next = co_await reply->next();
      if (!next || !*next) running = nullptr;
      if (!next) co_return std::unexpected(std::move(next).error());
      if (!*next) co_return base::fail(Code::unavailable, "the server ended without an answer");
      if (answers(**next, message.id)) {
        running = nullptr;
        co_return std::move(**next);
      }
      if ((*next)->is_request()) {  // nobody is there to be asked
        Outgoing refusal;
        refusal.text =
            mcp::error_response((*next)->id_text(), -32603, "the client cannot be asked now");
        refusal.version = message.version;
        (void)co_await part.session->link->notify(worker.loop(), refusal);
      }
    }
  }
}

// Prompts and tools of a server's list become known under their names here.
void Doorway::take_in(Part& part) {
  if (part.error || part.answers.empty() || std::exchange(part.taken_in, true)) return;
  const auto seen = view(*part.server, Method::tools_list, part.session);
  for (const mcp::Message& answer : part.answers) {
    if (answer.result()["tools"].exists()) seen->observe_tools(answer.result());
    for (const json::Value prompt : answer.result()["prompts"].elements()) {
      const std::string_view name = prompt["name"].text_or({});
      const std::string outward = outward_name(part.server->prefix, name);
      if (const auto parts = parts_of(outward); parts && parts->shortened)
        part.server->route->catalogue->note_prompt(outward, name);
    }
  }
}

// The name for clients; empty when this tool is not behind this door. `room` holds the text.
std::string_view Doorway::name_of(const DoorServer& server, std::string_view tool,
                                  std::string& room) const {
  const auto place = static_cast<std::size_t>(&server - door_.servers.data());
  if (const auto picked = door_.picked.find(std::pair(place, std::string(tool)));
      picked != door_.picked.end())
    return picked->second;
  if (!server.whole) return {};
  room = outward_name(server.prefix, tool);
  return room;
}

// An element of a list in the words of this door; empty when it is not behind it.
std::string Doorway::describe(const DoorServer& server, Method list, json::Value element) const {
  std::vector<json::Edit> edits;
  std::string description;
  const json::Value name = element["name"];
  if (list == Method::tools_list) {
    std::string room;
    const std::string_view outward = name_of(server, name.text_or({}), room);
    if (outward.empty()) return {};
    std::string text;
    json::write_string(outward, text);
    edits.push_back({name, std::move(text)});
    if (const auto picked = door_.tools.find(outward);
        picked != door_.tools.end() && !picked->second.description.empty()) {
      json::write_string(picked->second.description, description);
      if (element["description"].exists())
        edits.push_back({element["description"], std::exchange(description, {})});
    }
  } else if (list == Method::prompts_list && name.is_string()) {
    std::string text;
    json::write_string(outward_name(server.prefix, *name.string()), text);
    edits.push_back({name, std::move(text)});
  }
  if (server.outward) server.outward->element_edits(element, edits);
  json::in_document_order(edits);
  std::string out;
  json::write(element, edits, out);
  if (!description.empty()) {
    out.pop_back();
    out += R"(,"description":)" + description + "}";
  }
  return out;
}

Task<void> Doorway::list() {
  const Method method = message_->method();
  const bool of_tools = method == Method::tools_list;
  const bool searching = of_tools && door_.search_above > 0;
  auto asked = round(method);
  if (searching) asked->most_pages = most_pages;
  if (const json::Value cursor = message_->params()["cursor"]; cursor.exists()) {
    const auto legs = open_cursor(binding(), cursor.text_or({}));
    if (!legs) co_return co_await fail(-32602, legs.error().detail);
    for (const Leg& leg : *legs)
      if (const DoorServer* const server = door_.named(leg.server);
          server != nullptr && (server->whole || of_tools))
        asked->parts.push_back({.server = server, .cursor = leg.cursor});
    if (asked->parts.size() != legs->size())
      co_return co_await fail(-32602, "the servers behind this door are others by now");
  } else {
    for (const DoorServer& server : door_.servers)
      if (server.whole || of_tools) asked->parts.push_back({.server = &server});
  }
  if (!co_await gather(asked)) co_return co_await killed();

  std::string elements;
  std::vector<Leg> legs;
  std::set<std::string, std::less<>> seen;
  bool complete = asked->complete();
  std::int64_t ttl = complete ? -1 : 0;
  for (Part& part : asked->parts) {
    if (!part.done || part.error) continue;
    const auto eyes = view(*part.server, method, part.session);
    std::vector<std::string> names;
    bool whole = !part.cursor;
    for (const mcp::Message& answer : part.answers) {
      const json::Value result = answer.result();
      // A server without such things may say so.
      if (!result.exists() && answer.error()["code"].integer() != -32601) complete = whole = false;
      for (const json::Value element : result[list_of(method)].elements()) {
        if (of_tools) names.emplace_back(element["name"].text_or({}));
        if (!eyes->listed(element)) continue;
        if (method == Method::resources_templates_list &&
            !eyes->may_watch(element["uriTemplate"].text_or({})))
          continue;
        const std::string text = describe(*part.server, method, element);
        if (text.empty()) continue;
        if (of_tools) {
          std::string room;
          const std::string name(name_of(*part.server, element["name"].text_or({}), room));
          if (!seen.insert(name).second) continue;  // the server lists one twice
        }
        if (!elements.empty()) elements += ',';
        elements += text;
      }
      const std::int64_t told = result["ttlMs"].integer().value_or(0);
      ttl = ttl < 0 ? std::max<std::int64_t>(told, 0) : std::min(ttl, told);
    }
    if (of_tools && whole && asked->most_pages > 1)
      part.server->route->catalogue->listed(std::move(names), worker_.loop().clock().instant());
    if (part.cursor && !searching) legs.push_back({part.server->route->config->name, *part.cursor});
  }
  if (searching && seen.size() > door_.search_above) elements = search_tool_descriptors();

  std::string result;
  json::Writer writer(result);
  writer.begin_object();
  if (modern()) writer.member("resultType", "complete");
  writer.key(list_of(method)).begin_array();
  if (!elements.empty()) writer.raw(elements);
  writer.end_array();
  if (!legs.empty()) writer.member("nextCursor", seal_cursor(binding(), legs));
  if (modern())
    writer.member("ttlMs", complete ? std::max<std::int64_t>(ttl, 0) : std::int64_t{0})
        .member("cacheScope", "private");
  if (modern() || !complete) {
    writer.key("_meta").begin_object();
    if (modern()) writer.key(std::string(mcp::meta_prefix) + "serverInfo").raw(us);
    if (!complete) {
      // By name only to those who know the server: who may see one of its tools.
      writer.member("com.latticegate/incomplete", true);
      writer.key("com.latticegate/unavailable").begin_array();
      for (const Part& part : asked->parts)
        if ((!part.done || part.error) && sees_any(*part.server, part.session))
          writer.string(part.server->route->config->name);
      writer.end_array();
    }
    writer.end_object();
  }
  writer.end_object();
  co_await final(mcp::result_response(client_id_, result));
}

bool Doorway::sees_any(const DoorServer& server, const std::shared_ptr<Session>& session) {
  const auto eyes = view(server, Method::tools_list, session);
  std::string room;
  for (const auto& entry : server.route->catalogue->entries())
    if (!name_of(server, entry->name, room).empty() && eyes->sees(entry)) return true;
  return false;
}

// What the servers can do together, as far as it works through a door. Who may be missing now
// comes back later, and what every server has can always be listed.
std::string Doorway::offer(const Round& round) {
  bool prompts = !round.complete();
  bool resources = prompts;
  bool tools = prompts || door_.search_above > 0;
  bool subscribe = prompts;
  bool completions = prompts;
  bool logging = false;
  std::string tasks;
  std::map<std::string, std::string> extensions;
  for (const Part& part : round.parts) {
    if (!part.done || part.error) continue;
    const json::Value can = modern() ? part.answers.front().result()["capabilities"]
                                     : part.session->hello->result()["capabilities"];
    tools = tools || can["tools"].exists();
    if (!part.server->whole) continue;
    prompts = prompts || can["prompts"].exists();
    resources = resources || can["resources"].exists();
    subscribe = subscribe || can["resources"]["subscribe"].boolean() == true;
    completions = completions || can["completions"].exists();
    logging = logging || can["logging"].exists();
    if (tasks.empty() && can["tasks"].exists()) tasks = json::to_string(can["tasks"]);
    for (const json::Member each : can["extensions"].members())
      if (each.key == "io.modelcontextprotocol/tasks" || each.key == "io.modelcontextprotocol/ui")
        extensions.emplace(each.key, json::to_string(each.value));
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  const auto listed = [&](std::string_view kind, bool there) {
    if (there) writer.key(kind).begin_object().member("listChanged", true).end_object();
  };
  listed("tools", tools);
  listed("prompts", prompts);
  if (resources) {
    writer.key("resources").begin_object().member("listChanged", true);
    if (subscribe) writer.member("subscribe", true);
    writer.end_object();
  }
  if (completions) writer.key("completions").raw("{}");
  if (!modern()) {
    if (logging) writer.key("logging").raw("{}");
    if (!tasks.empty()) writer.key("tasks").raw(tasks);
  } else if (!extensions.empty()) {
    writer.key("extensions").begin_object();
    for (const auto& [name, settings] : extensions) writer.key(name).raw(settings);
    writer.end_object();
  }
  writer.end_object();
  return out;
}

// Of those servers of which the caller may use a tool, each held back until approved if it changed.
std::string Doorway::instructions(Round& round) {
  std::string all;
  for (Part& part : round.parts) {
    if (!part.done || part.error) continue;
    const json::Value said = modern() ? part.answers.front().result()["instructions"]
                                      : part.session->hello->result()["instructions"];
    if (!said.is_string() || said.text_or({}).empty()) continue;
    const std::string& server = part.server->route->config->name;
    if (!accepts_instructions(worker_.inspection().scanner(), *snapshot_, *part.server->route, said,
                              worker_.shared().clock.now()) ||
        !sees_any(*part.server, part.session))
      continue;
    if (all.size() + said.text_or({}).size() > most_words) continue;
    if (!all.empty()) all += "\n\n";
    if (door_.servers.size() > 1) all += std::format("# {}\n\n", server);
    all += *said.string();
  }
  return door_.instructions.empty() ? all : door_.instructions;
}

Task<void> Doorway::discover() {
  auto asked = round(Method::server_discover);
  for (const DoorServer& server : door_.servers) asked->parts.push_back({.server = &server});
  if (!co_await gather(asked)) co_return co_await killed();
  std::string result;
  json::Writer writer(result);
  writer.begin_object()
      .member("resultType", "complete")
      .member("ttlMs", std::int64_t{0})
      .member("cacheScope", "private")
      .key("supportedVersions")
      .begin_array()
      .string(mcp::modern_revision)
      .end_array()
      .key("capabilities")
      .raw(offer(*asked));
  if (const std::string words = instructions(*asked); !words.empty())
    writer.member("instructions", words);
  writer.key("_meta")
      .begin_object()
      .key(std::string(mcp::meta_prefix) + "serverInfo")
      .raw(us)
      .end_object()
      .end_object();
  co_await final(mcp::result_response(client_id_, result));
}

Task<void> Doorway::set_level() {
  const std::string_view level = message_->params()["level"].text_or({});
  if (!mcp::log_level(level)) co_return co_await fail(-32602, "no level of this name");
  auto asked = round(Method::logging_set_level, std::format(R"("level":"{}")", level));
  for (const DoorServer& server : door_.servers) asked->parts.push_back({.server = &server});
  if (!co_await gather(asked)) co_return co_await killed();
  co_await final(mcp::result_response(client_id_, "{}"));
}

struct Doorway::Found {
  std::string name;
  std::shared_ptr<const ToolEntry> entry;
  const DoorServer* server = nullptr;
  json::Document descriptor;
};

// Every tool that this caller may see here. Nothing when the conversation was killed.
Task<std::optional<std::vector<Doorway::Found>>> Doorway::tools() {
  const base::Instant at = worker_.loop().clock().instant();
  auto asked = round(Method::tools_list);
  asked->most_pages = most_pages;
  for (const DoorServer& server : door_.servers)
    if (!server.route->catalogue->fresh(at)) asked->parts.push_back({.server = &server});
  if (!asked->parts.empty() && !co_await gather(asked)) co_return std::nullopt;
  for (Part& part : asked->parts) {
    if (!part.done || part.error) continue;
    std::vector<std::string> names;
    for (const mcp::Message& answer : part.answers)
      for (const json::Value tool : answer.result()["tools"].elements())
        names.emplace_back(tool["name"].text_or({}));
    part.server->route->catalogue->listed(std::move(names), at);
  }
  std::vector<Found> found;
  std::string room;
  for (const DoorServer& server : door_.servers) {
    const auto eyes = view(server, Method::tools_list, nullptr);
    const auto entries = server.route->catalogue->fresh(at);
    if (!entries) continue;
    for (const auto& entry : *entries) {
      const std::string_view name = name_of(server, entry->name, room);
      if (name.empty() || !eyes->sees(entry)) continue;
      auto descriptor = json::Document::parse(entry->form.bytes, {.depth = 256});
      if (descriptor) found.push_back({std::string(name), entry, &server, *std::move(descriptor)});
    }
  }
  co_return found;
}

Task<void> Doorway::search_tools() {
  const json::Value given = message_->params()["arguments"];
  const std::string query(given["query"].text_or({}));
  const std::int64_t limit = given["limit"].integral().value_or(usually_found);
  if (query.empty() || limit < 1)
    co_return co_await final(mcp::tool_error_response(
        client_id_, "search_tools needs words in query; limit is a number from 1 to 50", modern()));
  const auto all = co_await tools();
  if (!all) co_return co_await killed();
  std::vector<Searched> searched;
  for (const Found& each : *all) {
    const json::Value tool = each.descriptor.root();
    const auto picked = door_.tools.find(each.name);
    const bool own = picked != door_.tools.end() && !picked->second.description.empty();
    searched.push_back(
        {each.name, tool["title"].text_or({}),
         own ? std::string_view(picked->second.description) : tool["description"].text_or({})});
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("tools").begin_array();
  for (const std::size_t place :
       search(searched, query, std::min(static_cast<std::size_t>(limit), most_found)))
    writer.begin_object()
        .member("name", searched[place].name)
        .member("description", beginning(searched[place].description, shown_words))
        .end_object();
  writer.end_array().member("of", static_cast<std::int64_t>(searched.size())).end_object();
  co_await tool_result(out);
}

Task<void> Doorway::describe_tools() {
  const json::Value names = message_->params()["arguments"]["names"];
  if (names.size() == 0 || names.size() > most_found)
    co_return co_await final(mcp::tool_error_response(
        client_id_, "describe_tools needs 1 to 50 names that search_tools gave", modern()));
  const auto all = co_await tools();
  if (!all) co_return co_await killed();
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("tools").begin_array();
  std::vector<std::string_view> missing;
  for (const json::Value name : names.elements()) {
    const auto found = std::ranges::find(*all, name.text_or({}), &Found::name);
    if (found == all->end())
      missing.push_back(name.text_or({}));
    else
      writer.raw(describe(*found->server, Method::tools_list, found->descriptor.root()));
  }
  writer.end_array();
  if (!missing.empty()) {
    writer.key("unknown").begin_array();
    for (const std::string_view name : missing) writer.string(name);
    writer.end_array();
  }
  writer.end_object();
  co_await tool_result(out);
}

Task<void> Doorway::tool_result(std::string_view structured) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  if (modern()) writer.member("resultType", "complete");
  writer.key("content")
      .begin_array()
      .begin_object()
      .member("type", "text")
      .member("text", structured)
      .end_object()
      .end_array()
      .key("structuredContent")
      .raw(structured)
      .end_object();
  co_await final(mcp::result_response(client_id_, out));
}

}  // namespace latticegate::gateway
