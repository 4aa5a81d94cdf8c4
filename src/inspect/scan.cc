#include "inspect/scan.h"

#include <algorithm>
#include <cstring>
#include <format>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/storage.h"
#include "inspect/detail/compiled.h"
#include "inspect/detail/personal.h"
#include "inspect/detail/subschema.h"
#include "inspect/detail/token.h"
#include "inspect/disguise.h"
#include "inspect/hidden_text.h"
#include "inspect/models.h"

namespace latticegate::inspect {
namespace {

// A key or string value and where its bytes lie in the buffer.
struct Leaf {
  const json::Node* node = nullptr;  // the string; null for a bare text
  std::uint32_t begin = 0;
  std::uint32_t length = 0;  // of what was laid into the buffer
  bool key = false;
};

struct Hit {
  std::uint32_t anchor = 0;
  std::uint32_t end = 0;  // behind the anchor, in the buffer
};

// One occurrence of anchors per this many bytes is plenty for any honest text; beyond it the scan
// stops and says so.
constexpr std::size_t bytes_per_hit = 12;
constexpr std::size_t free_hits = 4096;
// Steps of confirmation: a match of 100 characters takes about 300.
constexpr std::uint64_t work_per_byte = 16;
constexpr std::uint64_t free_work = 200'000;
constexpr std::size_t largest_kept_buffer = std::size_t{1024} * 1024;
constexpr std::size_t longest_match = std::size_t{16} * 1024;  // behind an anchor
constexpr float finding_score = 2, likely_score = 2.7F;
constexpr std::size_t longest_excerpt = 160;
constexpr std::size_t longest_key = 64;  // of a member whose name tells that its value is a secret

// Where a candidate stands: in a text, in a text right behind other letters, or as the value of a
// telling name.
enum class Context : std::uint8_t { text, glued, field };

// A checksum or a parse proves a token; that it has letters and digits does not.
bool is_proof(TokenCheck check) { return check != TokenCheck::none && check != TokenCheck::mixed; }

// The pointer from `root` to the node (a value of its tree): follows the subtree that contains it.
std::string pointer_to(const json::Node* root, const json::Node* target) {
  std::string out;
  const json::Node* at = root;
  while (at != target) {
    const bool object = at->kind == json::Kind::object;
    std::size_t index = 0;
    const json::Node* child = at + 1;
    for (;; ++index) {
      const json::Node* const value = object ? child + 1 : child;
      if (target < value + value->span) {
        if (object)
          escape_segment({child->text, child->length}, out);
        else
          out += std::format("/{}", index);
        at = value;
        break;
      }
      child = value + value->span;
    }
  }
  return out;
}

// What may be shown of a secret: its public prefix, its length and, if it is long, its last four
// characters.
std::string masked(std::string_view secret, std::string_view prefix) {
  std::string out(secret.starts_with(prefix) ? prefix : std::string_view());
  out += "...";
  if (secret.size() >= 20) out += base::printable(secret.substr(secret.size() - 4));
  return out + std::format(" ({} characters)", secret.size());
}

}  // namespace

struct Scanner::State {
  std::shared_ptr<const RuleSet> rules;
  std::shared_ptr<const Models> models;
  SecondOpinion opinion;
  std::vector<Word> words;
  std::unique_ptr<hs_scratch_t, FreeScratch> scratch;
  std::vector<char> buffer;
  std::size_t used = 0;
  std::vector<Leaf> leaves;
  std::vector<Hit> hits;
  std::size_t most_hits = 0;
  std::vector<std::uint32_t>
      last_end;  // per rule: how far its last match in the current leaf reached

  const RuleSet::Compiled& compiled() const { return *rules->compiled_; }

  static base::Result<std::unique_ptr<hs_scratch_t, FreeScratch>> scratch_for(
      const RuleSet& rules) {
    hs_scratch_t* raw = nullptr;
    for (const auto& database : rules.compiled_->databases) {
      if (!database) continue;
      if (hs_alloc_scratch(database.get(), &raw) != HS_SUCCESS) {
        hs_free_scratch(raw);
        return base::fail(base::Code::unavailable, "no memory to scan with");
      }
    }
    return std::unique_ptr<hs_scratch_t, FreeScratch>(raw);
  }

