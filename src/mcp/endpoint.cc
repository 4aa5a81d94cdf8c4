#include "mcp/endpoint.h"

#include <algorithm>
#include <format>

#include "base/log.h"
#include "base/result.h"

namespace latticegate::mcp {
namespace {

constexpr std::size_t most_calls = 64;
constexpr int most_rounds = 16;

// The text of an object with members put before its own.
std::string with_members(std::string_view members, std::string_view object) {
  std::string out = "{";
  out += members;
  if (object != "{}") {
    out += ',';
    out += object.substr(1);
  } else {
    out += '}';
  }
  return out;
}

bool may_ask(Method method) {
  return method == Method::tools_call || method == Method::prompts_get ||
         method == Method::resources_read;
}

std::string notification(std::string_view method, std::string_view params) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("jsonrpc", "2.0").member("method", method);
  if (!params.empty()) writer.key("params").raw(params);
  writer.end_object();
  return out;
}

std::string_view name_of(Method method) {
  const auto* const row = std::ranges::find(methods, method, &MethodRow::method);
  return row == methods.end() ? std::string_view() : row->name;
}

}  // namespace

Endpoint::Endpoint(const Server& server, std::function<void(Output)> send,
                   std::function<void(Method, std::string_view)> announce, TaskTable* tasks)
    : server_(server), send_(std::move(send)), announce_(std::move(announce)), tasks_(tasks) {}

json::Value Endpoint::capabilities() const {
  return hello_ ? hello_->params()["capabilities"] : json::Value();
}

void Endpoint::receive(Message message, Era era, std::uint64_t stream, base::Instant now) {
  now_ = now;
  if (message.is_response())
    answered(message);
  else if (message.is_request())
    request(std::move(message), era, stream);
  else if (message.method() == Method::notifications_cancelled)
    cancel(json::to_string(message.params()["requestId"]));
}

void Endpoint::request(Message message, Era era, std::uint64_t stream) {
  const std::string id = message.id_text();
  const bool modern = era == Era::modern;
  const auto unknown = [&] { fail(id, stream, {-32601, "this method is not known", {}}, era); };
  if (!exists_in(era, message.method())) return unknown();
  const Handler* handler = nullptr;
  const std::string_view subject = subject_of(message);
  std::string missing;
  switch (message.method()) {
    case Method::initialize:
    case Method::ping:
    case Method::logging_set_level:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe: return legacy_request(message, stream);
    case Method::server_discover: {
      std::string result;
      json::Writer writer(result);
      writer.begin_object().key("supportedVersions").begin_array().string(modern_revision);
      writer.end_array().key("capabilities").raw(server_.capabilities(era, tasks_ != nullptr));
      if (!server_.options().instructions.empty())
        writer.member("instructions", server_.options().instructions);
      writer.end_object();
      return complete(message, era, stream, result);
    }
    case Method::subscriptions_listen: return listen(std::move(message), stream);
    case Method::tasks_get:
    case Method::tasks_update:
    case Method::tasks_cancel:
      if (!modern || tasks_ == nullptr) return unknown();
      return task_request(message, stream);
    case Method::tools_list:
      if (server_.tools_.empty()) return unknown();
      return complete(message, era, stream, list("tools", server_.tools_));
    case Method::prompts_list:
      if (server_.prompts_.empty()) return unknown();
      return complete(message, era, stream, list("prompts", server_.prompts_));
    case Method::resources_list:
      if (server_.resources_.empty()) return unknown();
      return complete(message, era, stream, list("resources", server_.resources_));
    case Method::resources_templates_list:
      if (server_.resources_.empty() && server_.templates_.empty()) return unknown();
      return complete(message, era, stream, list("resourceTemplates", server_.templates_));
    case Method::tools_call:
      if (const auto* const item = Server::find(server_.tools_, subject)) handler = &item->handler;
      missing = "Unknown tool: ";
      break;
    case Method::prompts_get:
      if (const auto* const item = Server::find(server_.prompts_, subject))
        handler = &item->handler;
      missing = "Unknown prompt: ";
      break;
    case Method::resources_read: {
      if (const auto* const item = server_.find_resource(subject)) {
        handler = &item->handler;
        break;
      }
      std::string data = R"({"uri":)";
      json::write_string(subject, data);
      data += '}';
      return fail(id, stream, {not_found_code, "Resource not found", std::move(data)}, era);
    }
    case Method::completion_complete:
      if (!server_.completion_) return unknown();
      handler = &server_.completion_;
      break;
    default: return unknown();
  }
  if (handler == nullptr)
    return fail(id, stream, {-32602, missing + base::printable(subject.substr(0, 128)), {}}, era);
  if (calls_.size() >= most_calls)
    return fail(id, stream, {unavailable_code, "too many calls are under way", {}}, era);

  std::shared_ptr<Call> made(new Call(*this, std::move(message), era, stream));
  made->handler_ = handler;
  made->about_ = std::format("{} {}\n", made->message_.method_name(), subject_of(made->message_));
  if (modern) {
    const json::Value responses = made->params()["inputResponses"];
    const json::Value state = made->params()["requestState"];
    if ((responses.exists() && !responses.is_object()) || (state.exists() && !state.is_string()))
      return fail(id, stream, {-32602, "inputResponses is an object, requestState a string", {}},
                  era);
    made->answered_ = responses.exists() || state.exists();
    if (state.exists()) {
      std::optional<std::string> opened(*state.string());
      if (server_.options().open) opened = server_.options().open(*state.string());
      if (!opened || !opened->starts_with(made->about_))
        return fail(id, stream, {-32602, "the requestState is not one of this server's", {}}, era);
      made->state_ = opened->substr(made->about_.size());
    }
  }
  calls_.push_back(made);
  act(made, (*handler)(*made));
}

