#include "inspect/redact.h"

#include <algorithm>
#include <format>
#include <span>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "inspect/hidden_text.h"

namespace latticegate::inspect {
namespace {

bool wanted(const Finding& finding, const Redaction& how) {
  switch (finding.kind) {
    case FindingKind::secret: return how.secrets && finding.confidence >= how.at_least;
    case FindingKind::hidden_text:
    case FindingKind::terminal_escape: return how.hidden;
    case FindingKind::exfiltration: return how.links;
    case FindingKind::instruction:
    case FindingKind::injection:
    case FindingKind::personal_data:
    case FindingKind::canary:
    case FindingKind::schema: return false;
  }
  std::unreachable();
}

// The text with the findings (of this text, ordered by begin, secrets not overlapping) taken out.
std::string without(std::string_view text, std::span<const Finding* const> findings,
                    const Redaction& how) {
  std::string out;
  std::size_t done = 0;
  bool hidden = false;
  for (const Finding* const finding : findings) {
    if (finding->kind != FindingKind::secret && finding->kind != FindingKind::exfiltration) {
      hidden = true;
      continue;
    }
    if (finding->begin < done || finding->end > text.size()) continue;
    out += text.substr(done, finding->begin - done);
    if (finding->kind == FindingKind::secret)
      out += redaction_mark(finding->rule,
                            text.substr(finding->begin, finding->end - finding->begin), how.key);
    else
      out += std::format("<redacted:{}>", finding->rule);
    done = finding->end;
  }
  out += text.substr(done);
  return hidden ? strip_hidden(out) : out;
}

struct Place {
  const json::Node* node = nullptr;  // of the value
  bool key = false;
  std::vector<const Finding*> findings;
};

std::vector<Place> places_of(const Findings& findings, const Redaction& how) {
  std::vector<Place> places;
  for (const Finding& finding : findings.items) {
    if (!wanted(finding, how) || !finding.at.exists()) continue;
    if (places.empty() || places.back().node != finding.at.node() ||
        places.back().key != finding.in_key)
      places.push_back({finding.at.node(), finding.in_key, {}});
    places.back().findings.push_back(&finding);
  }
  return places;
}

// The innermost object of the tree whose direct member has this value.
const json::Node* object_with(const json::Node* root, const json::Node* value) {
  const json::Node* found = root;
  const json::Node* at = root;
  while (at != value) {
    const bool object = at->kind == json::Kind::object;
    if (object) found = at;
    const json::Node* child = at + 1;
    for (;;) {
      const json::Node* const inner = object ? child + 1 : child;
      if (value < inner + inner->span) {
        at = inner;
        break;
      }
      child = inner + inner->span;
    }
  }
  return found;
}

const Place* find_place(std::span<const Place> places, const json::Node* node, bool key) {
  const auto at = std::ranges::lower_bound(places, node, {}, &Place::node);
  for (auto it = at; it != places.end() && it->node == node; ++it)
    if (it->key == key) return &*it;
  return nullptr;
}

// Writes a subtree with keys and values redacted; used only for objects that have a secret in a
// key.
void write_redacted(json::Value value, std::span<const Place> places, const Redaction& how,
                    std::string& out) {
  if (const Place* const place = find_place(places, value.node(), false)) {
    json::write_string(without(value.text_or(""), place->findings, how), out);
  } else if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const json::Member member : value.members()) {
      if (!first) out += ',';
      first = false;
      const Place* const key = find_place(places, member.value.node(), true);
      json::write_string(
          key != nullptr ? without(member.key, key->findings, how) : std::string(member.key), out);
      out += ':';
      write_redacted(member.value, places, how, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const json::Value element : value.elements()) {
      if (!first) out += ',';
      first = false;
      write_redacted(element, places, how, out);
    }
    out += ']';
  } else {
    json::write(value, out);
  }
}

}  // namespace

std::string redaction_mark(std::string_view rule, std::string_view secret, std::string_view key) {
  std::string mark = std::format("<redacted:{}", rule);
  if (secret.size() >= 20) {
    const std::string_view tail = secret.substr(secret.size() - 4);
    const bool plain = std::ranges::all_of(
        tail, [](char c) { return c > 0x20 && c < 0x7F && c != '<' && c != '>'; });
    if (plain) mark += std::format(":{}", tail);
  }
  if (!key.empty())
    mark += std::format(":{}", crypto::to_hex(crypto::hmac_sha256(key, secret)).substr(0, 8));
  return mark + ">";
}

std::vector<json::Edit> redact(json::Value root, const Findings& findings, const Redaction& how) {
  std::vector<json::Edit> edits;
  const std::vector<Place> places = places_of(findings, how);
  std::vector<const json::Node*> objects;  // rewritten as a whole
  for (const Place& place : places)
    if (place.key) objects.push_back(object_with(root.node(), place.node));
  std::ranges::sort(objects);
  const json::Node* covered = nullptr;  // end of the last rewritten object
  const auto rewrite = [&](const json::Node* object) {
    if (object < covered) return;
    json::Edit edit{json::Value(object), {}};
    write_redacted(edit.at, places, how, edit.text);
    covered = object + object->span;
    edits.push_back(std::move(edit));
  };
  auto object = objects.begin();
  for (const Place& place : places) {
    while (object != objects.end() && *object <= place.node) rewrite(*object++);
    if (place.key || place.node < covered) continue;
    json::Edit edit{json::Value(place.node), {}};
    json::write_string(without(edit.at.text_or(""), place.findings, how), edit.text);
    edits.push_back(std::move(edit));
  }
  return edits;
}

std::string redact_text(std::string_view text, const Findings& findings, const Redaction& how) {
  std::vector<const Finding*> own;
  for (const Finding& finding : findings.items)
    if (wanted(finding, how)) own.push_back(&finding);
  return without(text, own, how);
}

}  // namespace latticegate::inspect