  Findings scan(Surface surface, json::Value value, const ScanLimits& limits);
  Findings scan_text(Surface surface, std::string_view text, const ScanLimits& limits);

 private:
  friend class Scanner;
  void begin(const ScanLimits& limits);
  void lay(const json::Node* node, std::string_view text, bool key);
  void lay_tree(json::Value value);
  void look(Surface surface, const json::Node* root);
  void find_secrets(Surface surface, const json::Node* root);
  void judge(const Rule& rule, std::uint32_t index, const Anchor& anchor, const Leaf& leaf,
             std::size_t at, const json::Node* root);
  void judge_field(const Rule& rule, const Anchor& anchor, const Leaf& leaf, std::size_t at,
                   const json::Node* root);
  void add_match(const Rule& rule, const json::Node* node, bool key, std::string_view text,
                 std::size_t from, std::size_t to, const json::Node* root, Context context);
  void add_secret(const Rule& rule, const Anchor& anchor, const json::Node* node, bool key,
                  std::string_view text, std::size_t from, std::size_t to, const json::Node* root,
                  Context context);
  void find_hidden_text(Surface surface, const json::Node* root);
  void find_persons(Surface surface, const json::Node* root);
  void look_behind(Surface surface, const Disclosed& disclosed, const json::Node* root);
  const Leaf& leaf_at(std::size_t at) const;
  void ask_model(Surface surface, const json::Node* root);
  void ask_classifier(Surface surface, const json::Node* root);
  void add(Finding finding);
  void settle();
  void mask_pointers();

  std::string_view text_of(const Leaf& leaf) const {
    return {buffer.data() + leaf.begin, leaf.length};
  }