void Endpoint::legacy_request(Message& message, std::uint64_t stream) {
  switch (message.method()) {
    case Method::initialize: {
      const std::string_view asked = message.params()["protocolVersion"].text_or({});
      const std::string_view version = is_legacy_revision(asked) ? asked : legacy_revisions.back();
      std::string result;
      json::Writer writer(result);
      writer.begin_object()
          .member("protocolVersion", version)
          .key("capabilities")
          .raw(server_.capabilities(Era::legacy, false))
          .key("serverInfo")
          .begin_object()
          .member("name", server_.options().name)
          .member("version", server_.options().version)
          .end_object();
      if (!server_.options().instructions.empty())
        writer.member("instructions", server_.options().instructions);
      writer.end_object();
      complete(message, Era::legacy, stream, result);
      hello_ = std::move(message);
      return;
    }
    case Method::logging_set_level: {
      const auto level = log_level(message.params()["level"].text_or({}));
      if (!level)
        return fail(message.id_text(), stream, {-32602, "no level of this name", {}}, Era::legacy);
      level_ = *level;
      break;
    }
    case Method::resources_subscribe:
      if (watched_.size() >= 1024)
        return fail(message.id_text(), stream,
                    {unavailable_code, "too many subscriptions of this session", {}}, Era::legacy);
      watched_.emplace(subject_of(message));
      break;
    case Method::resources_unsubscribe: watched_.erase(std::string(subject_of(message))); break;
    default: break;  // ping
  }
  complete(message, Era::legacy, stream, "{}");
}

void Endpoint::task_request(const Message& message, std::uint64_t stream) {
  const std::string_view id = subject_of(message);
  const auto refuse = [&](Failure failure) {
    fail(message.id_text(), stream, failure, Era::modern);
  };
  bool known = false;
  switch (message.method()) {
    case Method::tasks_get:
      if (const auto task = tasks_->get(id))
        return complete(message, Era::modern, stream, "{" + *task + "}");
      break;
    case Method::tasks_update: {
      const json::Value responses = message.params()["inputResponses"];
      if (!responses.is_object()) return refuse({-32602, "inputResponses is no object", {}});
      known = tasks_->update(id, responses, now_);
      break;
    }
    default: known = tasks_->cancel(id, now_);
  }
  if (!known) return refuse({-32602, "there is no such task", {}});
  complete(message, Era::modern, stream, "{}");
}

// The acknowledgement names what is honoured, and comes before everything else.
void Endpoint::listen(Message message, std::uint64_t stream) {
  const json::Value wanted = message.params()["notifications"];
  if (!wanted.is_object())
    return fail(message.id_text(), stream, {-32602, "notifications is no object", {}}, Era::modern);
  std::string honoured;
  json::Writer writer(honoured);
  writer.begin_object();
  for (const std::string_view kind :
       {"toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions"})
    if (wanted[kind].exists()) writer.member(kind, wanted[kind]);
  if (tasks_ != nullptr && wanted["taskIds"].is_array() &&
      names_tasks(reserved_meta(message.meta(), "clientCapabilities")))
    writer.member("taskIds", wanted["taskIds"]);
  writer.end_object();
  const std::string id = message.id_text();
  send(stream,
       notification("notifications/subscriptions/acknowledged",
                    std::format(R"({{"notifications":{},"_meta":{{"{}subscriptionId":{}}}}})",
                                honoured, meta_prefix, id)),
       false);
  listens_.push_back({stream, id, std::move(message)});
}

