#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <format>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "config/detail/section.h"

namespace latticegate::config::detail {
namespace {

using base::Code;

constexpr std::size_t most_problems = 20;
constexpr std::size_t longest_text = 256;
constexpr std::size_t longest_prose = 4096;
constexpr std::size_t longest_path = 4096;

const yaml::Node& nothing() {
  static const yaml::Node node;
  return node;
}

std::uint32_t take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(':')) text.remove_prefix(1);
  return error == std::errc() ? number : 0;
}

}  // namespace

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_text &&
         !(name.front() >= '0' && name.front() <= '9') && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> out;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find('|'));
    out.push_back(word);
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return out;
}

void Findings::problem(const yaml::Node& at, std::string_view sentence) {
  // One line each, whatever the sentence quotes from the file.
  problem(at.error(base::printable(sentence)).error());
}

void Findings::problem(const yaml::Entry& at, std::string_view sentence) {
  problems_.push_back(
      std::format("{}:{}:{}: {}", source_.name, at.line, at.column, base::printable(sentence)));
}

void Findings::problem(const base::Error& lines) {
  std::string_view rest = lines.detail;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    problems_.emplace_back(line);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
}

void Findings::warning(const yaml::Node& at, std::string_view sentence) {
  warnings_.push_back(at.error(base::printable(sentence)).error().detail);
}

base::Error Findings::error() const {
  const auto place = [this](std::string_view problem) {
    problem.remove_prefix(std::min(problem.size(), source_.name.size() + 1));
    const std::uint32_t line = take_number(problem);
    return std::pair(line, take_number(problem));
  };
  std::vector<std::string> sorted = problems_;
  std::ranges::stable_sort(sorted, {}, place);
  std::string detail;
  for (std::size_t i = 0; i < sorted.size() && i < most_problems; ++i) {
    if (i > 0) detail += '\n';
    detail += sorted[i];
  }
  if (sorted.size() > most_problems)
    detail += std::format("\nand {} more", sorted.size() - most_problems);
  return {Code::invalid, std::move(detail)};
}

Section::Section(Findings& findings, const yaml::Node* node, std::string path, std::string what)
    : findings_(findings),
      node_(node != nullptr ? *node : nothing()),
      path_(std::move(path)),
      what_(std::move(what)),
      fields_(node_, what_) {}

Section::~Section() {
  if (auto done = fields_.finish(); !done) findings_.problem(done.error());
}

const Key& Section::row(std::string_view key, Type type) {
  const std::string full = path_.empty() ? std::string(key) : std::format("{}.{}", path_, key);
  const Key* found = find_key(full);
  base::check(found != nullptr && found->type == type,
              "the reader asks for keys as the table has them");
  return *found;
}

const yaml::Node* Section::find(std::string_view key, Type type) {
  return row(key, type).needed ? fields_.need(key) : fields_.find(key);
}

const yaml::Node* Section::find(std::string_view key) { return fields_.find(key); }

Section Section::section(std::string_view key) {
  const yaml::Node* found = find(key, Type::section);
  std::string full = path_.empty() ? std::string(key) : std::format("{}.{}", path_, key);
  // "listen.tls", but "tls of server crm": free names are better said in words.
  std::string what =
      path_.contains('*') || path_.contains('[') ? std::format("{} of {}", key, what_) : full;
  return Section(findings_, found, std::move(full), std::move(what));
}

std::span<const yaml::Node> Section::items(std::string_view key) {
  const yaml::Node* found = find(key, Type::list);
  if (found == nullptr) return {};
  if (found->is_list()) return found->items();
  findings_.problem(
      *found, std::format("{}: expected a list of maps, found {}", key, yaml::name(found->kind())));
  return {};
}

std::span<const yaml::Entry> Section::names(std::string_view key, Type type) {
  const yaml::Node* found = find(key, type);
  if (found == nullptr) return {};
  if (found->is_map()) return found->entries();
  findings_.problem(*found,
                    std::format("{}: expected a map, found {}", key, yaml::name(found->kind())));
  return {};
}

base::Result<std::string> plain_text(const yaml::Node& at, std::string_view key) {
  auto text = at.as_string();
  if (!text)
    return at.error(std::format("{}: expected a text, found {}", key, yaml::name(at.kind())));
  if (text->empty()) return at.error(std::format("{}: an empty text", key));
  if (text->size() > longest_text)
    return at.error(std::format("{}: a text above {} bytes", key, longest_text));
  if (text->front() == ' ' || text->back() == ' ')
    return at.error(std::format("{}: a space at the end of the text", key));
  if (base::printable(*text) != *text)
    return at.error(std::format("{}: invisible characters in the text", key));
  return text;
}

