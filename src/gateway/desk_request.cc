#include "gateway/desk_request.h"

#include <array>
#include <format>
#include <utility>

#include "identity/pseudonym.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;

Result<identity::Caller> person(std::string_view token,
                                const identity::Authenticator& authenticator) {
  const std::string header = std::format("Bearer {}", token);
  const std::array<std::string_view, 1> headers{header};
  return authenticator.authenticate({.authorization = headers});
}

std::string text_of(const std::vector<Revealed>& bodies) {
  std::string out;
  json::Writer w(out);
  w.begin_object().key("bodies").begin_array();
  for (const Revealed& one : bodies) {
    w.begin_object().member("seq", static_cast<std::int64_t>(one.seq)).member("kind", one.kind);
    w.member(one.error.empty() ? "body" : "error", one.error.empty() ? one.body : one.error);
    w.end_object();
  }
  w.end_array().end_object();
  return out;
}

std::string text_of(const Erased& erased, std::string_view basis) {
  std::string out;
  json::Writer w(out);
  w.begin_object()
      .member("certificate", "erasure")
      .member("subject", erased.subject)
      .member("basis", basis)
      .member("requested_by", erased.requested_by)
      .member("approved_by", erased.approved_by)
      .member("time", base::to_rfc3339(erased.at))
      .member("decided_in_record", static_cast<std::int64_t>(erased.decided))
      .member("done_in_record", static_cast<std::int64_t>(erased.done));
  w.key("keys_destroyed").begin_array();
  for (const std::string& key : erased.keys) w.string(key);
  w.end_array().end_object();
  return out;
}

}  // namespace

Result<DeskRequest> desk_request(std::string_view what, json::Value body,
                                 const identity::Authenticator& authenticator,
                                 const CleanWords& clean) {
  if (what == "retain")
    return [carry_out = body["carry_out"].boolean() == true](Desk& desk) -> Result<std::string> {
      const auto given = desk.retain(carry_out);
      if (!given) return std::unexpected(given.error());
      return std::format(R"({{"keys":{},"records":{},"carried_out":{}}})", given->keys,
                         given->records, carry_out);
    };
  if (what == "rotate")
    return [finish = body["finish"].boolean() == true](Desk& desk) -> Result<std::string> {
      const auto rotated = desk.rotate(finish);
      if (!rotated) return std::unexpected(rotated.error());
      std::string out;
      json::Writer(out)
          .begin_object()
          .member("record", static_cast<std::int64_t>(rotated->record))
          .member("keys", rotated->keys)
          .end_object();
      return out;
    };
  if (what != "reveal" && what != "erase") return fail(Code::not_found, "no such resource");
  auto who = person(body["token"].text_or(""), authenticator);
  if (!who) return std::unexpected(std::move(who).error());
  if (what == "reveal")
    return [who = *std::move(who), record = std::string(body["record"].text_or("")),
            reason = clean(body["reason"].text_or(""))](Desk& desk) -> Result<std::string> {
      const auto bodies = desk.reveal(who, record, reason);
      if (!bodies) return std::unexpected(bodies.error());
      return text_of(*bodies);
    };
  auto second = person(body["approval"].text_or(""), authenticator);
  if (!second) return base::within("the second person", std::move(second).error());
  return [who = *std::move(who), second = *std::move(second),
          subject = std::string(body["subject"].text_or("")),
          user = std::string(body["user"].text_or("")),
          tenant = std::string(body["tenant"].text_or("")),
          basis = clean(body["basis"].text_or(""))](Desk& desk) -> Result<std::string> {
    if (subject.empty() == user.empty())
      return fail(Code::invalid, "name the subject by its pseudonym or by the user's name");
    const auto erased =
        desk.erase(who, second, user.empty() ? subject : desk.pseudonym_of(tenant, user), basis);
    if (!erased) return std::unexpected(erased.error());
    return text_of(*erased, basis);
  };
}

int desk_status(const base::Error& error) {
  switch (error.code) {
    case Code::unauthenticated:
    case Code::malformed: return 401;
    case Code::forbidden: return 403;
    case Code::not_found: return 404;
    case Code::invalid: return 400;
    case Code::conflict: return 409;
    default: return 503;
  }
}

}  // namespace latticegate::gateway
