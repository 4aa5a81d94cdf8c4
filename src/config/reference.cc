#include "config/reference.h"

#include <algorithm>
#include <format>
#include <string_view>
#include <vector>

#include "config/detail/section.h"
#include "config/keys.h"
#include "json/write.h"

namespace latticegate::config {
namespace {

using detail::split_words;

// The rows directly below a path; "" gives the top.
std::vector<const Key*> below(std::string_view path) {
  std::vector<const Key*> out;
  for (const Key& key : keys()) {
    const std::size_t dot = key.path.rfind('.');
    const std::string_view parent = dot == std::string_view::npos ? "" : key.path.substr(0, dot);
    if (parent == path) out.push_back(&key);
  }
  return out;
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

// Where the keys of a row's map stand in the table.
std::string inside(const Key& key) {
  switch (key.type) {
    case Type::list: return std::format("{}[]", key.path);
    case Type::names: return std::format("{}.*", key.path);
    case Type::section:
    case Type::text:
    case Type::texts:
    case Type::path:
    case Type::address:
    case Type::number:
    case Type::real:
    case Type::flag:
    case Type::duration:
    case Type::size:
    case Type::word:
    case Type::words:
    case Type::secret:
    case Type::variables: break;
  }
  return std::string(key.path);
}

std::string in_code(std::string_view text) { return text.empty() ? "" : std::format("`{}`", text); }

// "`a`, `b`, `c`".
std::string words_of(const Key& key) {
  std::string out;
  for (const std::string_view word : split_words(key.words))
    out += std::format("{}`{}`", out.empty() ? "" : ", ", word);
  return out;
}

std::string shown_type(const Key& key) {
  if (key.type == Type::word) return words_of(key);
  if (key.type == Type::words) return "list of " + words_of(key);
  return std::string(name(key.type));
}

std::string bounds(const Key& key) {
  if (key.type != Type::number && key.type != Type::real && key.type != Type::size &&
      key.type != Type::duration)
    return "";
  if (key.most > 0)
    return std::format(" {} to {}.", shown_bound(key, key.least), shown_bound(key, key.most));
  return key.least > 0 ? std::format(" At least {}.", shown_bound(key, key.least)) : "";
}

// A bar would end the cell.
std::string in_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

void add_rows(std::string_view path, std::string& out) {
  for (const Key* key : below(path)) {
    const std::string fallback = key->needed ? "needed" : in_code(key->fallback);
    out += std::format("| `{}` | {} | {} | {}{} |\n", key->path, shown_type(*key), fallback,
                       in_cell(key->sentence), bounds(*key));
    add_rows(inside(*key), out);
  }
}

void write_object(json::Writer& out, std::string_view path);

void write_enum(json::Writer& out, const Key& key) {
  out.key("enum").begin_array();
  for (const std::string_view word : split_words(key.words)) out.string(word);
  out.end_array();
}

void write_type(json::Writer& out, const Key& key) {
  switch (key.type) {
    case Type::section: write_object(out, key.path); return;
    case Type::list:
      out.member("type", "array").key("items").begin_object();
      write_object(out, inside(key));
      out.end_object();
      return;
    case Type::names:
      out.member("type", "object").key("additionalProperties").begin_object();
      write_object(out, inside(key));
      out.end_object();
      return;
    case Type::text:
    case Type::path: out.member("type", "string").member("minLength", std::int64_t{1}); return;
    case Type::address:
      out.member("type", "string")
          .member("pattern", "^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+|localhost):[0-9]+$");
      return;
    case Type::texts:
      out.member("type", "array").key("items").begin_object().member("type", "string").end_object();
      return;
    case Type::number:
    case Type::real:
      out.member("type", key.type == Type::number ? "integer" : "number")
          .member("minimum", key.least);
      if (key.most > 0) out.member("maximum", key.most);
      return;
    case Type::flag: out.member("type", "boolean"); return;
    case Type::duration: out.member("pattern", "^(0|([0-9]+(us|ms|s|m|h|d|w))+)$"); return;
    case Type::size: out.member("pattern", "^[0-9]+(B|KiB|MiB|GiB|KB|MB|GB)?$"); return;
    case Type::word: write_enum(out, key); return;
    case Type::words:
      out.key("anyOf").begin_array().begin_object();
      write_enum(out, key);
      out.end_object().begin_object().member("type", "array").key("items").begin_object();
      write_enum(out, key);
      out.end_object().end_object().end_array();
      return;
    case Type::secret: out.member("$ref", "#/$defs/secret"); return;
    case Type::variables:
      out.member("type", "object").key("additionalProperties").begin_object();
      out.key("anyOf").begin_array();
      out.begin_object().member("type", "string").end_object();
      out.begin_object().member("$ref", "#/$defs/secret").end_object();
      out.end_array().end_object();
      return;
  }
}

// A default as JSON, where it is a plain value.
void write_default(json::Writer& out, const Key& key) {
  if (key.fallback.empty() || key.fallback.starts_with('<')) return;
  if (key.type == Type::number || key.type == Type::real || key.type == Type::flag)
    out.key("default").raw(key.fallback);
  else if (key.type == Type::word || key.type == Type::duration || key.type == Type::size ||
           key.type == Type::text || key.type == Type::path || key.type == Type::address)
    out.member("default", key.fallback);
}

void write_key(json::Writer& out, const Key& key) {
  out.begin_object();
  if (!key.sentence.empty()) out.member("description", key.sentence);
  if (key.type == Type::section && !key.words.empty()) {
    out.key("anyOf")
        .begin_array()
        .begin_object()
        .member("const", key.words)
        .end_object()
        .begin_object();
    write_type(out, key);
    out.end_object().end_array();
  } else {
    write_type(out, key);
  }
  write_default(out, key);
  out.end_object();
}

void write_object(json::Writer& out, std::string_view path) {
  const std::vector<const Key*> rows = below(path);
  out.member("type", "object")
      .member("additionalProperties", false)
      .key("properties")
      .begin_object();
  for (const Key* key : rows) {
    out.key(last_part(key->path));
    write_key(out, *key);
  }
  out.end_object();
  if (std::ranges::none_of(rows, &Key::needed)) return;
  out.key("required").begin_array();
  for (const Key* key : rows)
    if (key->needed) out.string(last_part(key->path));
  out.end_array();
}

}  // namespace

std::string reference_markdown() {
  std::string out;
  for (const Key* key : below("")) {
    out += std::format("### {}\n\n{}", key->path, key->sentence);
    out += key->needed ? " Needed.\n\n" : "\n\n";
    out += "| key | value | default | meaning |\n|---|---|---|---|\n";
    add_rows(inside(*key), out);
    out += '\n';
  }
  return out;
}

std::string json_schema() {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("$schema", "https://json-schema.org/draft/2020-12/schema")
      .member("title", "Latticegate configuration");
  write_object(writer, "");
  writer.key("$defs").begin_object().key("secret").begin_object();
  writer.member("description", "Where a secret is; it is never written in the file.")
      .member("type", "object");
  writer.key("properties").begin_object();
  for (const std::string_view source : {"env", "file"})
    writer.key(source).begin_object().member("type", "string").end_object();
  writer.end_object().member("additionalProperties", false);
  writer.member("minProperties", std::int64_t{1}).member("maxProperties", std::int64_t{1});
  writer.end_object().end_object().end_object();
  return out;
}

}  // namespace latticegate::config
