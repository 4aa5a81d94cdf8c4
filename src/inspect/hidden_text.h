// Text that people do not see and models do: tag characters, bidirectional controls, zero-width
// characters, variation selectors used as data; and terminal escapes, which hide text from people
// who read it on a terminal.
//
// Clean ASCII is recognised sixteen bytes at a time; only other text is looked at character by
// character. Pure functions over UTF-8 (as json::Value guarantees it); any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/finding.h"

namespace latticegate::inspect {

enum class HiddenKind : std::uint8_t {
  tag_characters,  // U+E0000..E007F; legitimate only in emoji flag sequences, which are not
                   // reported
  bidi_control,    // U+202A..202E, 2066..2069
  zero_width,      // U+200B, 2060..2064, FEFF not at the start, 180E, 00AD runs; joiners outside of
                   // words that use them
  variation_selectors,  // more than one in a row, or the supplement U+E0100..E01EF: bytes written
                        // as selectors
  control_character,    // C0 except tab, line feed, carriage return; DEL; C1
  escape_sequence,      // ESC or CSI sequences: colours, cursor moves, window titles, links
};
std::string_view rule_id(HiddenKind kind);

// One run of hidden characters.
struct HiddenRun {
  HiddenKind kind{};
  std::size_t begin = 0;  // bytes
  std::size_t end = 0;
  std::uint32_t count = 0;  // characters
  std::string
      decoded;  // tag characters and variation selectors: the text that they carry, else empty
};

// True when nothing of the above can be in the text: printable ASCII, tab, line feed, carriage
// return.
bool is_plain_ascii(std::string_view text);

// All runs in order, at most `most` of them.
std::vector<HiddenRun> find_hidden(std::string_view text, std::size_t most = 256);

// How serious a run is on a surface: tag characters are critical everywhere, a zero-width space in
// a result is low.
Severity severity_of(HiddenKind kind, Surface surface);

// The text without its hidden runs.
std::string strip_hidden(std::string_view text);

}  // namespace latticegate::inspect