void Endpoint::changed(Method change, std::string_view uri) {
  std::string params;
  if (change == Method::notifications_resources_updated) {
    params = R"("uri":)";
    json::write_string(uri, params);
  }
  if (change == Method::notifications_tasks) {
    const auto task = tasks_ != nullptr ? tasks_->get(uri) : std::nullopt;
    if (!task) return;
    params = *task;
  }
  for (const Listen& listen : listens_) {
    const json::Value wanted = listen.message.params()["notifications"];
    bool wants = false;
    switch (change) {
      case Method::notifications_tools_list_changed:
        wants = wanted["toolsListChanged"].boolean() == true;
        break;
      case Method::notifications_prompts_list_changed:
        wants = wanted["promptsListChanged"].boolean() == true;
        break;
      case Method::notifications_resources_list_changed:
        wants = wanted["resourcesListChanged"].boolean() == true;
        break;
      case Method::notifications_tasks:
        if (names_tasks(reserved_meta(listen.message.meta(), "clientCapabilities")))
          for (const json::Value id : wanted["taskIds"].elements())
            wants = wants || id.string() == uri;
        break;
      default:
        for (const json::Value watched : wanted["resourceSubscriptions"].elements())
          wants = wants || watched.string() == uri;
    }
    if (!wants) continue;
    const std::string meta = std::format(R"({}"_meta":{{"{}subscriptionId":{}}})",
                                         params.empty() ? "" : ",", meta_prefix, listen.id);
    send(listen.stream, notification(name_of(change), std::format("{{{}{}}}", params, meta)),
         false);
  }
  if (!hello_ || change == Method::notifications_tasks) return;
  if (change == Method::notifications_resources_updated && !watched_.contains(uri)) return;
  send(0, notification(name_of(change), params.empty() ? "" : std::format("{{{}}}", params)),
       false);
}

std::string Endpoint::list(std::string_view member, const std::vector<Server::Item>& items) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key(member).begin_array();
  for (const Server::Item& item : items) writer.raw(item.descriptor);
  writer.end_array().end_object();
  return out;
}

void Endpoint::act(const std::shared_ptr<Call>& call, Outcome outcome) {
  if (auto* const wait = std::get_if<Wait>(&outcome)) {
    waiting_.push_back({call, now_ + wait->time, std::move(wait->then)});
    return;
  }
  if (const auto* const question = std::get_if<Ask>(&outcome)) {
    ask(call, *question);
    return;
  }
  const std::shared_ptr<Call> kept = call;
  if (auto* const begin = std::get_if<Begin>(&outcome)) {
    const bool knows = tasks_ != nullptr && call->era_ == Era::modern &&
                       names_tasks(reserved_meta(call->message_.meta(), "clientCapabilities"));
    if (!knows && !begin->required) return act(kept, begin->run(*kept));
    if (!knows) {
      outcome = Failure{missing_capability_code, "this call needs the tasks extension",
                        std::string(tasks_required)};
    } else if (const auto task = tasks_->begin(kept, std::move(*begin), now_)) {
      std::erase(calls_, kept);
      return complete(kept->message_, kept->era_, kept->stream_, "{" + *task + "}", "task");
    } else {
      outcome = Failure{unavailable_code, "too many tasks are kept", {}};
    }
  }
  std::erase(calls_, kept);
  if (const auto* const done = std::get_if<Complete>(&outcome))
    complete(kept->message_, kept->era_, kept->stream_, done->result);
  else
    fail(kept->message_.id_text(), kept->stream_, std::get<Failure>(outcome), kept->era_);
}

void Endpoint::ask(const std::shared_ptr<Call>& call, const Ask& ask) {
  base::check(may_ask(call->message_.method()), "this method cannot ask the client");
  if (call->era_ == Era::modern) {
    std::string result;
    json::Writer writer(result);
    writer.begin_object().member("resultType", "input_required");
    if (!ask.inputs.empty()) write_inputs(ask.inputs, writer.key("inputRequests"));
    if (!ask.state.empty()) {
      const std::string state = call->about_ + ask.state;
      writer.member("requestState", server_.options().seal ? server_.options().seal(state) : state);
    }
    writer.end_object();
    const std::shared_ptr<Call> kept = call;
    std::erase(calls_, kept);
    send(kept->stream_, result_response(kept->message_.id_text(), result), true);
    return;
  }
  if (++call->rounds_ > most_rounds)
    return act(call, Failure{-32603, "the client was asked too often", {}});
  call->state_ = ask.state;
  call->answered_ = true;
  call->open_ = ask.inputs.size();
  if (ask.inputs.empty()) {  // only asks to come again
    waiting_.push_back({call, now_, [](Call& again) { return (*again.handler_)(again); }});
    return;
  }
  for (const Input& input : ask.inputs) {
    std::string text;
    // The key names the question in this era, too, as far as it is free.
    std::string id;
    json::write_string(input.key, id);
    if (questions_.contains(id)) {
      id.clear();
      json::write_string(std::format("{}-{}", input.key, ++more_questions_), id);
    }
    json::Writer writer(text);
    writer.begin_object()
        .member("jsonrpc", "2.0")
        .key("id")
        .raw(id)
        .member("method", input.method)
        .key("params")
        .raw(input.params)
        .end_object();
    questions_.emplace(id, Question{call, input.key});
    send(call->stream_, std::move(text), false);
  }
}

