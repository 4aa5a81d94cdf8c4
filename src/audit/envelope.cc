#include "audit/envelope.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <format>
#include <span>

#include "audit/segment.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t salt_size = 32;
constexpr char version = 1;
constexpr int level = 1;  // bodies are JSON: the next levels cost more than they save

std::string context_of(std::string_view key_id) {
  return std::format("latticegate-body-1\n{}", key_id);
}

}  // namespace

void EnvelopeWriter::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
EnvelopeWriter::EnvelopeWriter() : context_(ZSTD_createCCtx()) {
  base::check(context_ != nullptr, "zstd makes a context");
}
EnvelopeWriter::~EnvelopeWriter() { crypto::wipe(plain_); }

BodyReference EnvelopeWriter::write(std::string_view body, std::string_view key,
                                    std::string_view key_id, crypto::Random& random,
                                    std::string& out) {
  base::check(body.size() <= body_limit.count && key_id.size() == body_key_id_size,
              "a body and its key keep within their limits");
  std::array<std::byte, salt_size> salt{};
  random.fill(salt);
  plain_.assign(base::text_of(salt));
  plain_.resize(salt_size + ZSTD_compressBound(body.size()));
  const std::size_t compressed =
      ZSTD_compressCCtx(context_.get(), plain_.data() + salt_size, plain_.size() - salt_size,
                        body.data(), body.size(), level);
  base::check(ZSTD_isError(compressed) == 0, "zstd compresses into the space that it asked for");
  plain_.resize(salt_size + compressed);
  const std::size_t begin = out.size();
  out += version;
  out += crypto::seal(key, plain_, context_of(key_id), random);
  return {.commit = commitment(salt, body),
          .ct_sha256 = crypto::sha256(std::string_view(out).substr(begin)),
          .key = key_id};
}

Result<std::string> open_envelope(std::string_view envelope, const BodyReference& wanted,
                                  std::string_view key) {
  if (crypto::sha256(envelope) != wanted.ct_sha256)
    return fail(Code::crypto, "it is not the envelope that was recorded");
  if (envelope.empty() || envelope.front() != version)
    return fail(Code::unsupported, "an envelope of another version");
  const auto plain = crypto::open(key, envelope.substr(1), context_of(wanted.key));
  if (!plain) return fail(Code::crypto, "it does not open: another key, or changed bytes");
  if (plain->size() < salt_size) return fail(Code::malformed, "the envelope holds no body");
  const std::string_view frame = std::string_view(*plain).substr(salt_size);
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > body_limit.count)
    return fail(Code::malformed, "the envelope holds no body of a known length");
  std::string body(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress(body.data(), body.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) != 0 || got != body.size())
    return fail(Code::malformed, "the body cannot be unpacked");
  if (commitment(base::bytes_of(std::string_view(*plain).substr(0, salt_size)), body) !=
      wanted.commit)
    return fail(Code::crypto, "it is not the body that was recorded");
  return body;
}

}  // namespace latticegate::audit
