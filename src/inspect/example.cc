#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <format>

#include "base/bytes.h"
#include "inspect/detail/example.h"
#include "inspect/detail/token.h"

namespace latticegate::inspect {
namespace {

struct Alphabet {
  std::string_view name;
  std::string_view characters;
};
constexpr std::string_view base62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr auto alphabets = std::to_array<Alphabet>({
    {"base62", base62},
    {"hex", "0123456789abcdef"},
    {"digits", "0123456789"},
    {"lower", "0123456789abcdefghijklmnopqrstuvwxyz"},
    {"upper", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {"alpha", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
    {"b32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
    {"b64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"},
    {"b64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
    {"bech", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"},
});

// A fixed sequence per seed; nothing here needs to be unpredictable.
class Sequence {
 public:
  explicit Sequence(std::string_view seed) {
    for (const char c : seed) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  std::string draw(std::string_view characters, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      out += characters[(state_ >> 33) % characters.size()];
    }
    return out;
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ULL;
};

std::string url_base64(std::string_view text) {
  std::string out = base::to_base64(base::bytes_of(text));
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  while (out.ends_with('=')) out.pop_back();
  return out;
}

// Nothing when the words between < and > are not of the notation.
std::optional<std::string> expand_one(std::string_view words, Sequence& sequence) {
  if (words == "jwt")
    return std::format("{}.{}.{}", url_base64(R"({"alg":"HS256","typ":"JWT"})"),
                       url_base64(R"({"sub":"1234","iat":1745568000})"),
                       sequence.draw(alphabets[8].characters, 43));
  const std::size_t colon = words.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = words.substr(0, colon), rest = words.substr(colon + 1);
  if (kind == "pem") {
    std::string out = std::format("-----BEGIN {}-----\n", rest);
    for (int line = 0; line < 3; ++line) out += sequence.draw(alphabets[7].characters, 64) + "\n";
    return out + std::format("-----END {}-----", rest);
  }
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (error != std::errc() || end != rest.data() + rest.size() || count > 4096) return std::nullopt;
  if (kind == "crc62") {
    const std::string body = sequence.draw(base62, count);
    return body + crc32_base62(body);
  }
  const auto alphabet = std::ranges::find(alphabets, kind, &Alphabet::name);
  if (alphabet == alphabets.end()) return std::nullopt;
  return sequence.draw(alphabet->characters, count);
}

}  // namespace

std::string expand_example(std::string_view notation, std::string_view seed) {
  Sequence sequence(seed);
  std::string out;
  for (std::size_t at = 0; at < notation.size(); ++at) {
    const std::size_t end = notation[at] == '<' ? notation.find('>', at) : std::string_view::npos;
    const auto text = end == std::string_view::npos
                          ? std::nullopt
                          : expand_one(notation.substr(at + 1, end - at - 1), sequence);
    if (text) {
      out += *text;
      at = end;
    } else {
      out += notation[at];
    }
  }
  return out;
}

}  // namespace latticegate::inspect
