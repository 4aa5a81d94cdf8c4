#include "audit/note.h"

#include <algorithm>
#include <array>
#include <format>

#include "crypto/hash.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view em_dash = "\xE2\x80\x94";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// Unicode's White_Space beyond ASCII's controls, in UTF-8.
constexpr std::array<std::string_view, 20> spaces{" ",
                                                  "\xC2\x85",
                                                  "\xC2\xA0",
                                                  "\xE1\x9A\x80",
                                                  "\xE2\x80\x80",
                                                  "\xE2\x80\x81",
                                                  "\xE2\x80\x82",
                                                  "\xE2\x80\x83",
                                                  "\xE2\x80\x84",
                                                  "\xE2\x80\x85",
                                                  "\xE2\x80\x86",
                                                  "\xE2\x80\x87",
                                                  "\xE2\x80\x88",
                                                  "\xE2\x80\x89",
                                                  "\xE2\x80\x8A",
                                                  "\xE2\x80\xA8",
                                                  "\xE2\x80\xA9",
                                                  "\xE2\x80\xAF",
                                                  "\xE2\x81\x9F",
                                                  "\xE3\x80\x80"};

std::string four_bytes(std::uint32_t number) {
  std::string out;
  for (unsigned shift = 32; shift > 0; shift -= 8)
    out += static_cast<char>((number >> (shift - 8)) & 0xFFU);
  return out;
}

std::uint32_t number_of(std::string_view four) {
  std::uint32_t number = 0;
  for (const char c : four) number = (number << 8U) | static_cast<unsigned char>(c);
  return number;
}

// One line, without its newline.
Result<NoteSignature> read_signature(std::string_view line) {
  const auto wrong = [](std::string_view why) {
    return fail(Code::malformed, std::format("a note's signature line {}", why));
  };
  if (!line.starts_with(em_dash) || !line.substr(em_dash.size()).starts_with(' '))
    return wrong("does not begin with a dash and a space");
  line.remove_prefix(em_dash.size() + 1);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return wrong("has no signature");
  if (!is_key_name(line.substr(0, space))) return wrong("has no proper key name");
  const auto bytes = base::from_base64(line.substr(space + 1));
  if (!bytes) return wrong("has a signature that is not base64");
  if (bytes->size() <= 4) return wrong("has a signature that is too short");
  return NoteSignature{.name = std::string(line.substr(0, space)),
                       .key_id = number_of(std::string_view(*bytes).substr(0, 4)),
                       .bytes = bytes->substr(4)};
}

}  // namespace

bool is_key_name(std::string_view text) {
  return !text.empty() && text.size() <= key_name_limit && base::is_utf8(text) &&
         !text.contains('+') && std::ranges::none_of(text, is_control) &&
         std::ranges::none_of(spaces, [&](std::string_view space) { return text.contains(space); });
}

std::uint32_t key_id(std::string_view name, NoteKeyType type, std::string_view public_key) {
  crypto::Sha256 hash;
  const std::array between{std::byte{'\n'}, static_cast<std::byte>(type)};
  const crypto::Digest digest = hash.update(name).update(between).update(public_key).finish();
  return number_of(base::text_of(digest).substr(0, 4));
}

Result<Note> read_note(std::string_view bytes) {
  if (bytes.size() > note_limit.count)
    return fail(Code::too_large, "a note is longer than its limit");
  if (!base::is_utf8(bytes)) return fail(Code::malformed, "a note is not UTF-8");
  if (std::ranges::any_of(bytes, [](char c) { return c != '\n' && is_control(c); }))
    return fail(Code::malformed, "a note has a control character");
  // The last empty line: the text itself may hold others.
  const std::size_t split = bytes.rfind("\n\n");
  if (split == std::string_view::npos) return fail(Code::malformed, "a note has no signatures");
  Note note{.text = std::string(bytes.substr(0, split + 1)), .signatures = {}};
  std::string_view rest = bytes.substr(split + 2);
  if (rest.empty()) return fail(Code::malformed, "a note has no signatures");
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos)
      return fail(Code::malformed, "a note's last line is cut off");
    if (note.signatures.size() == note_signatures_limit)
      return fail(Code::too_large, "a note has more signatures than its limit");
    auto signature = read_signature(rest.substr(0, end));
    if (!signature) return std::unexpected(std::move(signature.error()));
    note.signatures.push_back(std::move(*signature));
    rest.remove_prefix(end + 1);
  }
  return note;
}

std::string write_signature(const NoteSignature& signature) {
  return std::format(
      "{} {} {}\n", em_dash, signature.name,
      base::to_base64(base::bytes_of(four_bytes(signature.key_id) + signature.bytes)));
}

std::string write_note(std::string_view text, std::span<const NoteSignature> signatures) {
  base::check(text.ends_with('\n'), "a note's text ends in a newline");
  std::string out(text);
  out += '\n';
  for (const NoteSignature& signature : signatures) out += write_signature(signature);
  return out;
}

}  // namespace latticegate::audit