  Findings findings_;
  std::unique_ptr<State> behind_;     // for texts without their disguise; made when there is one
  std::vector<const Rule*> matched_;  // that are not for secrets
  std::size_t budget_ = 0;
  std::uint64_t work_ = 0;  // steps that confirmations may still take
  std::uint32_t most_findings_ = 0;
  bool each_person_ = false;
  bool plain_ = false;  // what is laid into the buffer is plain ASCII
};

void Scanner::State::begin(const ScanLimits& limits) {
  used = 0;
  leaves.clear();
  hits.clear();
  findings_ = {};
  matched_.clear();
  constexpr std::uint64_t most = std::uint64_t{1} << 30;  // offsets are 32-bit
  budget_ = static_cast<std::size_t>(std::min(limits.bytes.count, most));
  most_findings_ = limits.findings;
  each_person_ = limits.each_person;
}

void Scanner::State::lay(const json::Node* node, std::string_view text, bool key) {
  if (text.empty()) return;
  const std::size_t length = std::min(text.size(), budget_ - used);
  findings_.scanned += length;
  findings_.skipped += text.size() - length;
  if (length == 0) return;
  if (buffer.size() < used + length + 2)
    buffer.resize(std::max(2 * buffer.size(), used + length + 1024));
  char* const to = buffer.data() + used;
  std::memcpy(to, text.data(), length);
  leaves.push_back(
      {node, static_cast<std::uint32_t>(used), static_cast<std::uint32_t>(length), key});
  // A line feed keeps anchors from matching across two strings, since none of them contains one;
  // two end a sentence.
  to[length] = to[length + 1] = '\n';
  used = std::min(used + length + 2, budget_);
}

// Depth is bounded by the limits of the parse.
void Scanner::State::lay_tree(json::Value value) {
  switch (value.kind()) {
    case json::Kind::string:
      lay(value.node(), {value.node()->text, value.node()->length}, false);
      return;
    case json::Kind::array:
      for (const json::Value element : value.elements()) lay_tree(element);
      return;
    case json::Kind::object:
      for (const json::Member member : value.members()) {
        lay(member.value.node() - 1, member.key, true);
        lay_tree(member.value);
      }
      return;
    case json::Kind::null:
    case json::Kind::boolean:
    case json::Kind::number: return;
  }
}

void Scanner::State::add(Finding finding) {
  if (findings_.items.size() >= most_findings_)
    ++findings_.dropped;
  else
    findings_.items.push_back(std::move(finding));
}

void Scanner::State::add_secret(const Rule& rule, const Anchor& anchor, const json::Node* node,
                                bool key, std::string_view text, std::size_t from, std::size_t to,
                                const json::Node* root, Context context) {
  const std::string_view secret = text.substr(from, to - from);
  std::string_view body = secret;
  std::string_view prefix;
  if (const std::size_t at = secret.find(anchor.text);
      at != std::string_view::npos && !rule.before) {
    if (at == 0) prefix = anchor.text;
    body = at == 0 ? secret.substr(anchor.text.size()) : secret;
  }
  const bool passed = holds(rule.check, secret, body);
  if (rule.check_decides && !passed) return;
  const bool checked = passed && is_proof(rule.check);
  if (context == Context::glued && !checked) return;
  // What follows the token right away makes it part of something longer, unless a checksum says
  // otherwise.
  if (!checked && context == Context::text && to < text.size() &&
      rule.not_before[static_cast<unsigned char>(text[to])])
    return;
  Confidence confidence = checked ? Confidence::verified : Confidence::likely;
  if (!checked) {
    if (is_placeholder(secret, compiled().placeholders, compiled().values)) return;
    if (is_monotonous(body)) {
      if (rule.before || context == Context::field) return;
      confidence = Confidence::possible;
    } else if (rule.entropy > 0 && entropy(body) < rule.entropy) {
      return;
    } else if (!passed) {
      confidence = Confidence::possible;
    }
  }
  Finding finding;
  finding.rule = rule.id;
  finding.kind = FindingKind::secret;
  finding.severity = confidence == Confidence::possible ? std::min(rule.severity, Severity::medium)
                                                        : rule.severity;
  finding.confidence = confidence;
  if (node != nullptr) {
    finding.at = json::Value(key ? node + 1 : node);
    finding.pointer = pointer_to(root, finding.at.node());
  }
  finding.in_key = key;
  finding.begin = from;
  finding.end = to;
  finding.excerpt = masked(secret, prefix);
  add(std::move(finding));
}

// A match of a rule that is not for secrets: what it says stands in its pattern and its check.
void Scanner::State::add_match(const Rule& rule, const json::Node* node, bool key,
                               std::string_view text, std::size_t from, std::size_t to,
                               const json::Node* root, Context context) {
  const std::string_view match = text.substr(from, to - from);
  if (context == Context::glued || !holds(rule.check, match, match)) return;
  if (to < text.size() && rule.not_before[static_cast<unsigned char>(text[to])]) return;
  if (!std::ranges::contains(matched_, &rule)) {
    matched_.push_back(&rule);
    findings_.scores.rules = std::max(findings_.scores.rules, rule.rarity) +
                             0.5F * std::min(findings_.scores.rules, rule.rarity);
  }
  Finding finding;
  finding.rule = rule.id;
  finding.kind = rule.kind;
  finding.severity = rule.severity;
  finding.confidence = is_proof(rule.check)                 ? Confidence::verified
                       : rule.rarity >= 2.5F || rule.before ? Confidence::likely
                                                            : Confidence::possible;
  finding.labels = rule.labels;
  if (node != nullptr) {
    finding.at = json::Value(key ? node + 1 : node);
    finding.pointer = pointer_to(root, finding.at.node());
  }
  finding.in_key = key;
  finding.begin = from;
  finding.end = to;
  if (rule.kind == FindingKind::personal_data || rule.kind == FindingKind::canary)
    finding.excerpt = std::format("({} characters)", match.size());
  else
    finding.excerpt = base::printable(match.substr(0, longest_excerpt));
  add(std::move(finding));
}

// The anchor stands at `at` of the leaf's text: finds the match around it.
void Scanner::State::judge(const Rule& rule, std::uint32_t index, const Anchor& anchor,
                           const Leaf& leaf, std::size_t at, const json::Node* root) {
  const std::size_t done = last_end[index] > leaf.begin ? last_end[index] - leaf.begin : 0;
  if (at < done) return;
  const std::string_view text = text_of(leaf).substr(0, at + longest_match);
  const std::size_t first = std::max(done, at - std::min<std::size_t>(at, rule.lead));
  const Pattern& begins = rule.before ? *rule.before : rule.pattern;
  for (std::size_t start = first; start <= at; ++start) {
    if (!begins.may_begin(text[start])) continue;
    // What stands right in front makes it part of something longer, unless a checksum says
    // otherwise.
    const bool glued = start > 0 && rule.not_after[static_cast<unsigned char>(text[start - 1])];
    if (glued && !is_proof(rule.check)) continue;
    std::size_t from = start;
    if (rule.before) {
      const auto end = rule.before->match_at(text, start, &work_);
      if (!end || *end <= at) continue;
      from = *end;
    }
    const auto end = rule.pattern.match_at(text, from, &work_);
    if (!end || *end <= from + rule.trim || (!rule.before && *end <= at)) continue;
    last_end[index] = leaf.begin + static_cast<std::uint32_t>(*end);
    if (rule.kind != FindingKind::secret) {
      add_match(rule, leaf.node, leaf.key, text, from, *end - rule.trim, root,
                glued ? Context::glued : Context::text);
      return;
    }
    add_secret(rule, anchor, leaf.node, leaf.key, text, from, *end - rule.trim, root,
               glued ? Context::glued : Context::text);
    return;
  }
}

// The anchor ends a member's name ("db_password", "apiKey"): its string value is the candidate.
void Scanner::State::judge_field(const Rule& rule, const Anchor& anchor, const Leaf& leaf,
                                 std::size_t at, const json::Node* root) {
  const std::string_view key = text_of(leaf);
  if (leaf.node == nullptr || key.size() > longest_key || at + anchor.text.size() != key.size())
    return;
  const json::Node* const value = leaf.node + 1;
  if (value->kind != json::Kind::string) return;
  const std::string_view text(value->text, value->length);
  const auto end = rule.pattern.match_at(text, 0, &work_);
  if (!end || *end != text.size()) return;
  if (rule.kind != FindingKind::secret)
    add_match(rule, value, false, text, 0, text.size(), root, Context::field);
  else
    add_secret(rule, anchor, value, false, text, 0, text.size(), root, Context::field);
}

void Scanner::State::find_secrets(Surface surface, const json::Node* root) {
  hs_database_t* const database = compiled().databases[static_cast<std::size_t>(surface)].get();
  if (database == nullptr || used == 0) return;
  most_hits = used / bytes_per_hit + free_hits;
  const auto on_match = [](unsigned id, unsigned long long, unsigned long long to, unsigned,
                           void* context) {
    State& self = *static_cast<State*>(context);
    if (self.hits.size() >= self.most_hits) return 1;
    self.hits.push_back({id, static_cast<std::uint32_t>(to)});
    return 0;
  };
  const hs_error_t code = hs_scan(database, buffer.data(), static_cast<unsigned>(used), 0,
                                  scratch.get(), on_match, this);
  if (code == HS_SCAN_TERMINATED) {
    const std::uint64_t rest = used - hits.back().end;
    findings_.scanned -= std::min(rest, findings_.scanned);
    findings_.skipped += rest;
  } else if (code != HS_SUCCESS) {
    findings_.skipped += std::exchange(findings_.scanned, 0);
  }
  if (hits.empty()) return;

  last_end.assign(compiled().rules.size(), 0);
  work_ = work_per_byte * used + free_work;
  auto leaf = leaves.begin();
  for (const Hit& hit : hits) {
    const Anchor& anchor = compiled().anchors[hit.anchor];
    const std::size_t start = hit.end - anchor.text.size();
    if (work_ == 0) {  // somebody built a text out of beginnings: what follows was not judged
      const std::uint64_t rest = used - start;
      findings_.scanned -= std::min(rest, findings_.scanned);
      findings_.skipped += rest;
      break;
    }
    while (leaf->begin + leaf->length <= start) ++leaf;
    // Ends come in order, starts nearly: a longer anchor may begin in an earlier leaf's range only
    // if it lies in it.
    auto own = leaf;
    while (own->begin > start) --own;
    if (hit.end > own->begin + own->length) continue;  // reaches across two strings
    const std::size_t at = start - own->begin;
    for (const std::uint32_t index : anchor.rules) {
      const Rule& rule = compiled().rules[index];
      if ((rule.surface_mask >> static_cast<unsigned>(surface) & 1) == 0) continue;
      if (rule.field && own->key) judge_field(rule, anchor, *own, at, root);
      judge(rule, index, anchor, *own, at, root);
    }
  }
}

void Scanner::State::find_hidden_text(Surface surface, const json::Node* root) {
  plain_ = is_plain_ascii({buffer.data(), used});
  if (plain_) return;
  constexpr std::size_t kinds = 6;
  for (const Leaf& leaf : leaves) {
    const std::vector<HiddenRun> runs = find_hidden(text_of(leaf), 4096);
    if (runs.empty()) continue;
    for (std::size_t k = 0; k < kinds; ++k) {
      const auto kind = static_cast<HiddenKind>(k);
      Finding finding;
      std::uint64_t count = 0;
      std::string decoded;
      for (const HiddenRun& run : runs) {
        if (run.kind != kind) continue;
        if (count == 0) finding.begin = run.begin;
        finding.end = run.end;
        count += run.count;
        if (decoded.size() < 512) decoded += run.decoded;
      }
      if (count == 0) continue;
      finding.rule = rule_id(kind);
      finding.kind = kind == HiddenKind::escape_sequence || kind == HiddenKind::control_character
                         ? FindingKind::terminal_escape
                         : FindingKind::hidden_text;
      finding.severity = severity_of(kind, surface);
      finding.confidence = Confidence::verified;
      if (leaf.node != nullptr) {
        finding.at = json::Value(leaf.key ? leaf.node + 1 : leaf.node);
        finding.pointer = pointer_to(root, finding.at.node());
      }
      finding.in_key = leaf.key;
      finding.excerpt = std::format("{} hidden characters", count);
      if (!decoded.empty()) {
        finding.excerpt +=
            std::format(": \"{}\"", base::printable(std::string_view(decoded).substr(0, 160)));
        if (findings_.revealed.size() < most_disclosed)
          findings_.revealed.push_back(std::move(decoded));
      }
      add(std::move(finding));
    }
  }
}

// The leaf that the byte of the buffer belongs to.
const Leaf& Scanner::State::leaf_at(std::size_t at) const {
  const auto behind = std::ranges::upper_bound(leaves, at, {}, &Leaf::begin);
  return behind == leaves.begin() ? leaves.front() : *(behind - 1);
}

// After ask_model, which reads the words.
void Scanner::State::find_persons(Surface surface, const json::Node* root) {
  if (surface == Surface::descriptor || surface == Surface::instructions) return;
  for (const PersonalMatch& match : find_personal(
           {buffer.data(), used}, words,
           most_findings_ - std::min<std::size_t>(most_findings_, findings_.items.size()))) {
    const Leaf& leaf = leaf_at(match.begin);
    if (match.end > leaf.begin + leaf.length) continue;
    if (!each_person_ && std::ranges::contains(findings_.items, match.rule, &Finding::rule))
      continue;
    Finding finding;
    finding.rule = match.rule;
    finding.kind = FindingKind::personal_data;
    finding.severity = match.severity;
    finding.confidence = match.confidence;
    finding.labels = {std::string(match.label)};
    if (leaf.node != nullptr) {
      finding.at = json::Value(leaf.key ? leaf.node + 1 : leaf.node);
      finding.pointer = pointer_to(root, finding.at.node());
    }
    finding.in_key = leaf.key;
    finding.begin = match.begin - leaf.begin;
    finding.end = match.end - leaf.begin;
    finding.excerpt = std::format("({} characters)", match.end - match.begin);
    add(std::move(finding));
  }
}

// The rules on what a text says without its disguise. Where the disguise has a place of its own
// (base64, hexadecimal) secrets are found, too, and the place is theirs; of a text that is
// disguised as a whole nobody could say what to take out.
void Scanner::State::look_behind(Surface surface, const Disclosed& disclosed,
                                 const json::Node* root) {
  if (!behind_) {
    auto own = scratch_for(*rules);
    if (!own) return;  // no memory: the model judges the text all the same
    behind_ = std::make_unique<State>();
    behind_->rules = rules;
    behind_->scratch = *std::move(own);
  }
  constexpr std::uint32_t most_behind = 32;
  behind_->begin({.bytes = base::Bytes{disclosed.text.size()}, .findings = most_behind});
  behind_->lay(nullptr, disclosed.text, false);
  behind_->find_secrets(surface, nullptr);
  const bool placed =
      disclosed.how == "base64" || disclosed.how == "hex" || disclosed.how == "compressed";
  const Leaf& leaf = leaf_at(disclosed.begin);
  for (Finding& finding : behind_->findings_.items) {
    if (finding.kind == FindingKind::secret && !placed) continue;
    if (std::ranges::contains(findings_.items, finding.rule, &Finding::rule)) continue;
    if (leaf.node != nullptr) {
      finding.at = json::Value(leaf.key ? leaf.node + 1 : leaf.node);
      finding.pointer = pointer_to(root, finding.at.node());
    }
    finding.in_key = leaf.key;
    finding.begin = disclosed.begin - leaf.begin;
    finding.end = std::min<std::size_t>(disclosed.end - leaf.begin, leaf.length);
    finding.excerpt = std::format("in {}: {}", disclosed.how, finding.excerpt);
    finding.labels.emplace_back("AML.T0068");
    add(std::move(finding));
  }
  findings_.scores.rules = std::max(findings_.scores.rules, behind_->findings_.scores.rules);
}

// What the model of the surface says of the whole message: the scores always, and a finding above a
// score that one in a hundred benign texts reaches.
void Scanner::State::ask_model(Surface surface, const json::Node* root) {
  const NamedModel& named = models->of(surface);
  for (std::size_t head = 0; head < heads; ++head)
    findings_.scores.heads[head].name = named.scores[head];
  words.clear();
  if (leaves.empty()) return;
  const std::string_view laid(buffer.data(), used);
  Judged judged = named.model.judge(laid, words);
  // A disguise that comes off and shows something worse: what it shows counts.
  std::string_view how;
  Disclosure disclosure = disclose(laid, words, plain_);
  findings_.skipped += disclosure.left_out;
  for (Disclosed& disclosed : disclosure.texts) {
    look_behind(surface, disclosed, root);
    std::vector<Word> other;
    Judged shown = named.model.judge(disclosed.text, other);
    findings_.revealed.push_back(std::move(disclosed.text));
    if (shown.score <= std::max(judged.score, finding_score)) continue;
    shown.begin.fill(static_cast<std::uint32_t>(disclosed.begin));
    shown.end.fill(static_cast<std::uint32_t>(disclosed.end));
    judged = shown;
    how = disclosed.how;
  }
  for (std::size_t head = 0; head < heads; ++head)
    findings_.scores.heads[head].value = judged.value[head];
  // Two signals that agree are more than the stronger one.
  const float rules_say = findings_.scores.rules;
  findings_.scores.all = named.model.together(std::max(judged.score, rules_say) +
                                              0.3F * std::min(judged.score, rules_say));
  if (findings_.scores.all < finding_score) {
    // Rules that harmless texts match, too, are a remark as long as nothing else speaks for them.
    for (Finding& finding : findings_.items)
      if (finding.kind == named.kind && finding.severity <= Severity::high &&
          std::ranges::contains(matched_, finding.rule, &Rule::id))
        finding.severity = std::min(finding.severity, Severity::low);
    return;
  }
  if (judged.score < finding_score) return;
  const std::uint32_t begin = judged.begin[judged.head], end = judged.end[judged.head];
  const Leaf& leaf = leaf_at(begin);
  Finding finding;
  finding.rule = named.rules[judged.head];
  finding.kind = named.kind;
  if (!how.empty()) finding.labels = {"AML.T0068"};
  finding.severity = Severity::medium;
  finding.confidence = judged.score < likely_score ? Confidence::possible : Confidence::likely;
  if (leaf.node != nullptr) {
    finding.at = json::Value(leaf.key ? leaf.node + 1 : leaf.node);
    finding.pointer = pointer_to(root, finding.at.node());
  }
  finding.in_key = leaf.key;
  const auto whole = [text = text_of(leaf)](std::size_t at) {  // where a character begins
    while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
      --at;
    return at;
  };
  finding.begin = whole(begin - leaf.begin);
  finding.end = std::min(end - leaf.begin, leaf.length);
  while (finding.end < leaf.length && whole(finding.end) != finding.end) ++finding.end;
  if (findings_.has(FindingKind::secret))
    finding.excerpt = std::format("{} bytes", finding.end - finding.begin);
  else if (!how.empty())
    finding.excerpt = std::format("in {}", how);
  else
    finding.excerpt = base::printable(text_of(leaf).substr(
        finding.begin,
        whole(std::min(finding.end, finding.begin + longest_excerpt)) - finding.begin));
  add(std::move(finding));
}

// A pointer names keys: a secret inside a key must not travel in it.
void Scanner::State::mask_pointers() {
  std::vector<std::string> secrets;
  for (const Finding& item : findings_.items) {
    if (item.kind != FindingKind::secret || !item.in_key) continue;
    const json::Node* const key = item.at.node() - 1;
    std::string segment;
    escape_segment(
        std::string_view(key->text, key->length).substr(item.begin, item.end - item.begin),
        segment);
    secrets.push_back(segment.substr(1));
  }
  for (const std::string& secret : secrets)
    for (Finding& item : findings_.items)
      for (std::size_t at = 0; (at = item.pointer.find(secret, at)) != std::string::npos; at += 3)
        item.pointer.replace(at, secret.size(), "***");
}

// Document order; of secrets that overlap in one string only the surest stays.
void Scanner::State::ask_classifier(Surface surface, const json::Node* root) {
  constexpr std::size_t piece = 4096, overlap = 256, most_pieces = 64;
  std::size_t surest = 0;
  std::size_t at = 0;
  for (std::size_t count = 0; at < used && count < most_pieces; ++count) {
    const std::size_t length = std::min(piece, used - at);
    const auto says = opinion.classifier->judge({buffer.data() + at, length});
    if (!says) findings_.skipped += length;
    if (says.value_or(-1) > findings_.scores.own.value_or(-1)) {
      findings_.scores.own = says;
      surest = at;
    }
    at = length < piece ? used : at + piece - overlap;
  }
  findings_.skipped += used - std::min(at, used);
  if (findings_.scores.own.value_or(0) < opinion.threshold || leaves.empty()) return;
  const Leaf& leaf = leaf_at(surest);
  Finding finding;
  finding.rule = "own-classifier";
  finding.kind = models->of(surface).kind;
  finding.severity = Severity::medium;
  finding.confidence = Confidence::likely;
  if (leaf.node != nullptr) {
    finding.at = json::Value(leaf.key ? leaf.node + 1 : leaf.node);
    finding.pointer = pointer_to(root, finding.at.node());
  }
  finding.in_key = leaf.key;
  finding.begin = surest - std::min<std::size_t>(surest, leaf.begin);
  finding.end = std::min<std::size_t>(finding.begin + piece, leaf.length);
  finding.excerpt = std::format("{:.2f} of 1", *findings_.scores.own);
  add(std::move(finding));
}

void Scanner::State::settle() {
  auto& items = findings_.items;
  if (items.size() < 2) return;
  const auto place = [](const Finding& f) { return std::tuple(f.at.node(), !f.in_key, f.begin); };
  std::ranges::stable_sort(items, {}, place);
  std::vector<Finding> kept;
  for (Finding& item : items) {
    Finding* rival = nullptr;
    if (item.kind == FindingKind::secret)
      for (auto other = kept.rbegin(); other != kept.rend() && rival == nullptr; ++other) {
        if (other->at.node() != item.at.node() || other->in_key != item.in_key) break;
        if (other->kind == FindingKind::secret && item.begin < other->end) rival = &*other;
      }
    if (rival == nullptr) {
      kept.push_back(std::move(item));
      continue;
    }
    const auto rank = [](const Finding& f) {
      return std::tuple(f.confidence, f.severity, f.end - f.begin);
    };
    const std::size_t begin = std::min(rival->begin, item.begin),
                      end = std::max(rival->end, item.end);
    if (rank(item) > rank(*rival)) *rival = std::move(item);
    rival->begin = begin;  // what is redacted covers both
    rival->end = end;
  }
  items = std::move(kept);
}

void Scanner::State::look(Surface surface, const json::Node* root) {
  find_secrets(surface, root);
  find_hidden_text(surface, root);
  ask_model(surface, root);
  if (opinion.is_asked(surface)) ask_classifier(surface, root);
  find_persons(surface, root);
  settle();
  mask_pointers();
  if (buffer.size() > largest_kept_buffer) {
    base::free_storage(buffer);
    base::free_storage(leaves);
  }
}

Findings Scanner::State::scan(Surface surface, json::Value value, const ScanLimits& limits) {
  begin(limits);
  if (!value.exists()) return {};
  lay_tree(value);
  look(surface, value.node());
  return std::move(findings_);
}

Findings Scanner::State::scan_text(Surface surface, std::string_view text,
                                   const ScanLimits& limits) {
  begin(limits);
  lay(nullptr, text, false);
  look(surface, nullptr);
  return std::move(findings_);
}

base::Result<Scanner> Scanner::create(std::shared_ptr<const RuleSet> rules) {
  auto state = std::make_unique<State>();
  auto scratch = State::scratch_for(*rules);
  if (!scratch) return std::unexpected(std::move(scratch).error());
  auto models = Models::built_in();
  if (!models) return std::unexpected(std::move(models).error());
  state->rules = std::move(rules);
  state->models = *std::move(models);
  state->scratch = *std::move(scratch);
  return Scanner(std::move(state));
}

base::Result<void> Scanner::use(std::shared_ptr<const RuleSet> rules) {
  auto scratch = State::scratch_for(*rules);
  if (!scratch) return std::unexpected(std::move(scratch).error());
  state_->rules = std::move(rules);
  state_->scratch = *std::move(scratch);
  state_->behind_.reset();
  return {};
}

Scanner::Scanner(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scanner::Scanner(Scanner&&) noexcept = default;
Scanner& Scanner::operator=(Scanner&&) noexcept = default;
Scanner::~Scanner() = default;

const RuleSet& Scanner::rules() const { return *state_->rules; }

void Scanner::ask(SecondOpinion opinion) { state_->opinion = std::move(opinion); }

void use_models(Scanner& scanner, std::shared_ptr<const Models> models) {
  scanner.state().models = std::move(models);
}

Findings scan(Scanner& scanner, Surface surface, json::Value value, const ScanLimits& limits) {
  return scanner.state().scan(surface, value, limits);
}

Findings scan_text(Scanner& scanner, Surface surface, std::string_view text,
                   const ScanLimits& limits) {
  return scanner.state().scan_text(surface, text, limits);
}

}  // namespace latticegate::inspect
