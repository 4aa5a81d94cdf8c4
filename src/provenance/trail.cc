#include "provenance/trail.h"

#include <algorithm>
#include <format>
#include <functional>
#include <utility>

#include "provenance/encoded.h"

namespace latticegate::provenance {
namespace {

constexpr std::size_t most_answer = std::size_t{256} * 1024;
constexpr std::size_t most_arguments = std::size_t{64} * 1024;
constexpr std::size_t most_values = 4'096;  // of one text
constexpr std::uint32_t deepest = 16;
constexpr std::size_t shortest_part = 8;  // of a sensitive value that is looked for inside others
constexpr std::size_t longest_part = 63;
constexpr std::size_t tail_length = longest_part;
constexpr std::size_t most_own_grams = 256;                 // of one argument
constexpr std::size_t most_parts = std::size_t{16} * 1024;  // letters of a call, in all its forms
constexpr std::size_t most_in_a_row = std::size_t{4} * 1024;

// The last word of an argument's name that says that it decides what happens.
constexpr auto roles = std::to_array<std::string_view>(
    {"account",  "address",  "addresses",   "amount",     "bcc",      "beneficiary",
     "branch",   "bucket",   "callback",    "cc",         "channel",  "cmd",
     "code",     "command",  "destination", "directory",  "domain",   "email",
     "emails",   "endpoint", "file",        "filename",   "filepath", "host",
     "hostname", "iban",     "id",          "ids",        "key",      "link",
     "org",      "owner",    "password",    "path",       "paths",    "payee",
     "phone",    "query",    "recipient",   "recipients", "repo",     "repository",
     "role",     "script",   "sql",         "statement",  "target",   "to",
     "uri",      "url",      "urls",        "user",       "username", "webhook"});
static_assert(std::ranges::is_sorted(roles));

// "recipientEmail", "recipient_email", "to[]".
bool decides(std::string_view argument) {
  std::string word;
  for (std::size_t i = argument.size(); i > 0; --i) {
    const char c = argument[i - 1];
    if (c >= 'a' && c <= 'z') {
      word.insert(word.begin(), c);
    } else if (c >= 'A' && c <= 'Z') {
      word.insert(word.begin(), static_cast<char>(c + ('a' - 'A')));
      const bool in_capitals = i > 1 && argument[i - 2] >= 'A' && argument[i - 2] <= 'Z';
      if (!in_capitals) break;
    } else if (!word.empty()) {
      break;
    }
  }
  return std::ranges::binary_search(roles, std::string_view(word));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view around = " \t\r\n\"'<>()[]";
  const std::size_t first = text.find_first_not_of(around);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(around) - first + 1);
}

// Kinds by which a server names what is its own.
bool is_internal(Kind kind) {
  return kind == Kind::id || kind == Kind::digits || kind == Kind::number || kind == Kind::path;
}

std::uint64_t way_of(std::string_view server, std::string_view subject, std::string_view argument) {
  std::uint64_t hash = 0;
  for (const std::string_view part : {server, subject, argument}) {
    hash ^= std::hash<std::string_view>{}(part);
    hash *= 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
  }
  return hash;
}

// Memory of one look, used again.
struct Scratch {
  std::string folded;
  std::vector<std::uint64_t> grams;
  std::vector<Value> values;
  std::vector<std::string> forms;
};

}  // namespace

std::string_view name(What what) {
  switch (what) {
    case What::steered: return "steered";
    case What::quoted: return "quoted";
    case What::sensitive: return "sensitive";
  }
  std::unreachable();
}

bool Origins::has(What what) const { return std::ranges::contains(marks, what, &Mark::what); }

std::string sentence(const Mark& mark) {
  std::string_view who = "only an untrusted source gave";
  if (mark.what == What::sensitive) who = "only a sensitive source gave";
  return std::format("the argument {} carries {} ({}) that {}: {}, read at {}", mark.argument,
                     mark.what == What::quoted ? "words" : "a value", mark.form, who, mark.source,
                     base::to_rfc3339(mark.since));
}

