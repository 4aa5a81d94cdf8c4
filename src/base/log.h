// The program's own log: one line per event on a file descriptor, human text or JSON. Not the audit
// record.
//
// Values are escaped, so that nothing from outside can forge a line or drive a terminal. Callers
// never pass secrets, arguments or results of calls. Safe from any thread; a line is written by one
// system call.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latticegate::base {

enum class Level : std::uint8_t { debug, info, warning, error };

struct Field {
  std::string_view key;
  std::string value;
};

class Log {
 public:
  enum class Format : std::uint8_t { text, json };
  // Writes to the descriptor, which stays the caller's.
  Log(const Clock& clock, int descriptor, Level lowest, Format format)
      : clock_(clock), descriptor_(descriptor), lowest_(lowest), format_(format) {}

  void write(Level level, std::string_view sentence,
             std::initializer_list<Field> fields = {}) const;
  void debug(std::string_view sentence, std::initializer_list<Field> fields = {}) const {
    write(Level::debug, sentence, fields);
  }
  void info(std::string_view sentence, std::initializer_list<Field> fields = {}) const {
    write(Level::info, sentence, fields);
  }
  void warning(std::string_view sentence, std::initializer_list<Field> fields = {}) const {
    write(Level::warning, sentence, fields);
  }
  void error(std::string_view sentence, std::initializer_list<Field> fields = {}) const {
    write(Level::error, sentence, fields);
  }

 private:
  const Clock& clock_;
  int descriptor_;
  Level lowest_;
  Format format_;
};

// The text with control characters (C0, DEL, C1, bidi and other invisible marks) and bytes that are
// no UTF-8 as visible escapes: safe on a terminal, inside one line and in JSON.
std::string printable(std::string_view text);

}  // namespace latticegate::base
