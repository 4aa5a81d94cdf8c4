#include "gateway/request_state.h"

#include <format>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;

std::string about(const StateBinding& binding) {
  return std::format("state 1\n{}:{}\n{}:{}\n{}", binding.principal.size(), binding.principal,
                     binding.server.size(), binding.server,
                     crypto::to_hex(crypto::sha256(binding.request)));
}

}  // namespace

std::string seal_state(const StateBinding& binding, const ParkedCall& call,
                       crypto::Random& random) {
  std::string text;
  json::Writer writer(text);
  writer.begin_array()
      .string(call.replica)
      .string(call.handle)
      .raw(std::to_string(base::to_unix_ms(call.until)))
      .end_array();
  return base::to_base64(base::bytes_of(crypto::seal(binding.key, text, about(binding), random)));
}

base::Result<ParkedCall> open_state(const StateBinding& binding, std::string_view text,
                                    base::Time now) {
  constexpr std::string_view sentence = "this requestState does not belong to this request";
  if (text.size() > longest_state) return fail(Code::invalid, std::string(sentence));
  const auto bytes = base::from_base64(text);
  const auto opened = bytes ? crypto::open(binding.key, *bytes, about(binding)) : std::nullopt;
  const auto document = json::Document::parse(opened.value_or("null"));
  if (!opened || !document) return fail(Code::invalid, std::string(sentence));
  const json::Value fields = document->root();
  ParkedCall call{
      .replica = std::string(fields.at(0).text_or({})),
      .handle = std::string(fields.at(1).text_or({})),
      .until = base::Time(std::chrono::milliseconds(fields.at(2).integer().value_or(0)))};
  if (call.until < now) return fail(Code::timeout, "the call has waited too long for this answer");
  return call;
}

}  // namespace latticegate::gateway