void Endpoint::answered(const Message& response) {
  const auto found = questions_.find(response.id_text());
  if (found == questions_.end()) return;
  const Question question = std::move(found->second);
  questions_.erase(found);
  if (std::ranges::find(calls_, question.call) == calls_.end()) return;
  if (response.error().exists()) {
    std::erase_if(questions_,
                  [&](const auto& entry) { return entry.second.call == question.call; });
    return act(question.call, Failure{-32603, "the client did not answer a question", {}});
  }
  if (auto answer = json::Document::parse(json::to_string(response.result())))
    question.call->answers_.insert_or_assign(question.key, *std::move(answer));
  if (--question.call->open_ == 0) act(question.call, (*question.call->handler_)(*question.call));
}

void Endpoint::cancel(std::string_view id) {
  for (const std::shared_ptr<Call>& call : calls_)
    if (call->message_.id_text() == id) {
      const std::shared_ptr<Call> kept = call;
      forget(kept);
      send(kept->stream_, {}, true);
      return;
    }
  for (const Listen& listen : listens_)
    if (listen.id == id) {
      const std::uint64_t stream = listen.stream;
      std::erase_if(listens_, [stream](const Listen& each) { return each.stream == stream; });
      send(stream, {}, true);
      return;
    }
}

void Endpoint::leave(std::uint64_t stream) {
  std::erase_if(listens_, [stream](const Listen& listen) { return listen.stream == stream; });
  const std::vector<std::shared_ptr<Call>> calls = calls_;
  for (const std::shared_ptr<Call>& call : calls)
    if (call->stream_ == stream && call->era_ == Era::modern) forget(call);
}

void Endpoint::forget(const std::shared_ptr<Call>& call) {
  const std::shared_ptr<Call> kept = call;
  std::erase(calls_, kept);
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.call == kept; });
  std::erase_if(questions_, [&](const auto& entry) { return entry.second.call == kept; });
}

std::optional<base::Instant> Endpoint::due() const {
  const auto first = std::ranges::min_element(waiting_, {}, &Waiting::due);
  if (first == waiting_.end()) return std::nullopt;
  return first->due;
}

void Endpoint::advance(base::Instant now) {
  now_ = now;
  for (;;) {
    const auto first = std::ranges::min_element(waiting_, {}, &Waiting::due);
    if (first == waiting_.end() || first->due > now) return;
    Waiting waiting = std::move(*first);
    waiting_.erase(first);
    act(waiting.call, waiting.then(*waiting.call));
  }
}

void Endpoint::notify(const Call& call, std::string_view method, std::string_view params) {
  send(call.stream_, notification(method, params), false);
}

void Endpoint::end_early(const Call& call) { send(call.stream_, {}, false); }

void Endpoint::complete(const Message& message, Era era, std::uint64_t stream,
                        std::string_view result, std::string_view type) {
  std::string text(result);
  if (era == Era::modern) {
    std::string members = std::format(R"("resultType":"{}")", type);
    if (has_cache_hints(message.method())) members += R"(,"ttlMs":0,"cacheScope":"private")";
    members += std::format(R"(,"_meta":{{"{}serverInfo":{{"name":)", meta_prefix);
    json::write_string(server_.options().name, members);
    members += R"(,"version":)";
    json::write_string(server_.options().version, members);
    members += "}}";
    text = with_members(members, text);
  }
  send(stream, result_response(message.id_text(), text), true);
}

void Endpoint::fail(std::string_view id, std::uint64_t stream, const Failure& failure, Era era) {
  const bool modern = era == Era::modern;
  const int code = modern && failure.code == not_found_code ? -32602 : failure.code;
  send(stream, error_response(id, code, failure.sentence, failure.data), true,
       http_status_of(era, code));
}

void Endpoint::send(std::uint64_t stream, std::string text, bool last, int status) {
  send_({stream, std::move(text), last, status});
}

}  // namespace latticegate::mcp
