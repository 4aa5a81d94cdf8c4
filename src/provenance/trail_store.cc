// The part of a trail that writes and reads it.
#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "json/write.h"
#include "provenance/trail.h"

namespace latticegate::provenance {
namespace {

constexpr std::size_t most_saved = std::size_t{16} * 1024;  // of each kind
constexpr std::size_t most_labels = 64;
constexpr json::Limits limits_of_text{
    .size = {std::uint64_t{1024} * 1024}, .depth = 8, .nodes = 20'000};

std::string text_of(const Prints& prints, std::uint32_t oldest) {
  return base::to_base64(base::bytes_of(prints.packed(oldest, most_saved)));
}

base::Result<void> read_prints(json::Value saved, Prints& into) {
  const auto bytes = base::from_base64(saved.text_or({}));
  if (!bytes) return base::fail(base::Code::malformed, "fingerprints are base64");
  return into.unpack(*bytes);
}

base::Time read_time(json::Value saved) {
  constexpr std::int64_t far = 9'000'000'000'000;
  return base::Time(
      std::chrono::milliseconds(std::clamp<std::int64_t>(saved.integer().value_or(0), 0, far)));
}

std::vector<std::string> read_texts(json::Value saved) {
  std::vector<std::string> out;
  for (const json::Value one : saved.elements())
    if (out.size() < most_labels) out.emplace_back(one.text_or({}));
  return out;
}

}  // namespace

std::string Trail::save(base::Time now) const {
  const std::uint32_t from = oldest(seconds(now));
  std::string out;
  json::Writer w(out);
  w.begin_object()
      .member("began", base::to_unix_ms(began_))
      .member("changed", base::to_unix_ms(changed_))
      .member("untrusted", untrusted_)
      .member("sensitive", sensitive_)
      .member("cut", cut_ || texts_.lost() || values_.lost())
      .member("lengths", static_cast<std::int64_t>(lengths_ >> 1))  // no value has no letters
      .key("sources")
      .begin_array();
  for (const Read& read : sources_) {
    w.begin_object()
        .member("name", read.name)
        .member("server", read.server)
        .member("sensitive", read.sensitive)
        .member("last", base::to_unix_ms(read.last));
    for (const auto& [key, labels] :
         {std::pair("taint", &read.taint), std::pair("domains", &read.domains)}) {
      w.key(key).begin_array();
      for (const std::string& label : *labels) w.string(label);
      w.end_array();
    }
    w.end_object();
  }
  w.end_array()
      .member("texts", text_of(texts_, from))
      .member("values", text_of(values_, from))
      .end_object();
  return out;
}

std::optional<base::Time> Trail::changed_of(std::string_view saved) {
  const auto document = json::Document::parse(saved, limits_of_text);
  if (!document || !document->root()["changed"].integer()) return std::nullopt;
  return read_time(document->root()["changed"]);
}

base::Result<Trail> Trail::load(std::string_view saved, Limits limits, Key key) {
  auto document = json::Document::parse(saved, limits_of_text);
  if (!document) return std::unexpected(std::move(document).error());
  const json::Value root = document->root();
  Trail out(limits, key);
  out.began_ = read_time(root["began"]);
  out.changed_ = read_time(root["changed"]);
  out.untrusted_ = root["untrusted"].boolean().value_or(false);
  out.sensitive_ = root["sensitive"].boolean().value_or(false);
  out.cut_ = root["cut"].boolean().value_or(false);
  out.lengths_ = static_cast<std::uint64_t>(root["lengths"].integer().value_or(0)) << 1;
  for (const json::Value one : root["sources"].elements()) {
    if (out.sources_.size() == most_sources)
      return base::fail(base::Code::malformed, "too many sources");
    out.sources_.push_back({.name = std::string(one["name"].text_or({})),
                            .server = std::string(one["server"].text_or({})),
                            .taint = read_texts(one["taint"]),
                            .domains = read_texts(one["domains"]),
                            .sensitive = one["sensitive"].boolean().value_or(false),
                            .last = read_time(one["last"])});
  }
  bool placed = true;  // fingerprints name sources by their place
  for (const auto& [key_name, prints] :
       {std::pair("texts", &out.texts_), std::pair("values", &out.values_)}) {
    if (auto done = read_prints(root[key_name], *prints); !done)
      return std::unexpected(std::move(done).error());
    prints->each(0, [&](const Print& print) {
      const bool named = (print.places & (Place::untrusted | Place::sensitive)) == 0 ||
                         std::max(print.untrusted, print.sensitive) < out.sources_.size();
      placed = placed && named;
    });
  }
  if (!placed) return base::fail(base::Code::malformed, "a fingerprint of no source");
  return out;
}

}  // namespace latticegate::provenance
