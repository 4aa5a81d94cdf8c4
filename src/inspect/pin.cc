#include "inspect/pin.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/log.h"
#include "crypto/hash.h"
#include "json/write.h"

namespace latticegate::inspect {
namespace {

using base::Code;
using json::Value;

constexpr auto kinds = std::to_array<PinKind>(
    {PinKind::tool, PinKind::instructions, PinKind::prompt, PinKind::resource});

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// White space at the ends goes, every run inside becomes one space.
std::string folded_text(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    if (is_blank(c)) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

// The form that decides "same": white space in texts folded, "required" lists sorted. Key order is
// canonical() 's work.
void write_folded(Value value, bool required, std::string& out) {
  if (value.is_string()) {
    json::write_string(folded_text(*value.string()), out);
  } else if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const json::Member member : value.members()) {
      if (!first) out += ',';
      first = false;
      json::write_string(member.key, out);
      out += ':';
      write_folded(member.value, member.key == "required", out);
    }
    out += '}';
  } else if (value.is_array()) {
    std::vector<std::string> parts;
    bool texts = true;
    for (const Value element : value.elements()) {
      texts = texts && element.is_string();
      parts.emplace_back();
      write_folded(element, false, parts.back());
    }
    if (required && texts) std::ranges::sort(parts);
    out += '[';
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i > 0) out += ',';
      out += parts[i];
    }
    out += ']';
  } else {
    json::write(value, out);
  }
}

std::string hash_of(std::string_view bytes) { return crypto::to_hex(crypto::sha256(bytes)); }

constexpr json::Limits deep{
    .size = {std::uint64_t{16} * 1024 * 1024}, .depth = 64, .allow_nul = true};

// --- the diff ---

using Words = std::vector<std::string_view>;

Words words_of(std::string_view text) {
  Words words;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_blank(text[end])) ++end;
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return base::printable(out);
}

constexpr std::size_t most_words = 2000;  // of a text that is compared word by word
constexpr std::size_t context = 6;        // unchanged words that are shown around a change

// Longest common subsequence by words; a table row per word, small enough for any description.
std::string word_diff(std::string_view before, std::string_view after) {
  const Words a = words_of(before), b = words_of(after);
  if (a.size() > most_words || b.size() > most_words)
    return std::format("[-{} words-] {{+{} words+}}", a.size(), b.size());
  std::size_t head = 0, tail = 0;
  const std::size_t shorter = std::min(a.size(), b.size());
  while (head < shorter && a[head] == b[head]) ++head;
  while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  const std::size_t n = a.size() - head - tail, m = b.size() - head - tail;
  std::vector<std::uint16_t> table((n + 1) * (m + 1));
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint16_t& {
    return table[i * (m + 1) + j];
  };
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      cell(i, j) = a[head + i] == b[head + j] ? static_cast<std::uint16_t>(cell(i + 1, j + 1) + 1)
                                              : std::max(cell(i + 1, j), cell(i, j + 1));
  std::string out;
  const auto add = [&](std::string_view piece) {
    if (!out.empty()) out += ' ';
    out += piece;
  };
  const auto kept = [&](std::size_t from, std::size_t to, bool first, bool last) {
    const std::span words = std::span(a).subspan(from, to - from);
    const std::size_t shown = first || last ? context : 2 * context;
    if (words.size() <= shown) return add(joined(words));
    if (!first) add(joined(words.first(context)));
    add("...");
    if (!last) add(joined(words.last(context)));
  };
  if (head > 0) kept(0, head, true, false);
  std::size_t i = 0, j = 0;
  while (i < n || j < m) {
    const std::size_t from_a = i, from_b = j;
    while (i < n || j < m) {
      if (i < n && j < m && a[head + i] == b[head + j]) break;
      if (j == m || (i < n && cell(i + 1, j) >= cell(i, j + 1)))
        ++i;
      else
        ++j;
    }
    if (i > from_a)
      add(std::format("[-{}-]", joined(std::span(a).subspan(head + from_a, i - from_a))));
    if (j > from_b)
      add(std::format("{{+{}+}}", joined(std::span(b).subspan(head + from_b, j - from_b))));
    const std::size_t same = i;
    while (i < n && j < m && a[head + i] == b[head + j]) ++i, ++j;
    if (i > same) kept(head + same, head + i, false, i == n && j == m && tail == 0);
  }
  if (tail > 0) kept(a.size() - tail, a.size(), false, true);
  return out;
}

