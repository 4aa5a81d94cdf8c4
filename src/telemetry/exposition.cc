#include "telemetry/exposition.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::telemetry {
namespace {

bool is_name(std::string_view name, bool colon) {
  const auto fits = [colon](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colon && c == ':');
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::ranges::all_of(name, fits);
}

// With what is no UTF-8 replaced, byte by byte.
std::string as_utf8(std::string_view text) {
  if (base::is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::size_t length = 1;
    while (length <= 4 && length <= text.size() && !base::is_utf8(text.substr(0, length))) ++length;
    const bool good = length <= 4 && length <= text.size();
    out += good ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    text.remove_prefix(good ? length : 1);
  }
  return out;
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : as_utf8(text)) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
}

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: return "histogram";
  }
  std::unreachable();
}

bool is_metric_name(std::string_view name) { return is_name(name, true); }
bool is_label_name(std::string_view name) {
  return is_name(name, false) && !name.starts_with("__");
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return std::format("{}", value);
}

void Exposition::family(std::string_view name, std::string_view help, Kind kind) {
  base::check(is_metric_name(name), "a metric has a name that collectors can read");
  base::check((kind == Kind::counter) == name.ends_with("_total"), "counters end in _total");
  name_ = name;
  out_ += std::format("# HELP {} ", name);
  append_escaped(out_, help, false);
  out_ += std::format("\n# TYPE {} {}\n", name, telemetry::name(kind));
}

void Exposition::begin(std::span<const Label> labels, std::string_view suffix) {
  base::check(!name_.empty(), "a sample stands below its family");
  out_ += name_;
  out_ += suffix;
  char before = '{';
  for (const Label& label : labels) {
    base::check(is_label_name(label.name), "a label has a name that collectors can read");
    out_ += std::exchange(before, ',');
    out_ += label.name;
    out_ += "=\"";
    append_escaped(out_, label.value, true);
    out_ += '"';
  }
  if (!labels.empty()) out_ += '}';
  out_ += ' ';
}

void Exposition::sample(std::span<const Label> labels, double value, std::string_view suffix) {
  begin(labels, suffix);
  out_ += number_text(value);
  out_ += '\n';
}

void Exposition::sample(std::span<const Label> labels, std::uint64_t value,
                        std::string_view suffix) {
  begin(labels, suffix);
  out_ += std::format("{}\n", value);
}

}  // namespace latticegate::telemetry
