// JSON as a security boundary: one strict parse into an immutable tree, and writers for what we
// send.
//
// Posture: input is hostile. Refused: duplicate keys (compared after unescaping) at any depth,
// depth and size above the limits, invalid UTF-8, lone surrogates, unescaped control characters,
// bytes after the document, and, unless the limits say otherwise, the character U+0000. Numbers
// keep their digits exactly as they came. Fuzz target: fuzz/json_fuzz.cc.
//
// Lifetimes
//   Document                owns the bytes and the tree; movable, immutable, readable from any
//   thread Value, string_view      views into the Document that they came from; valid as long as it
//   lives, also after a move
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
std::string_view name(Kind kind);

// What a parse accepts. Above a limit: Code::too_large for size and count, Code::malformed for
// depth.
struct Limits {
  base::Bytes size{std::uint64_t{4} * 1024 * 1024};
  std::uint32_t depth = 32;         // nested arrays and objects, the root counts as one
  std::uint32_t nodes = 1'000'000;  // values and keys together
  bool allow_nul = false;           // accept \u0000 inside strings
  bool allow_nul_keys = false;      // and inside keys: for data that no protocol peer sends
};

// One node of the tree; internal, public only because Value is inline.
struct Node {
  const char* text = nullptr;  // string: unescaped bytes; number: its digits; a root that came as
                               // one line: all of it
  const char* raw = nullptr;   // string with escapes: as it came, behind its opening quote
  std::uint32_t length = 0;    // of text
  std::uint32_t span = 1;      // nodes of this subtree, itself included
  std::uint32_t count = 0;     // elements or members; string with escapes: length of raw
  Kind kind = Kind::null;
  bool truth = false;  // boolean: its value
  bool plain = false;  // string: came without an escape
};

struct Member;

// A view of one value. A default-constructed Value is "absent": it is what a look-up of a missing
// key returns, has no kind, and every question to it answers "no". Copy it freely.
class Value {
 public:
  Value() = default;
  explicit Value(const Node* node) : node_(node) {}

  bool exists() const { return node_ != nullptr; }
  explicit operator bool() const { return exists(); }
  bool is(Kind kind) const { return node_ != nullptr && node_->kind == kind; }
  bool is_null() const { return is(Kind::null); }
  bool is_string() const { return is(Kind::string); }
  bool is_object() const { return is(Kind::object); }
  bool is_array() const { return is(Kind::array); }
  bool is_number() const { return is(Kind::number); }
  bool is_boolean() const { return is(Kind::boolean); }
  // Only for a value that exists.
  Kind kind() const { return node_->kind; }

  // The content, if it is of that kind and (for numbers) fits without loss.
  std::optional<std::string_view> string() const;
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer()
      const;                             // plain integer digits only: "5", not "5.0" or "5e0"
  std::optional<double> number() const;  // nearest double; nothing if it overflows
  // An integer in any spelling ("5", "5.0", "5e3") with magnitude at most 2^53, or any plain int64.
  std::optional<std::int64_t> integral() const;
  // A number's digits as they were written; empty for other kinds.
  std::string_view digits() const {
    return is(Kind::number) ? std::string_view(node_->text, node_->length) : std::string_view();
  }
  // A string's content, or the fallback when it is no string.
  std::string_view text_or(std::string_view fallback) const { return string().value_or(fallback); }

  // Number of elements or members; 0 for other kinds.
  std::size_t size() const { return is_array() || is_object() ? node_->count : 0; }
  // The member of that name, or an absent Value.
  Value operator[](std::string_view key) const;
  // The element at that position, or an absent Value; linear.
  Value at(std::size_t index) const;

  class Elements;
  class Members;
  Elements elements() const;  // empty unless an array
  Members members() const;    // empty unless an object; in the order they came

  const Node* node() const { return node_; }

 private:
  const Node* node_ = nullptr;
};

struct Member {
  std::string_view key;
  Value value;
};

class Value::Elements {
 public:
  class iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Value;
    iterator() = default;
    explicit iterator(const Node* node) : node_(node) {}
    Value operator*() const { return Value(node_); }
    iterator& operator++() {
      node_ += node_->span;
      return *this;
    }
    iterator operator++(int) {
      iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const iterator&) const = default;

   private:
    const Node* node_ = nullptr;
  };
  Elements(const Node* first, const Node* last) : first_(first), last_(last) {}
  iterator begin() const { return iterator(first_); }
  iterator end() const { return iterator(last_); }

 private:
  const Node* first_;
  const Node* last_;
};

class Value::Members {
 public:
  class iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Member;
    iterator() = default;
    explicit iterator(const Node* node) : node_(node) {}
    Member operator*() const { return {{node_->text, node_->length}, Value(node_ + 1)}; }
    iterator& operator++() {
      node_ += 1 + node_[1].span;
      return *this;
    }
    iterator operator++(int) {
      iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const iterator&) const = default;

   private:
    const Node* node_ = nullptr;
  };
  Members(const Node* first, const Node* last) : first_(first), last_(last) {}
  iterator begin() const { return iterator(first_); }
  iterator end() const { return iterator(last_); }

 private:
  const Node* first_;
  const Node* last_;
};

inline Value::Elements Value::elements() const {
  if (!is_array()) return {nullptr, nullptr};
  return {node_ + 1, node_ + node_->span};
}
inline Value::Members Value::members() const {
  if (!is_object()) return {nullptr, nullptr};
  return {node_ + 1, node_ + node_->span};
}

class Document {
 public:
  // Parses one JSON text. The bytes are copied; the argument may die afterwards.
  [[nodiscard]] static base::Result<Document> parse(std::string_view text,
                                                    const Limits& limits = {});
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
  ~Document();

  Value root() const;

 private:
  struct Storage;
  explicit Document(std::unique_ptr<Storage> storage);
  std::unique_ptr<Storage> storage_;
};

}  // namespace latticegate::json
