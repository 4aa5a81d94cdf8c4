// Writing JSON: trees that were parsed, with some nodes replaced, and new objects piece by piece.
//
// All writers append to a string of the caller's and keep the order of members, so that unknown
// fields survive verbatim; numbers keep their digits and strings their escapes (canonical() alone
// writes both in one form). What they write is one line, always: a whole document that came as one
// line keeps its blanks, everything else is written without white space.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

namespace latticegate::json {

// Appends the value.
void write(Value value, std::string& out);
std::string to_string(Value value);

// Replaces the value at one place of a tree by ready JSON text while writing; an empty `text` drops
// the element or member altogether. `at` may not be the root when text is empty.
struct Edit {
  Value at;
  std::string text;
};
// Puts edits of one tree into document order.
void in_document_order(std::vector<Edit>& edits);
// Appends the value with the edits applied. Edits are in document order (ascending node) and do not
// nest.
void write(Value value, std::span<const Edit> edits, std::string& out);

// RFC 8785 (JCS): members sorted by UTF-16 code units, numbers in ECMAScript's shortest form. A
// number that no double holds exactly (above 2^53) keeps its digits: a hash over it stays distinct,
// which is what pins need.
std::string canonical(Value value);

// The order of members in RFC 8785: by UTF-16 code units. Both are UTF-8.
bool canonical_less(std::string_view a, std::string_view b);

// Appends the text as a JSON string with quotes, in canonical form.
void write_string(std::string_view text, std::string& out);

// Builds JSON text piece by piece; commas are put where they belong. Misuse (a value without a key
// inside an object) is not checked: tests of the callers parse what comes out.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& begin_object() {
    lead();
    out_ += '{';
    fresh_ = true;
    return *this;
  }
  Writer& end_object() {
    out_ += '}';
    fresh_ = false;
    return *this;
  }
  Writer& begin_array() {
    lead();
    out_ += '[';
    fresh_ = true;
    return *this;
  }
  Writer& end_array() {
    out_ += ']';
    fresh_ = false;
    return *this;
  }
  Writer& key(std::string_view name) {
    lead();
    write_string(name, out_);
    out_ += ':';
    fresh_ = true;
    return *this;
  }
  Writer& string(std::string_view text) {
    lead();
    write_string(text, out_);
    return *this;
  }
  Writer& integer(std::int64_t number) {
    lead();
    out_ += std::to_string(number);
    return *this;
  }
  Writer& boolean(bool truth) {
    lead();
    out_ += truth ? "true" : "false";
    return *this;
  }
  Writer& null() {
    lead();
    out_ += "null";
    return *this;
  }
  // Ready JSON text, or a parsed value.
  Writer& raw(std::string_view json) {
    lead();
    out_ += json;
    return *this;
  }
  Writer& value(Value tree) {
    lead();
    write(tree, out_);
    return *this;
  }
  // key + value in one.
  Writer& member(std::string_view name, std::string_view text) { return key(name).string(text); }
  Writer& member(std::string_view name, const char* text) { return key(name).string(text); }
  Writer& member(std::string_view name, const std::string& text) { return key(name).string(text); }
  Writer& member(std::string_view name, std::int64_t number) { return key(name).integer(number); }
  Writer& member(std::string_view name, bool truth) { return key(name).boolean(truth); }
  Writer& member(std::string_view name, Value tree) { return key(name).value(tree); }

 private:
  void lead() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }
  std::string& out_;
  bool fresh_ = true;
};

}  // namespace latticegate::json