std::string shown(Value value) {
  if (!value.exists()) return "nothing";
  constexpr std::size_t longest = 120;
  const std::string text = base::printable(json::to_string(value));
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

// "string, required" of a property of a schema.
std::string traits(Value property, bool required) {
  const Value type = property["type"];
  std::string out = type.is_string() ? base::printable(*type.string())
                    : type.exists()  ? shown(type)
                                     : "any type";
  if (required) out += ", required";
  return out;
}

class Diff {
 public:
  std::vector<std::string> run(Value before, Value after) {
    compare(before, after, "");
    return std::move(lines_);
  }

 private:
  static constexpr std::size_t most_lines = 200;

  void line(std::string text) {
    if (lines_.size() < most_lines)
      lines_.push_back(std::move(text));
    else if (lines_.size() == most_lines)
      lines_.push_back("...");
  }

  static std::string under(const std::string& place, std::string_view key) {
    const std::string name = base::printable(key);
    return place.empty() ? name : std::format("{}.{}", place, name);
  }

  void compare(Value before, Value after, const std::string& place) {
    if (before.is_object() && after.is_object()) return objects(before, after, place);
    if (before.is_array() && after.is_array()) return arrays(before, after, place);
    if (before.is_string() && after.is_string()) {
      if (folded_text(*before.string()) == folded_text(*after.string())) return;
      return line(std::format("{}: {}", place.empty() ? "text" : place,
                              word_diff(*before.string(), *after.string())));
    }
    if (json::canonical(before) != json::canonical(after))
      line(std::format("{}: {} -> {}", place.empty() ? "value" : place, shown(before),
                       shown(after)));
  }

  // An object that describes parameters is compared parameter by parameter, with what "required"
  // says of each.
  void objects(Value before, Value after, const std::string& place) {
    const bool schema = before["properties"].is_object() || after["properties"].is_object();
    if (schema) parameters(before, after, place);
    const auto own = [&](std::string_view key) {
      return schema && (key == "properties" || key == "required");
    };
    for (const json::Member member : before.members()) {
      if (own(member.key)) continue;
      const Value other = after[member.key];
      if (other.exists())
        compare(member.value, other, under(place, member.key));
      else
        line(std::format("{} removed (was {})", under(place, member.key), shown(member.value)));
    }
    for (const json::Member member : after.members())
      if (!own(member.key) && !before[member.key].exists())
        line(std::format("{} added: {}", under(place, member.key), shown(member.value)));
  }

  static bool lists(Value required, std::string_view name) {
    for (const Value element : required.elements())
      if (element.string() == name) return true;
    return false;
  }

  void parameters(Value before, Value after, const std::string& place) {
    const bool top = place == "inputSchema" || place.empty();
    const auto named = [&](std::string_view key) {
      return top ? std::format("parameter \"{}\"", base::printable(key))
                 : std::format("{} member \"{}\"", place, base::printable(key));
    };
    const Value old_required = before["required"], new_required = after["required"];
    for (const json::Member member : before["properties"].members()) {
      const Value other = after["properties"][member.key];
      if (!other.exists()) {
        line(std::format("{} removed", named(member.key)));
        continue;
      }
      compare(member.value, other, named(member.key));
      const bool was = lists(old_required, member.key), is = lists(new_required, member.key);
      if (was != is)
        line(std::format("{} is {} required", named(member.key), is ? "now" : "no longer"));
    }
    for (const json::Member member : after["properties"].members()) {
      if (before["properties"][member.key].exists()) continue;
      line(std::format("{} added ({})", named(member.key),
                       traits(member.value, lists(new_required, member.key))));
      if (const auto text = member.value["description"].string())
        line(std::format("{} description: {{+{}+}}", named(member.key),
                         base::printable(folded_text(*text))));
    }
  }

  void arrays(Value before, Value after, const std::string& place) {
    std::vector<std::string> old_parts, new_parts;
    for (const Value element : before.elements()) old_parts.push_back(json::canonical(element));
    for (const Value element : after.elements()) new_parts.push_back(json::canonical(element));
    if (old_parts == new_parts) return;
    const bool same_size = old_parts.size() == new_parts.size();
    const bool scalars = std::ranges::all_of(
        before.elements(), [](Value v) { return !v.is_object() && !v.is_array(); });
    if (same_size && !scalars) {
      for (std::size_t i = 0; i < old_parts.size(); ++i)
        compare(before.at(i), after.at(i), std::format("{}[{}]", place, i));
      return;
    }
    std::string gone, came;
    const auto list = [](std::string& out, const std::string& part) {
      out += std::format("{}{}", out.empty() ? "" : ", ", base::printable(part.substr(0, 120)));
    };
    for (const std::string& part : old_parts)
      if (!std::ranges::contains(new_parts, part)) list(gone, part);
    for (const std::string& part : new_parts)
      if (!std::ranges::contains(old_parts, part)) list(came, part);
    if (gone.empty() && came.empty()) return line(std::format("{}: order changed", place));
    if (!gone.empty()) line(std::format("{}: removed {}", place, gone));
    if (!came.empty()) line(std::format("{}: added {}", place, came));
  }

  std::vector<std::string> lines_;
};

// --- persistence ---

void write_form(json::Writer& w, const Fingerprint& form) {
  w.begin_object()
      .member("hash", form.hash)
      .member("folded", form.folded)
      .member("bytes", form.bytes)
      .end_object();
}

base::Result<Fingerprint> read_form(Value value) {
  Fingerprint form{std::string(value["hash"].text_or("")), std::string(value["folded"].text_or("")),
                   std::string(value["bytes"].text_or(""))};
  // The hash is recomputed: a damaged or edited file must not approve anything.
  if (form.hash.size() != 64 || form.folded.size() != 64 || hash_of(form.bytes) != form.hash)
    return base::fail(Code::malformed, "pins: a stored form does not agree with its hash");
  return form;
}

base::Time time_of(Value value) {
  return base::Time(std::chrono::milliseconds(value.integer().value_or(0)));
}

base::Result<PinEntry> read_entry(Value value) {
  PinEntry entry;
  for (const Value item : value["approvals"].elements()) {
    auto form = read_form(item["form"]);
    if (!form) return std::unexpected(std::move(form).error());
    entry.approvals.push_back(
        {*std::move(form), time_of(item["at"]), std::string(item["by"].text_or(""))});
  }
  if (const Value pending = value["pending"]; pending.is_object()) {
    auto form = read_form(pending);
    if (!form) return std::unexpected(std::move(form).error());
    entry.pending = *std::move(form);
    entry.pending_since = time_of(value["pending_since"]);
  }
  entry.present = value["present"].boolean().value_or(true);
  return entry;
}

}  // namespace

