#include "gateway/approvals.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using State = ApprovalRequest::State;

constexpr std::size_t most_open = 1'024;
constexpr std::size_t most_open_of_one = 16;
constexpr std::size_t most_arguments = std::size_t{4} * 1024;

base::Time read_time(json::Value saved) {
  return base::Time(std::chrono::nanoseconds(saved.integer().value_or(0)));
}

}  // namespace

std::string_view name(State state) {
  switch (state) {
    case State::open: return "open";
    case State::approved: return "approved";
    case State::refused: return "refused";
    case State::used: return "used";
  }
  std::unreachable();
}

std::string ApprovalRequest::text() const {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("id", id)
      .member("state", name(state))
      .member("digest", digest)
      .member("conversation", conversation)
      .member("agent", agent)
      .member("user", user)
      .member("server", server)
      .member("subject", subject)
      .member("arguments", arguments)
      .member("why", why)
      .member("level", level)
      .member("at", std::int64_t{at.time_since_epoch().count()})
      .member("until", std::int64_t{until.time_since_epoch().count()})
      .member("by", by)
      .member("reason", reason)
      .member("answered", std::int64_t{answered.time_since_epoch().count()})
      .member("call", call)
      .end_object();
  return out;
}

std::optional<ApprovalRequest> ApprovalRequest::read(json::Value saved) {
  ApprovalRequest request;
  for (const auto& [key, text] :
       {std::pair("id", &request.id), std::pair("digest", &request.digest),
        std::pair("conversation", &request.conversation), std::pair("agent", &request.agent),
        std::pair("user", &request.user), std::pair("server", &request.server),
        std::pair("subject", &request.subject), std::pair("arguments", &request.arguments),
        std::pair("why", &request.why), std::pair("by", &request.by),
        std::pair("reason", &request.reason), std::pair("call", &request.call)})
    *text = saved[key].text_or({});
  const std::string_view state = saved["state"].text_or({});
  constexpr std::array states{State::open, State::approved, State::refused, State::used};
  const auto known = std::ranges::find(states, state, gateway::name);
  if (known == states.end() || request.id.empty() || request.digest.empty()) return std::nullopt;
  request.state = *known;
  request.level = saved["level"].integer().value_or(0);
  request.at = read_time(saved["at"]);
  request.until = read_time(saved["until"]);
  request.answered = read_time(saved["answered"]);
  return request;
}

std::string approval_digest(std::string_view conversation, std::string_view server,
                            std::string_view subject, std::string_view pin, json::Value arguments) {
  crypto::Sha256 hash;
  const std::string canonical = arguments.exists() ? json::canonical(arguments) : std::string("{}");
  for (const std::string_view part :
       {conversation, server, subject, pin, std::string_view(canonical)})
    hash.update(std::format("{}:", part.size())).update(part);  // lengths keep them apart
  return crypto::to_hex(hash.finish());
}

void Approvals::restore(std::vector<ApprovalRequest> requests) {
  const std::scoped_lock lock(mutex_);
  for (ApprovalRequest& request : requests) {
    std::string digest = request.digest;
    by_digest_.insert_or_assign(std::move(digest), std::move(request));
  }
  any_ = !by_digest_.empty();
}

void Approvals::sweep(base::Time now) {
  std::erase_if(by_digest_, [&](const auto& entry) {
    if (entry.second.until > now) return false;
    remember_(entry.second.id, std::nullopt);
    return true;
  });
  any_ = !by_digest_.empty();
}

ApprovalRequest* Approvals::by_id(std::string_view id) {
  const auto at =
      std::ranges::find_if(by_digest_, [&](const auto& entry) { return entry.second.id == id; });
  return at == by_digest_.end() ? nullptr : &at->second;
}

std::optional<ApprovalRequest> Approvals::find(std::string_view digest, base::Time now) {
  const std::scoped_lock lock(mutex_);
  const auto at = by_digest_.find(digest);
  if (at == by_digest_.end() || at->second.until <= now || at->second.state == State::used)
    return std::nullopt;
  return at->second;
}

base::Result<ApprovalRequest> Approvals::open(ApprovalRequest request, base::Time now,
                                              crypto::Random& random) {
  const std::scoped_lock lock(mutex_);
  sweep(now);
  if (const auto known = by_digest_.find(request.digest);
      known != by_digest_.end() && known->second.state != State::used)
    return known->second;  // asked twice at the same moment
  std::size_t open = 0;
  std::size_t of_one = 0;
  for (const auto& [digest, other] : by_digest_) {
    if (other.state == State::used) continue;
    ++open;
    if (other.conversation == request.conversation) ++of_one;
  }
  if (open >= most_open || of_one >= most_open_of_one)
    return fail(Code::overloaded, "too many requests for an approval are open");
  std::array<std::byte, 6> bytes{};
  random.fill(bytes);
  request.id = "a-" + base::to_hex(bytes);
  request.state = State::open;
  request.at = now;
  if (request.arguments.size() > most_arguments) {
    request.arguments.resize(most_arguments);
    while (!request.arguments.empty() &&
           (static_cast<unsigned char>(request.arguments.back()) & 0x80) != 0)
      request.arguments.pop_back();  // no half character
    request.arguments += " ...";
  }
  if (const auto used = by_digest_.find(request.digest); used != by_digest_.end())
    remember_(used->second.id, std::nullopt);
  keep(request);
  any_ = true;
  std::string digest = request.digest;
  return by_digest_.insert_or_assign(std::move(digest), std::move(request)).first->second;
}

base::Result<ApprovalRequest> Approvals::answer(std::string_view id, bool yes, std::string by,
                                                std::string reason, std::chrono::nanoseconds valid,
                                                base::Time now) {
  const std::scoped_lock lock(mutex_);
  sweep(now);
  ApprovalRequest* const request = by_id(id);
  if (request == nullptr)
    return fail(Code::not_found, "no request of this id waits, or it has expired");
  if (request->state != State::open)
    return fail(Code::conflict, std::format("it is {} already", name(request->state)));
  request->state = yes ? State::approved : State::refused;
  request->by = std::move(by);
  request->reason = std::move(reason);
  request->answered = now;
  if (yes) request->until = now + valid;
  keep(*request);
  return *request;
}

bool Approvals::use(std::string_view id, std::string_view call, base::Time now) {
  const std::scoped_lock lock(mutex_);
  ApprovalRequest* const request = by_id(id);
  if (request == nullptr || request->state != State::approved || request->until <= now)
    return false;
  request->state = State::used;
  request->call = call;
  keep(*request);
  return true;
}

void Approvals::reopen(std::string_view id, std::int64_t level, base::Time until) {
  const std::scoped_lock lock(mutex_);
  ApprovalRequest* const request = by_id(id);
  if (request == nullptr || request->state != State::approved) return;
  request->state = State::open;
  request->reason = std::format("the policy does not accept {}", request->by);
  request->by.clear();
  request->level = level;
  request->until = until;
  keep(*request);
}

std::vector<ApprovalRequest> Approvals::all(base::Time now) {
  const std::scoped_lock lock(mutex_);
  sweep(now);
  std::vector<ApprovalRequest> list;
  list.reserve(by_digest_.size());
  for (const auto& [digest, request] : by_digest_) list.push_back(request);
  std::ranges::sort(list, {}, &ApprovalRequest::at);
  return list;
}

}  // namespace latticegate::gateway
