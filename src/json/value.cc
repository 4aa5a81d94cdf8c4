#include "json/value.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <format>
#include <system_error>
#include <vector>

namespace latticegate::json {
namespace {

namespace sj = simdjson;
using base::Code;

// JSON's number grammar (RFC 8259 section 6), because the raw token is kept and never converted
// here.
bool is_number(std::string_view text) {
  std::size_t i = 0;
  const auto digit = [&] { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  const auto digits = [&] {
    const std::size_t start = i;
    while (digit()) ++i;
    return i > start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  if (i < text.size() && text[i] == '0')
    ++i;
  else if (!digits())
    return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\t' ||
                            token.back() == '\r'))
    token.remove_suffix(1);
  return token;
}

Code code_of(sj::error_code error) {
  return error == sj::CAPACITY || error == sj::MEMALLOC ? Code::too_large : Code::malformed;
}

std::string_view words_of(sj::error_code error) {
  switch (error) {
    case sj::UTF8_ERROR: return "not valid UTF-8";
    case sj::STRING_ERROR: return "a string with a bad escape";
    case sj::UNESCAPED_CHARS: return "an unescaped control character";
    case sj::UNCLOSED_STRING: return "a string that does not end";
    case sj::DEPTH_ERROR: return "nested too deeply";
    case sj::EMPTY: return "no content";
    case sj::TRAILING_CONTENT: return "something after the end";
    case sj::CAPACITY: return "too large";
    default: return "not valid JSON";
  }
}

constexpr std::size_t pairwise_keys = 12;

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "boolean";
    case Kind::number: return "number";
    case Kind::string: return "string";
    case Kind::array: return "array";
    case Kind::object: return "object";
  }
  std::unreachable();
}

struct Document::Storage {
  sj::ondemand::parser parser;  // owns the unescaped strings
  std::vector<char> bytes;      // the text plus simdjson's padding
  std::vector<Node> nodes;
  std::vector<std::string_view> keys;  // scratch for the duplicate check of wide objects
  Limits limits;
  std::string failure;

  bool refuse(std::string words) {
    if (failure.empty()) failure = std::move(words);
    return false;
  }
  bool refuse(sj::error_code error) {
    code = code_of(error);
    return refuse(std::string(words_of(error)));
  }

  // `raw` is what stands between the quotes; `unescape` is asked only where something is escaped.
  bool add_string(std::string_view raw, bool key, auto&& unescape) {
    Node node;
    node.kind = Kind::string;
    if (raw.find('\\') == std::string_view::npos) {
      node.text = raw.data();
      node.length = static_cast<std::uint32_t>(raw.size());
      node.plain = true;
      return add(node);
    }
    std::string_view text;
    if (const auto error = unescape().get(text)) return refuse(error);
    node.text = text.data();
    node.length = static_cast<std::uint32_t>(text.size());
    node.raw = raw.data();
    node.count = static_cast<std::uint32_t>(raw.size());
    if (!(key ? limits.allow_nul_keys : limits.allow_nul) &&
        text.find('\0') != std::string_view::npos)
      return refuse(key ? "the character U+0000 in a key" : "the character U+0000 in a string");
    return add(node);
  }

  bool add(const Node& node) {
    if (nodes.size() >= limits.nodes) {
      code = Code::too_large;
      return refuse("more values than the limit allows");
    }
    nodes.push_back(node);
    return true;
  }

  bool unique_keys(std::size_t object) {
    const Node* const self = &nodes[object];
    const Value::Members members(self + 1, nodes.data() + nodes.size());
    if (self->count <= pairwise_keys) {
      std::string_view seen[pairwise_keys];
      std::size_t count = 0;
      for (const Member member : members) {
        for (std::size_t i = 0; i < count; ++i)
          if (seen[i] == member.key)
            return refuse(std::format("the key \"{}\" appears twice", member.key));
        seen[count++] = member.key;
      }
      return true;
    }
    keys.clear();
    for (const Member member : members) keys.push_back(member.key);
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    if (twice != keys.end()) return refuse(std::format("the key \"{}\" appears twice", *twice));
    return true;
  }