void Section::prose(std::string_view key, std::string& into) {
  const yaml::Node* node = find(key);
  if (node == nullptr) return;
  auto text = node->as_string();
  if (!text) {
    findings_.problem(text.error());
    return;
  }
  bool good = !text->empty() && text->size() <= longest_prose;
  for (std::string_view rest = *text; good && !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    good = base::printable(line) == line;
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  if (good)
    into = *std::move(text);
  else
    findings_.problem(
        *node, std::format("{}: expected 1 to {} bytes of visible text", key, longest_prose));
}

bool Section::text(std::string_view key, std::string& into) {
  const yaml::Node* found = find(key, Type::text);
  if (found == nullptr) return false;
  auto value = plain_text(*found, key);
  if (!value) {
    findings_.problem(value.error());
    return false;
  }
  into = *std::move(value);
  return true;
}

bool Section::texts(std::string_view key, std::vector<std::string>& into) {
  const yaml::Node* found = find(key, Type::texts);
  if (found == nullptr) return false;
  if (!found->is_list()) {
    findings_.problem(*found, std::format("{}: expected a list of texts such as [a, b], found {}",
                                          key, yaml::name(found->kind())));
    return false;
  }
  std::vector<std::string> values;
  for (const yaml::Node& item : found->items()) {
    auto value = plain_text(item, key);
    if (!value)
      findings_.problem(value.error());
    else if (std::ranges::contains(values, *value))
      findings_.problem(item, std::format("{}: \"{}\" stands in the list twice", key, *value));
    else
      values.push_back(*std::move(value));
  }
  into = std::move(values);
  return true;
}

base::Result<std::filesystem::path> absolute(const Findings& findings, const yaml::Node& at,
                                             std::string_view key) {
  auto text = at.as_string();
  if (!text)
    return at.error(std::format("{}: expected a path, found {}", key, yaml::name(at.kind())));
  if (text->empty()) return at.error(std::format("{}: an empty path", key));
  if (text->size() > longest_path)
    return at.error(std::format("{}: a path above {} bytes", key, longest_path));
  if (text->starts_with('~'))
    return at.error(std::format("{}: nothing expands \"~\" in a path; write it out", key));
  if (base::printable(*text) != *text)
    return at.error(std::format("{}: invisible characters in the path", key));
  std::filesystem::path path = (findings.source().directory / *text).lexically_normal();
  if (!path.has_filename() && path != path.root_path()) path = path.parent_path();  // "a/" is "a"
  return path;
}

bool Section::path(std::string_view key, std::filesystem::path& into) {
  const yaml::Node* found = find(key, Type::path);
  if (found == nullptr) return false;
  auto value = absolute(findings_, *found, key);
  if (!value) {
    findings_.problem(value.error());
    return false;
  }
  into = *std::move(value);
  return true;
}

bool Section::path(std::string_view key, std::filesystem::path& into, Kind kind) {
  if (!path(key, into)) return false;
  const auto& look = findings_.surroundings().look;
  if (!look || look(into) == kind) return true;
  findings_.problem(*node_.find(key),
                    std::format("{}: there is no {} {}", key,
                                kind == Kind::file ? "file" : "directory", into.string()));
  return false;
}

bool Section::flag(std::string_view key, bool& into) {
  const yaml::Node* found = find(key, Type::flag);
  if (found == nullptr) return false;
  const auto value = found->as_bool();
  if (!value) {
    findings_.problem(*found, std::format("{}: expected true or false, found \"{}\"", key,
                                          base::printable(found->text())));
    return false;
  }
  into = *value;
  return true;
}

bool Section::in_range(const Key& key, const yaml::Node& at, double value, std::string_view shown) {
  const std::string_view last = key.path.substr(key.path.rfind('.') + 1);
  if (value < static_cast<double>(key.least)) {
    findings_.problem(at, std::format("{}: {} is below the minimum {}", last, shown,
                                      shown_bound(key, key.least)));
    return false;
  }
  if (key.most > 0 && value > static_cast<double>(key.most)) {
    findings_.problem(
        at, std::format("{}: {} is above the maximum {}", last, shown, shown_bound(key, key.most)));
    return false;
  }
  return true;
}

bool Section::whole(std::string_view key, std::int64_t& into) {
  const Key& known = row(key, Type::number);
  const yaml::Node* found = find(key, Type::number);
  if (found == nullptr) return false;
  const auto value = found->as_int();
  if (!value) {
    findings_.problem(*found, std::format("{}: expected a whole number, found \"{}\"", key,
                                          base::printable(found->text())));
    return false;
  }
  // Without a bound of its own a number still fits the 32 bits that most of them are kept in.
  constexpr std::int64_t widest = 0xffff'ffff;
  Key bounded = known;
  if (bounded.most == 0) bounded.most = widest;
  if (!in_range(bounded, *found, static_cast<double>(*value), found->text())) return false;
  into = *value;
  return true;
}

bool Section::real(std::string_view key, double& into) {
  const Key& known = row(key, Type::real);
  const yaml::Node* found = find(key, Type::real);
  if (found == nullptr) return false;
  const auto value = found->as_number();
  if (!value) {
    findings_.problem(*found, std::format("{}: expected a number, found \"{}\"", key,
                                          base::printable(found->text())));
    return false;
  }
  if (!in_range(known, *found, *value, found->text())) return false;
  into = *value;
  return true;
}

bool Section::size(std::string_view key, base::Bytes& into) {
  const Key& known = row(key, Type::size);
  const yaml::Node* found = find(key, Type::size);
  if (found == nullptr) return false;
  const auto value = found->as_size();
  if (!value) {
    findings_.problem(
        *found, std::format("{}: expected a size such as 512, 64KiB or 4MiB, found \"{}\"", key,
                            base::printable(found->text())));
    return false;
  }
  if (!in_range(known, *found, static_cast<double>(value->count), found->text())) return false;
  into = *value;
  return true;
}

bool Section::span_of_time(std::string_view key, std::chrono::nanoseconds& into) {
  const Key& known = row(key, Type::duration);
  const yaml::Node* found = find(key, Type::duration);
  if (found == nullptr) return false;
  const auto value = found->as_duration();
  if (!value) {
    findings_.problem(
        *found, std::format("{}: expected a duration such as 250ms, 5s, 10m or 1h30m, found \"{}\"",
                            key, base::printable(found->text())));
    return false;
  }
  const std::chrono::duration<double, std::milli> ms = *value;
  if (!in_range(known, *found, ms.count(), found->text())) return false;
  into = *value;
  return true;
}

std::optional<std::size_t> Section::word_index(std::string_view key) {
  const std::vector<std::string_view> known = split_words(row(key, Type::word).words);
  const yaml::Node* found = find(key, Type::word);
  if (found == nullptr) return std::nullopt;
  if (!found->is_scalar()) {
    findings_.problem(*found,
                      std::format("{}: expected a word, found {}", key, yaml::name(found->kind())));
    return std::nullopt;
  }
  const auto at = std::ranges::find(known, found->text());
  if (at != known.end()) return static_cast<std::size_t>(at - known.begin());
  findings_.problem(*found, std::format("{}: {}", key, yaml::unknown_word(found->text(), known)));
  return std::nullopt;
}

bool Section::words(std::string_view key, std::uint32_t& into) {
  const std::vector<std::string_view> known = split_words(row(key, Type::words).words);
  const yaml::Node* found = find(key, Type::words);
  if (found == nullptr) return false;
  std::uint32_t mask = 0;
  const auto take = [&](const yaml::Node& item) {
    const auto at = std::ranges::find(known, item.text());
    if (item.is_scalar() && at != known.end())
      mask |= 1U << (at - known.begin());
    else
      findings_.problem(item, std::format("{}: {}", key, yaml::unknown_word(item.text(), known)));
  };
  if (found->is_list()) {
    for (const yaml::Node& item : found->items()) take(item);
  } else {
    take(*found);
  }
  into = mask;
  return true;
}

base::Result<Secret> read_secret(Findings& findings, const yaml::Node& at) {
  if (!at.is_map() || at.entries().size() != 1)
    return at.error("a secret is not written here: say where it is, {env: NAME} or {file: path}");
  const yaml::Entry& source = at.entries().front();
  if (source.key == "env") {
    auto name = source.value.as_string();
    if (!name) return std::unexpected(std::move(name).error());
    if (!is_variable_name(*name))
      return source.value.error(
          std::format("\"{}\" is no name of an environment variable", base::printable(*name)));
    auto value = findings.surroundings().variable(*name);
    if (!value)
      return source.value.error(std::format("the environment variable {} is not set", *name));
    if (value->empty())
      return source.value.error(std::format("the environment variable {} is empty", *name));
    return Secret{crypto::Secret::taken_from(*value), "env " + *name};
  }
  if (source.key != "file") {
    constexpr auto known = std::to_array<std::string_view>({"env", "file"});
    return source.value.error(std::format("secret: {}", yaml::unknown_word(source.key, known)));
  }
  auto path = absolute(findings, source.value, "file");
  if (!path) return std::unexpected(std::move(path).error());
  auto file = findings.surroundings().read_file(*path);
  if (!file) return source.value.error(file.error().detail);
  if (file->readable_by_others)
    findings.warning(
        source.value,
        std::format("the secret file {} is readable by every user of this machine; chmod o-r",
                    path->string()));
  std::string& text = file->text;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty())
    return source.value.error(std::format("the secret file {} is empty", path->string()));
  return Secret{crypto::Secret::taken_from(text), "file " + path->string()};
}

}  // namespace latticegate::config::detail