std::string_view name(PinKind kind) {
  switch (kind) {
    case PinKind::tool: return "tool";
    case PinKind::instructions: return "instructions";
    case PinKind::prompt: return "prompt";
    case PinKind::resource: return "resource";
  }
  std::unreachable();
}

std::string_view name(PinState state) {
  switch (state) {
    case PinState::unseen: return "unseen";
    case PinState::same: return "same";
    case PinState::changed: return "changed";
    case PinState::returned: return "returned";
  }
  std::unreachable();
}

Fingerprint fingerprint(Value descriptor) {
  Fingerprint form;
  form.bytes = json::canonical(descriptor);
  form.hash = hash_of(form.bytes);
  std::string folded;
  if (descriptor.exists()) write_folded(descriptor, false, folded);
  const auto document = json::Document::parse(folded, deep);
  // Folded text of a parsed tree parses again; were it not so, the exact form decides.
  form.folded = document ? hash_of(json::canonical(document->root())) : form.hash;
  return form;
}

Fingerprint fingerprint_text(std::string_view text) {
  Fingerprint form;
  json::write_string(text, form.bytes);
  form.hash = hash_of(form.bytes);
  std::string folded;
  json::write_string(folded_text(text), folded);
  form.folded = hash_of(folded);
  return form;
}

PinState PinBook::judge(const PinSubject& subject, const Fingerprint& seen) const {
  const PinEntry* const entry = find(subject);
  if (entry == nullptr || entry->approvals.empty()) return PinState::unseen;
  const auto matches = [&](const Approval& approval) {
    return approval.form.hash == seen.hash || approval.form.folded == seen.folded;
  };
  if (matches(entry->approvals.back())) return PinState::same;
  return std::ranges::any_of(entry->approvals, matches) ? PinState::returned : PinState::changed;
}

PinState PinBook::observe(const PinSubject& subject, const Fingerprint& seen, base::Time now) {
  const PinState state = judge(subject, seen);
  PinEntry& entry = entries_[subject];
  entry.present = true;
  if (state == PinState::same) {
    entry.pending.reset();
    entry.pending_since = {};
  } else if (!entry.pending || *entry.pending != seen) {
    entry.pending = seen;
    entry.pending_since = now;
  }
  return state;
}