  bool add_object(sj::ondemand::object object, std::uint32_t depth) {
    const std::size_t self = nodes.size();
    Node node;
    node.kind = Kind::object;
    if (!add(node)) return false;
    std::uint32_t count = 0;
    for (auto&& item : object) {
      sj::ondemand::field field;
      if (const auto error = std::move(item).get(field)) return refuse(error);
      if (!add_string(field.escaped_key(), true, [&] { return field.unescaped_key(); }) ||
          !add_value(field.value(), depth))
        return false;
      ++count;
    }
    nodes[self].count = count;
    nodes[self].span = static_cast<std::uint32_t>(nodes.size() - self);
    return unique_keys(self);
  }

  bool add_array(sj::ondemand::array array, std::uint32_t depth) {
    const std::size_t self = nodes.size();
    Node node;
    node.kind = Kind::array;
    if (!add(node)) return false;
    std::uint32_t count = 0;
    for (auto&& item : array) {
      sj::ondemand::value value;
      if (const auto error = std::move(item).get(value)) return refuse(error);
      if (!add_value(value, depth)) return false;
      ++count;
    }
    nodes[self].count = count;
    nodes[self].span = static_cast<std::uint32_t>(nodes.size() - self);
    return true;
  }

  // Works for ondemand::document and ondemand::value alike.
  bool add_value(auto&& value, std::uint32_t depth) {
    sj::ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return refuse(error);
    Node node;
    switch (type) {
      case sj::ondemand::json_type::object: {
        if (depth >= limits.depth) return refuse("nested too deeply");
        sj::ondemand::object object;
        if (const auto error = value.get_object().get(object)) return refuse(error);
        return add_object(object, depth + 1);
      }
      case sj::ondemand::json_type::array: {
        if (depth >= limits.depth) return refuse("nested too deeply");
        sj::ondemand::array array;
        if (const auto error = value.get_array().get(array)) return refuse(error);
        return add_array(array, depth + 1);
      }
      case sj::ondemand::json_type::string: {
        const std::string_view raw = trimmed(raw_token(value));  // with its quotes
        if (raw.size() < 2 || raw.back() != '"') return refuse("a string that does not end");
        const std::string_view inner = raw.substr(1, raw.size() - 2);
        // A string has to be consumed: one that is passed over may be taken for a key.
        if (inner.find('\\') == std::string_view::npos)
          if (const auto error = value.get_raw_json_string().error()) return refuse(error);
        return add_string(inner, false, [&] { return value.get_string(); });
      }
      case sj::ondemand::json_type::boolean: {
        node.kind = Kind::boolean;
        if (const auto error = value.get_bool().get(node.truth)) return refuse(error);
        return add(node);
      }
      case sj::ondemand::json_type::null: {
        bool null = false;
        if (const auto error = value.is_null().get(null); error || !null)
          return refuse("not valid JSON");
        return add(node);
      }
      case sj::ondemand::json_type::number: {
        const std::string_view raw = trimmed(raw_token(value));
        if (!is_number(raw)) return refuse("a malformed number");
        node.kind = Kind::number;
        node.text = raw.data();
        node.length = static_cast<std::uint32_t>(raw.size());
        return add(node);  // not consumed: iteration skips it, and its digits are what we keep
      }
      default: return refuse("not valid JSON");
    }
  }

  static std::string_view raw_token(sj::ondemand::value& value) { return value.raw_json_token(); }