std::uint32_t Trail::seconds(base::Time now) const {
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(since, 0, 0xffff'fffe)) + 1;
}

std::uint32_t Trail::oldest(std::uint32_t now) const {
  const auto expiry = static_cast<std::uint64_t>(std::max<std::int64_t>(limits_.expiry.count(), 0));
  return now > expiry ? static_cast<std::uint32_t>(now - expiry) : 1;
}

std::uint8_t Trail::source(const Source& from, base::Time now) {
  const std::string named = from.subject.empty() ? std::string(from.server)
                                                 : std::format("{}/{}", from.server, from.subject);
  auto at = std::ranges::find(sources_, named, &Read::name);
  if (at == sources_.end()) {
    if (sources_.size() < most_sources)
      at = sources_.emplace(sources_.end());
    else
      at = std::ranges::min_element(sources_, {}, &Read::last);
    *at = {.name = named, .server = std::string(from.server)};
  }
  at->taint.assign(from.taint.begin(), from.taint.end());
  at->domains.assign(from.domains.begin(), from.domains.end());
  at->sensitive = from.sensitive;
  at->last = now;
  return static_cast<std::uint8_t>(at - sources_.begin());
}

// ---- answers

class Trail::Reader {
 public:
  Reader(Trail& trail, const Source& source, base::Time now)
      : trail_(trail),
        now_(trail.seconds(now)),
        oldest_(trail.oldest(now_)),
        untrusted_(!source.taint.empty()),
        sensitive_(source.sensitive),
        index_(untrusted_ || sensitive_ ? trail.source(source, now) : std::uint8_t{0}) {
    trail.untrusted_ = trail.untrusted_ || untrusted_;
    trail.sensitive_ = trail.sensitive_ || sensitive_;
  }

  void walk(json::Value value, std::uint32_t depth = 0) {
    if (depth > deepest) {
      trail_.cut_ = true;
    } else if (const auto text = value.string()) {
      take(*text);
    } else if (value.is_number()) {
      take(value.digits());
    } else if (value.is_array()) {
      for (const json::Value element : value.elements()) walk(element, depth + 1);
    } else {
      for (const json::Member member : value.members()) {
        // Pictures and other files as base64.
        if ((member.key == "data" || member.key == "blob") && value["mimeType"].exists()) continue;
        walk(member.value, depth + 1);
      }
    }
  }

  void take(std::string_view text) {
    if (spent_ + text.size() > most_answer) {
      if (untrusted_ || sensitive_) trail_.cut_ = true;
      text = text.substr(0, most_answer - spent_);
    }
    spent_ += text.size();
    scratch_.values.clear();
    find_values(text, trail_.key_, most_values, scratch_.values);
    for (const Value& value : scratch_.values) {
      note(trail_.values_, value.hash);
      if (sensitive_ && value.kind != Kind::number && value.kind != Kind::path &&
          value.length >= shortest_part && value.length <= longest_part)
        trail_.lengths_ |= std::uint64_t{1} << value.length;
    }
    scratch_.folded.clear();
    fold(text, scratch_.folded);
    scratch_.grams.clear();
    winnowed_grams(scratch_.folded, trail_.key_, scratch_.grams);
    for (const std::uint64_t gram : scratch_.grams) note_gram(gram);
  }

 private:
  // Words of a source that is neither are worth remembering only because a conspicuous one may say
  // them later; that they had to make room is no loss that anybody has to hear of.
  void note_gram(std::uint64_t gram) {
    if (!untrusted_ && !sensitive_) {
      if (Print* const known = trail_.texts_.find(gram, oldest_))
        add(*known);
      else
        add(trail_.vouched_.put(gram, now_, oldest_, false));
      return;
    }
    Print& print = trail_.texts_.put(gram, now_, oldest_, untrusted_ && !sensitive_);
    if (print.places == 0)
      if (const Print* const before = trail_.vouched_.find(gram, oldest_))
        print.places = before->places;
    add(print);
  }

  void note(Prints& prints, std::uint64_t hash) {
    add(prints.put(hash, now_, oldest_, untrusted_ && !sensitive_));
  }

  void add(Print& print) {
    print.when = now_;
    const bool sent = (print.places & Place::sent) != 0;
    if (untrusted_) {
      if ((print.places & Place::untrusted) == 0) print.untrusted = index_;
      print.places |= Place::untrusted;
    } else if (!sent) {
      print.places |= Place::trusted;
    }
    if (sensitive_) {
      if ((print.places & Place::sensitive) == 0) print.sensitive = index_;
      print.places |= Place::sensitive;
    } else if (!sent) {
      print.places |= Place::open;
    }
  }

  Trail& trail_;
  std::uint32_t now_;
  std::uint32_t oldest_;
  bool untrusted_;
  bool sensitive_;
  std::uint8_t index_;
  std::size_t spent_ = 0;
  Scratch scratch_;
};

void Trail::after(json::Value answer, const Source& source, base::Time now,
                  std::span<const std::string> revealed) {
  if (limits_.prints == 0) return;
  if (began_ == base::Time{}) began_ = now;
  changed_ = now;
  Reader reader(*this, source, now);
  reader.walk(answer);
  for (const std::string& text : revealed) reader.take(text);
}

void Trail::say(std::string_view text, bool operators, base::Time now) {
  if (limits_.prints == 0) return;
  if (began_ == base::Time{}) began_ = now;
  changed_ = now;
  const std::uint32_t when = seconds(now);
  const std::uint32_t old = oldest(when);
  const auto note = [&](Prints& prints, std::uint64_t hash) {
    Print& print = prints.put(hash, when, old, false);
    print.when = when;
    if (operators)
      print.places |= Place::trusted | Place::open;
    else if ((print.places & (Place::untrusted | Place::sensitive)) == 0)
      print.places |= Place::own;
  };
  Scratch scratch;
  find_values(text, key_, most_values, scratch.values);
  for (const Value& value : scratch.values) note(values_, value.hash);
  fold(text, scratch.folded);
  winnowed_grams(scratch.folded, key_, scratch.grams);
  for (const std::uint64_t gram : scratch.grams) note(texts_, gram);
}

bool Trail::read_untrusted(base::Time now) const {
  return std::ranges::any_of(sources_, [&](const Read& read) {
    return !read.taint.empty() && now - read.last < limits_.expiry;
  });
}

// ---- arguments

class Trail::Asker {
 public:
  Asker(Trail& trail, const Sink& sink, base::Time now, Origins& origins)
      : trail_(trail),
        sink_(sink),
        now_(trail.seconds(now)),
        oldest_(trail.oldest(now_)),
        origins_(origins) {}

  void walk(json::Value value, std::uint32_t depth = 0) {
    if (depth > deepest) {
      origins_.complete = false;
    } else if (const auto text = value.string()) {
      look(*text);
    } else if (value.is_number()) {
      look(value.digits());
    } else if (value.is_array()) {
      for (const json::Value element : value.elements()) walk(element, depth + 1);
    } else {
      for (const json::Member member : value.members()) {
        if (depth == 0 && member.key == "_meta") continue;
        const std::size_t size = path_.size();
        const std::string_view outer = std::exchange(key_, member.key);
        if (size < 96) {
          if (size > 0) path_ += '.';
          path_ += member.key.substr(0, 64);
        }
        walk(member.value, depth + 1);
        path_.resize(size);
        key_ = outer;
      }
    }
  }

  // All arguments in a row, for what is spread over several of them.
  void finish() {
    if (!sink_.egress || !trail_.sensitive_ || leaves_ < 2) return;
    path_ = "(several)";
    in_pieces(whole_, {});
  }

 private:
  void look(std::string_view text) {
    if (spent_ + text.size() > most_arguments) {
      origins_.complete = false;
      text = text.substr(0, most_arguments - spent_);
    }
    spent_ += text.size();
    ++leaves_;
    const bool role = decides(key_);
    const bool told = values(text, role);
    scratch_.folded.clear();
    fold(text, scratch_.folded);
    if (!told) words(role, text.size());
    if (!sink_.egress || (!trail_.sensitive_ && !trail_.untrusted_)) return;
    const std::size_t forms = decoded_forms(text, scratch_.forms);
    for (std::size_t i = 0; i < forms && !told; ++i) {
      scratch_.folded.clear();
      fold(scratch_.forms[i], scratch_.folded);
      quotes(role);
    }
    if (!trail_.sensitive_) return;
    scratch_.folded.clear();
    fold(text, scratch_.folded);
    if (whole_.size() < most_arguments) whole_ += scratch_.folded;
    if (leaks("text")) return;
    in_pieces(scratch_.folded, key_);
    for (std::size_t i = 0; i < forms; ++i) {
      scratch_.folded.clear();
      fold(scratch_.forms[i], scratch_.folded);
      if (leaks("encoded text")) return;
      std::ranges::reverse(scratch_.folded);
      if (leaks("encoded text")) return;
    }
    scratch_.folded.clear();
    fold(text, scratch_.folded);
    std::ranges::reverse(scratch_.folded);
    (void)leaks("text back to front");
  }

  // Exact values. True when they tell all: one came from untrusted sources only, or the argument is
  // one that did not.
  bool values(std::string_view text, bool role) {
    scratch_.values.clear();
    find_values(text, trail_.key_, most_values, scratch_.values);
    const std::string_view all = trimmed(text);
    bool told = false;
    for (const Value& value : scratch_.values) {
      const bool whole = value.end - value.begin + 2 >= all.size();
      Print* const known = trail_.values_.find(value.hash, oldest_);
      told = told || (whole && known != nullptr);
      if (known == nullptr) {
        Print& print = trail_.values_.put(value.hash, now_, oldest_, false);
        print.places |= Place::own;
        continue;
      }
      if ((known->places & (Place::untrusted | Place::sensitive)) == 0) {
        known->places |= Place::own;
        known->when = now_;
        continue;
      }
      if (only_untrusted(*known) || only_sensitive(*known)) known->places |= Place::sent;
      if (!only_untrusted(*known)) continue;
      const Read& from = trail_.sources_[known->untrusted];
      if (is_internal(value.kind) && from.server == sink_.server) continue;
      told = true;
      mark(role || whole ? What::steered : What::quoted, name(value.kind), from);
    }
    return told;
  }

  // Words of untrusted sources, decoded.
  void quotes(bool role) {
    scratch_.grams.clear();
    winnowed_grams(scratch_.folded, trail_.key_, scratch_.grams);
    std::size_t hits = 0;
    for (const std::uint64_t gram : scratch_.grams) {
      const Print* const known = trail_.texts_.find(gram, oldest_);
      if (known == nullptr || !only_untrusted(*known) || ++hits < 3) continue;
      mark(role ? What::steered : What::quoted, "encoded text", trail_.sources_[known->untrusted]);
      return;
    }
  }

  // Text. Three grams that only untrusted sources said are a quotation, and two suffice where the
  // argument is a command.
  void words(bool role, std::size_t size) {
    scratch_.grams.clear();
    winnowed_grams(scratch_.folded, trail_.key_, scratch_.grams);
    std::size_t hits = 0;
    std::uint8_t from = 0;
    if (trail_.untrusted_)
      for (const std::uint64_t gram : scratch_.grams)
        if (const Print* const known = trail_.texts_.find(gram, oldest_);
            known != nullptr && only_untrusted(*known)) {
          ++hits;
          from = known->untrusted;
        }
    if (hits >= 3 || (hits > 0 && role && hits * 2 >= scratch_.grams.size())) {
      const Read& source = trail_.sources_[from];
      if (role && source.server == sink_.server && size < 64) return;  // a name, a path
      mark(role ? What::steered : What::quoted, "text", source);
      return;
    }
    if (hits > 0) return;
    std::size_t kept = 0;
    for (const std::uint64_t gram : scratch_.grams) {
      if (++kept > most_own_grams) break;
      Print& print = trail_.texts_.put(gram, now_, oldest_, false);
      print.when = now_;
      if ((print.places & (Place::untrusted | Place::sensitive)) == 0) print.places |= Place::own;
    }
  }

  // Whether the folded text carries what only sensitive sources said.
  bool leaks(std::string_view form) { return leaks(scratch_.folded, form, 0); }

  // What counts reaches behind `fresh`: what stands before it was looked at before.
  bool leaks(std::string_view folded, std::string_view form, std::size_t fresh) {
    if (folded.size() < shortest_part) return false;
    const std::string_view near = folded.substr(0, most_parts - parts_);
    parts_ += near.size();
    if (near.size() < folded.size()) origins_.complete = false;
    for (std::size_t length = shortest_part; length <= longest_part; ++length) {
      if ((trail_.lengths_ >> length & 1) == 0 || near.size() < length) continue;
      scratch_.grams.clear();
      part_hashes(near, length, trail_.key_, scratch_.grams);
      for (std::size_t i = 0; i < scratch_.grams.size(); ++i)
        if (i + length > fresh && out_of_sensitive(trail_.values_, scratch_.grams[i], form))
          return true;
    }
    scratch_.grams.clear();
    all_grams(folded, trail_.key_, scratch_.grams);
    std::size_t hits = 0;
    for (std::size_t i = 0; i < scratch_.grams.size(); ++i) {
      const Print* const known = trail_.texts_.find(scratch_.grams[i], oldest_);
      if (known == nullptr || !only_sensitive(*known)) continue;
      if (trail_.sources_[known->sensitive].server == sink_.server || ++hits < 2) continue;
      if (i + gram_length <= fresh) continue;
      mark(What::sensitive, form, trail_.sources_[known->sensitive]);
      return true;
    }
    return false;
  }

  bool out_of_sensitive(Prints& prints, std::uint64_t hash, std::string_view form) {
    Print* const known = prints.find(hash, oldest_);
    if (known == nullptr || !only_sensitive(*known)) return false;
    const Read& from = trail_.sources_[known->sensitive];
    if (from.server == sink_.server) return false;
    known->places |= Place::sent;
    mark(What::sensitive, form, from);
    return true;
  }

  // What went the same way before, and this.
  void in_pieces(std::string_view folded, std::string_view argument) {
    const std::uint64_t way = way_of(sink_.server, sink_.subject, argument);
    auto tail = std::ranges::find(trail_.tails_, way, &Tail::way);
    if (tail == trail_.tails_.end())
      tail = std::ranges::min_element(trail_.tails_, {}, &Tail::when);
    if (tail->way != way || tail->when < oldest_) tail->folded.clear();
    const bool alone = tail->folded.empty();
    tail->way = way;
    tail->when = now_;
    // Of one argument only the seam: the rest was looked at by itself.
    const std::size_t before = tail->folded.size();
    tail->folded += folded.substr(0, argument.empty() ? most_in_a_row : tail_length);
    if (!alone || argument.empty()) {
      const std::string seam = tail->folded;
      (void)leaks(seam, "pieces", before);
    }
    if (folded.size() > tail_length) tail->folded = folded;
    if (tail->folded.size() > tail_length) tail->folded.erase(0, tail->folded.size() - tail_length);
  }

  void mark(What what, std::string_view form, const Read& from) {
    for (const Mark& known : origins_.marks)
      if (known.what == what && known.argument == path_ && known.source == from.name) return;
    if (origins_.marks.size() == Origins::most) {
      origins_.complete = false;
      return;
    }
    origins_.marks.push_back({path_, what, form, from.name, from.last});
  }

  Trail& trail_;
  const Sink& sink_;
  std::uint32_t now_;
  std::uint32_t oldest_;
  Origins& origins_;
  std::string path_;
  std::string_view key_;
  std::string whole_;
  std::size_t spent_ = 0;
  std::size_t leaves_ = 0;
  std::size_t parts_ = 0;
  Scratch scratch_;
};

Origins Trail::before(json::Value arguments, const Sink& sink, base::Time now) {
  Origins origins;
  if (limits_.prints == 0 || !arguments.exists()) return origins;
  if (began_ == base::Time{}) began_ = now;
  changed_ = now;
  Asker asker(*this, sink, now, origins);
  asker.walk(arguments);
  asker.finish();
  origins.complete = origins.complete && !cut_ && !texts_.lost() && !values_.lost();
  return origins;
}

}  // namespace latticegate::provenance