void PinBook::removed(const PinSubject& subject) {
  if (const auto at = entries_.find(subject); at != entries_.end()) at->second.present = false;
}

void PinBook::approve(const PinSubject& subject, const Fingerprint& form, std::string_view by,
                      base::Time now) {
  PinEntry& entry = entries_[subject];
  entry.approvals.push_back({form, now, std::string(by)});
  if (entry.approvals.size() > most_approvals) entry.approvals.erase(entry.approvals.begin());
  if (entry.pending && entry.pending->folded == form.folded) {
    entry.pending.reset();
    entry.pending_since = {};
  }
}

base::Result<void> PinBook::approve_pending(const PinSubject& subject, std::string_view hash,
                                            std::string_view by, base::Time now) {
  const PinEntry* const entry = find(subject);
  if (entry == nullptr || !entry->pending)
    return base::fail(Code::not_found, std::format("nothing of {} \"{}\" waits for approval",
                                                   subject.server, subject.name));
  if (entry->pending->hash != hash)
    return base::fail(Code::conflict, std::format("{} \"{}\" changed again since it was looked at",
                                                  subject.server, subject.name));
  const Fingerprint form = *entry->pending;
  approve(subject, form, by, now);
  return {};
}

bool PinBook::revoke(const PinSubject& subject, std::string_view by, base::Time since,
                     base::Time now) {
  const auto at = entries_.find(subject);
  if (at == entries_.end() || at->second.approvals.empty()) return false;
  PinEntry& entry = at->second;
  if (entry.approvals.back().by != by || entry.approvals.back().at < since) return false;
  entry.pending = std::move(entry.approvals.back().form);
  entry.pending_since = now;
  entry.approvals.pop_back();
  return true;
}

const PinEntry* PinBook::find(const PinSubject& subject) const {
  const auto at = entries_.find(subject);
  return at == entries_.end() ? nullptr : &at->second;
}

const Fingerprint* PinBook::approved(const PinSubject& subject) const {
  const PinEntry* const entry = find(subject);
  return entry == nullptr || entry->approvals.empty() ? nullptr : &entry->approvals.back().form;
}

std::string PinBook::to_json() const {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("version", std::int64_t{1}).key("pins").begin_array();
  for (const auto& [subject, entry] : entries_) {
    w.begin_object()
        .member("server", subject.server)
        .member("kind", std::string(name(subject.kind)));
    w.member("name", subject.name).member("present", entry.present).key("approvals").begin_array();
    for (const Approval& approval : entry.approvals) {
      w.begin_object()
          .member("at", base::to_unix_ms(approval.at))
          .member("by", approval.by)
          .key("form");
      write_form(w, approval.form);
      w.end_object();
    }
    w.end_array();
    if (entry.pending) {
      w.member("pending_since", base::to_unix_ms(entry.pending_since)).key("pending");
      write_form(w, *entry.pending);
    }
    w.end_object();
  }
  w.end_array().end_object();
  return out;
}

base::Result<PinBook> PinBook::from_json(std::string_view text) {
  const auto document =
      json::Document::parse(text, {.size = {std::uint64_t{64} * 1024 * 1024}, .allow_nul = true});
  if (!document) return base::within("pins", document.error());
  const Value root = document->root();
  if (root["version"].integer() != 1 || !root["pins"].is_array())
    return base::fail(Code::unsupported, "pins: not a pin book of version 1");
  PinBook book;
  for (const Value item : root["pins"].elements()) {
    const auto kind =
        std::ranges::find(kinds, item["kind"].text_or(""), [](PinKind k) { return name(k); });
    if (kind == kinds.end() || !item["server"].is_string() || !item["name"].is_string())
      return base::fail(Code::malformed, "pins: an entry without server, kind or name");
    auto entry = read_entry(item);
    if (!entry) return std::unexpected(std::move(entry).error());
    book.entries_[{std::string(item["server"].text_or("")), *kind,
                   std::string(item["name"].text_or(""))}] = *std::move(entry);
  }
  return book;
}

std::vector<std::string> pin_diff(const Fingerprint& before, const Fingerprint& after) {
  if (before.folded == after.folded) return {};
  const auto a = json::Document::parse(before.bytes, deep),
             b = json::Document::parse(after.bytes, deep);
  if (!a || !b) return {"the forms cannot be compared"};
  return Diff().run(a->root(), b->root());
}

}  // namespace latticegate::inspect
