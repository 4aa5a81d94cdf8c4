#include "base/log.h"

#include <unistd.h>

#include <format>

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

// Length of the invisible or directional character that starts here, 0 if it is an ordinary one.
std::size_t invisible(std::string_view rest) {
  const auto at = [rest](std::size_t i) {
    return i < rest.size() ? static_cast<unsigned char>(rest[i]) : 0U;
  };
  if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) <= 0x9F) return 2;  // C1
  if (at(0) == 0xE2 && at(1) == 0x80 && (at(2) <= 0x8F || at(2) >= 0xA8) && at(2) >= 0x8B &&
      at(2) <= 0xAF)
    return 3;  // zero width, bidi
  if (at(0) == 0xE2 && at(1) == 0x81 && at(2) >= 0xA0 && at(2) <= 0xAF)
    return 3;                                                     // joiners, isolates
  if (at(0) == 0xEF && at(1) == 0xBB && at(2) == 0xBF) return 3;  // byte order mark
  if (at(0) == 0xF3 && at(1) == 0xA0 && at(2) >= 0x80 && at(2) <= 0x81) return 4;  // tag characters
  return 0;
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
    } else if (const std::size_t length = c < 0x80 ? 0 : invisible(text.substr(i)); length > 0) {
      for (std::size_t j = 0; j < length; ++j)
        out += std::format("\\x{:02x}", static_cast<unsigned char>(text[i + j]));
      i += length - 1;
    } else {
      out += text[i];
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
