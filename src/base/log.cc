#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <format>

#include "base/bytes.h"

namespace latticegate::base {
namespace {

std::string_view word(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return "error";
}

// Length of the character that a byte from 0x80 on begins, 0 where it begins none.
std::size_t character(std::string_view rest) {
  const auto lead = static_cast<unsigned char>(rest.front());
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  return length <= rest.size() && is_utf8(rest.substr(0, length)) ? length : 0;
}

// Invisible or directional.
bool is_invisible(std::string_view character) {
  const auto at = [character](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (at(0) == 0xC2) return at(1) <= 0x9F;  // C1
  if (at(0) == 0xE2 && at(1) == 0x80)       // zero width, bidi
    return at(2) >= 0x8B && at(2) <= 0xAF && (at(2) <= 0x8F || at(2) >= 0xA8);
  if (at(0) == 0xE2 && at(1) == 0x81) return at(2) >= 0xA0 && at(2) <= 0xAF;  // joiners, isolates
  if (at(0) == 0xEF && at(1) == 0xBB) return at(2) == 0xBF;                   // byte order mark
  return at(0) == 0xF3 && at(1) == 0xA0 && at(2) <= 0x81;                     // tag characters
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7F) {
      out += c == '\n'   ? "\\n"
             : c == '\t' ? "\\t"
             : c == '\r' ? "\\r"
                         : std::format("\\x{:02x}", c);
    } else if (c < 0x80) {
      out += text[i];
    } else {
      const std::size_t length = character(text.substr(i));
      const std::string_view shown = text.substr(i, std::max<std::size_t>(length, 1));
      if (length > 0 && !is_invisible(shown))
        out += shown;
      else
        for (const char byte : shown)
          out += std::format("\\x{:02x}", static_cast<unsigned char>(byte));
      i += shown.size() - 1;
    }
  }
  return out;
}

void Log::write(Level level, std::string_view sentence, std::initializer_list<Field> fields) const {
  if (level < lowest_) return;
  std::string line;
  if (format_ == Format::json) {
    line = std::format(R"({{"time":"{}","level":"{}","message":)", to_rfc3339(clock_.now()),
                       word(level));
    append_json(line, sentence);
    for (const Field& field : fields) {
      line += ',';
      append_json(line, field.key);
      line += ':';
      append_json(line, field.value);
    }
    line += "}\n";
  } else {
    line = std::format("{} {:7} {}", to_rfc3339(clock_.now()), word(level), printable(sentence));
    for (const Field& field : fields) {
      const bool quoted =
          field.value.find_first_of(" \"=") != std::string::npos || field.value.empty();
      line += std::format(" {}=", field.key);
      if (quoted)
        append_json(line, field.value);
      else
        line += printable(field.value);
    }
    line += '\n';
  }
  // A log that cannot be written must not stop the gateway; the audit record is the one that does.
  [[maybe_unused]] const auto written = ::write(descriptor_, line.data(), line.size());
}

}  // namespace latticegate::base
