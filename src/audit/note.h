// The C2SP signed note: a text and the signatures under it, as one text file.
//
//   <text, ending in a newline>
//   <empty line>
//   <em dash> <key name> <base64 of key id and signature>
//
// This is the form only; what a signature says and whether it is good is checkpoint.h's.
//
// Posture: notes come from files, peers and witnesses and are hostile. Refused: more than
// note_limit bytes or note_signatures_limit signature lines, text that is not UTF-8, ASCII control
// characters, names that are empty, too long or hold white space or a plus sign, base64 that is not
// canonical. What is accepted is written again byte for byte. Fuzz target: fuzz/note_fuzz.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::audit {

inline constexpr base::Bytes note_limit{128 * 1024};
inline constexpr std::size_t note_signatures_limit = 32;  // an ML-DSA-44 line has 3.3 KB
inline constexpr std::size_t key_name_limit = 255;        // bytes: cosigned messages count in one

// First byte of a public key's bytes in notes.
enum class NoteKeyType : std::uint8_t {
  ed25519 = 0x01,                // over the text itself: the log's own
  ed25519_cosignature = 0x04,    // over time and text: a witness's
  ml_dsa_44_cosignature = 0x06,  // over time, names, size and root
};

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  std::string bytes;  // after the key id; never empty
  bool operator==(const NoteSignature&) const = default;
};

struct Note {
  std::string text;  // with its last newline
  std::vector<NoteSignature> signatures;
};

// Not empty, within its limit, UTF-8 without controls, white space (Unicode's too) and '+'.
bool is_key_name(std::string_view text);

// The first four bytes of SHA-256(name || newline || type || public key).
std::uint32_t key_id(std::string_view name, NoteKeyType type, std::string_view public_key);

[[nodiscard]] base::Result<Note> read_note(std::string_view bytes);
// One signature's line, for whoever appends to a note.
std::string write_signature(const NoteSignature& signature);
// The text must end in a newline; it and the names must be such as read_note takes.
std::string write_note(std::string_view text, std::span<const NoteSignature> signatures);

}  // namespace latticegate::audit