  bool read(std::string_view text) {
    nodes.clear();
    failure.clear();
    code = Code::malformed;
    if (text.size() > limits.size.count) {
      code = Code::too_large;
      return refuse(std::format("{} bytes; the limit is {}", text.size(), limits.size.count));
    }
    // A scalar at the root is read as the only element of an array: one code path for every value.
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    const bool scalar = start != std::string_view::npos && text[start] != '{' && text[start] != '[';
    const std::size_t length = text.size() + (scalar ? 2 : 0);
    if (bytes.size() < length + sj::SIMDJSON_PADDING) bytes.resize(length + sj::SIMDJSON_PADDING);
    char* const to = bytes.data();
    if (!text.empty()) std::memcpy(to + (scalar ? 1 : 0), text.data(), text.size());
    if (scalar) {
      to[0] = '[';
      to[length - 1] = ']';
    }
    std::memset(to + length, 0, sj::SIMDJSON_PADDING);
    sj::ondemand::document document;
    if (const auto error = parser.iterate(to, length, bytes.size()).get(document))
      return refuse(error);
    sj::ondemand::value root;
    if (const auto error = document.get_value().get(root)) return refuse(error);
    if (!add_value(root, 0)) return false;
    if (!document.at_end()) return refuse("something after the end");
    if (scalar && nodes.front().count != 1) return refuse("not valid JSON");
    root_node = scalar ? 1 : 0;
    // A root without line breaks can be written again as it stands (write.cc).
    const std::string_view whole = trimmed(std::string_view(to, length).substr(start));
    if (!scalar && whole.find('\n') == std::string_view::npos &&
        whole.find('\r') == std::string_view::npos) {
      nodes.front().text = whole.data();
      nodes.front().length = static_cast<std::uint32_t>(whole.size());
    }
    return true;
  }

  Code code = Code::malformed;
  std::size_t root_node = 0;
};

namespace {

// Storages are kept per thread: a call in steady state allocates nothing for its tree.
constexpr std::size_t pool_size = 32;
constexpr std::size_t largest_kept = std::size_t{128} * 1024;

}  // namespace

// Null once the thread's own is gone: a document that outlives it is simply freed.
template <class Storage>
struct StoragePool {
  std::vector<std::unique_ptr<Storage>> free;
  static StoragePool*& current() {
    thread_local StoragePool* pool = nullptr;
    return pool;
  }
  static StoragePool* mine() {
    thread_local const StoragePool keeper;
    return current();
  }
  StoragePool() { current() = this; }
  StoragePool(const StoragePool&) = delete;
  StoragePool& operator=(const StoragePool&) = delete;
  ~StoragePool() { current() = nullptr; }
};

base::Result<Document> Document::parse(std::string_view text, const Limits& limits) {
  auto* const pool = StoragePool<Storage>::mine();
  std::unique_ptr<Storage> storage;
  if (pool == nullptr || pool->free.empty()) {
    storage = std::make_unique<Storage>();
  } else {
    storage = std::move(pool->free.back());
    pool->free.pop_back();
  }
  storage->limits = limits;
  Document document(std::move(storage));
  if (!document.storage_->read(text))
    return base::fail(document.storage_->code, document.storage_->failure);
  return document;
}

Document::Document(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;

Document::~Document() {
  if (!storage_) return;
  auto* const pool = StoragePool<Storage>::current();
  if (pool != nullptr && pool->free.size() < pool_size && storage_->bytes.size() <= largest_kept)
    pool->free.push_back(std::move(storage_));
}

Value Document::root() const { return Value(&storage_->nodes[storage_->root_node]); }

std::optional<std::string_view> Value::string() const {
  if (!is_string()) return std::nullopt;
  return std::string_view(node_->text, node_->length);
}

std::optional<bool> Value::boolean() const {
  if (!is_boolean()) return std::nullopt;
  return node_->truth;
}

std::optional<std::int64_t> Value::integer() const {
  const std::string_view text = digits();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> Value::number() const {
  const std::string_view text = digits();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> Value::integral() const {
  if (const auto plain = integer()) return plain;
  const auto real = number();
  constexpr double exact = 9007199254740992.0;
  if (!real || std::trunc(*real) != *real || std::abs(*real) > exact) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

Value Value::operator[](std::string_view key) const {
  if (!is_object()) return {};
  for (const Member member : members())
    if (member.key == key) return member.value;
  return {};
}

Value Value::at(std::size_t index) const {
  for (const Value element : elements())
    if (index-- == 0) return element;
  return {};
}

}  // namespace latticegate::json
