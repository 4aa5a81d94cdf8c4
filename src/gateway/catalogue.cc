#include "gateway/catalogue.h"

#include <format>
#include <utility>

#include "json/write.h"

namespace latticegate::gateway {
namespace {

using inspect::PinState;
using inspect::PinSubject;

constexpr std::size_t most_prompts = 4096;

policy::Effects effects_of(const config::Effects& effects) {
  return {effects.read, effects.write, effects.destructive, effects.egress, effects.actuate};
}

}  // namespace

policy::ServerFacts facts_of(const config::Server& server) {
  return {.name = server.name,
          .segment = server.segment,
          .region = server.region,
          .verified = server.verified,
          .domains = server.domains,
          .sensitivity = server.sensitivity};
}

policy::ToolFacts facts_of(const config::Server& server, std::string_view name) {
  policy::ToolFacts facts;
  facts.effects = effects_of(server.effects);
  facts.domains = server.domains;
  facts.sensitivity = server.sensitivity;
  if (const auto found = server.tools.find(name); found != server.tools.end()) {
    const config::Tool& tool = found->second;
    if (tool.effects.any()) facts.effects = effects_of(tool.effects);
    if (tool.domains) facts.domains = *tool.domains;
    if (tool.sensitivity) facts.sensitivity = *tool.sensitivity;
    facts.segment = tool.segment;
    facts.region = tool.region;
    facts.retention_years = tool.retention_years;
  }
  return facts;
}

base::Result<void> Pins::restore() {
  for (const store::State::Entry& entry : memory_.remembered("pins")) {
    auto book = inspect::PinBook::from_json(entry.value);
    if (!book) return base::within("the saved pins cannot be read", std::move(book).error());
    book_ = *std::move(book);
  }
  return {};
}

void Pins::keep() { memory_.put("pins", "book", book_.to_json()); }

Pins::Seen Pins::observe(const PinSubject& subject, const inspect::Fingerprint& form,
                         bool approve_new, base::Time now) {
  const std::scoped_lock lock(mutex_);
  Seen seen;
  seen.state = book_.judge(subject, form);
  const inspect::Fingerprint* const approved = book_.approved(subject);
  if (approved != nullptr) seen.approved_hash = approved->hash;
  if (seen.state == PinState::same) return seen;
  if (seen.state == PinState::unseen && approve_new) {
    book_.approve(subject, form, "first sight", now);
    news_ = true;
    return seen;
  }
  const inspect::PinEntry* const entry = book_.find(subject);
  seen.first_news = entry == nullptr || !entry->pending || entry->pending->hash != form.hash;
  if (seen.first_news) {
    book_.observe(subject, form, now);
    news_ = true;
  }
  return seen;
}

void Pins::keep_news() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(news_, false)) keep();
}

base::Result<void> Pins::approve(const PinSubject& subject, std::string_view hash,
                                 std::string_view by, base::Time now) {
  const std::scoped_lock lock(mutex_);
  auto done = book_.approve_pending(subject, hash, by, now);
  if (done) keep();
  return done;
}

inspect::PinBook Pins::book() const {
  const std::scoped_lock lock(mutex_);
  return book_;
}

Catalogue::Catalogue(std::shared_ptr<const config::Config> config, const config::Server& server,
                     Pins& pins, const base::Log& log, std::shared_ptr<const policy::Engine> engine)
    : config_(std::move(config)),
      server_(server),
      inspect_(config_->inspect),
      pins_(pins),
      log_(log),
      engine_(std::move(engine)) {
  facts_ = facts_of(server);
}

std::shared_ptr<const ToolEntry> Catalogue::find(std::string_view tool) const {
  const std::shared_lock lock(mutex_);
  const auto entry = entries_.find(tool);
  return entry == entries_.end() ? nullptr : entry->second;
}

namespace {

// A server of both eras says of each tool in the older one whether it may become a task, and has no
// such member in the newer one: it is no change of the tool.
inspect::Fingerprint form_of(json::Value descriptor) {
  const json::Value execution = descriptor["execution"];
  const std::string_view support = execution["taskSupport"].text_or({});
  const bool known = support == "forbidden" || support == "optional" || support == "required";
  if (!known || execution.size() != 1) return inspect::fingerprint(descriptor);
  std::string text;
  const std::vector<json::Edit> edits{{execution, ""}};
  json::write(descriptor, edits, text);
  const auto without = json::Document::parse(text, {.depth = 256});
  return inspect::fingerprint(without ? without->root() : descriptor);
}

}  // namespace

std::shared_ptr<const ToolEntry> Catalogue::observe(
    json::Value descriptor, bool suspicious, base::Time now,
    const std::function<void(const ToolEntry&, std::string_view approved)>& held) {
  const std::string_view name = descriptor["name"].text_or({});
  inspect::Fingerprint form = form_of(descriptor);
  const PinSubject subject{facts_.name, inspect::PinKind::tool, std::string(name)};
  const Pins::Seen seen = pins_.observe(subject, form, !inspect_.hold_new && !suspicious, now);
  const bool is_held = seen.state == PinState::unseen
                           ? inspect_.hold_new || suspicious
                           : seen.state != PinState::same && inspect_.hold_changed;
  if (auto known = find(name);
      known && known->form.hash == form.hash && known->held == is_held && (known->tool || is_held))
    return known;

  auto entry = std::make_shared<ToolEntry>();
  entry->name = name;
  entry->held = is_held;
  if (is_held)
    entry->why_held =
        seen.state == PinState::unseen
            ? (suspicious ? "its text hides characters" : "it is new and not approved yet")
            : "it differs from what was approved";
  auto tool = policy::make_tool(facts_, descriptor, facts_of(server_, name));
  if (tool)
    entry->tool = *std::move(tool);
  else
    entry->why_held = "it cannot be judged: " + base::describe(tool.error());
  if (entry->tool && engine_ != nullptr)
    if (auto misfit = engine_->misfit(*entry->tool)) {
      entry->tool = nullptr;
      entry->why_held = "a policy does not fit it: " + *misfit;
    }
  const json::Value schema = descriptor["inputSchema"];
  if (inspect_.argument_schema) {
    auto compiled = inspect::Schema::compile(schema);
    if (compiled) {
      entry->schema.emplace(*std::move(compiled));
    } else {
      entry->tool = nullptr;
      entry->why_held = "its inputSchema cannot be used: " + base::describe(compiled.error());
    }
  }
  if (auto mirrors = mcp::mirrors_of(schema)) {
    entry->mirrored = *std::move(mirrors);
  } else {
    entry->tool = nullptr;
    entry->why_held = "its inputSchema cannot be used: " + base::describe(mirrors.error());
  }
  if (!entry->tool) {
    entry->held = true;
    log_.warning(
        "a tool is hidden",
        {{"server", facts_.name}, {"tool", std::string(name)}, {"reason", entry->why_held}});
  }
  entry->form = std::move(form);
  if (is_held && seen.first_news) held(*entry, seen.approved_hash);
  const std::unique_lock lock(mutex_);
  entries_.insert_or_assign(std::string(name), entry);
  return entry;
}

void Catalogue::keep_news() { pins_.keep_news(); }

void Catalogue::listed(std::vector<std::string> names, base::Instant now) {
  const std::unique_lock lock(mutex_);
  listed_ = std::move(names);
  listed_at_ = now;
}

std::optional<std::vector<std::shared_ptr<const ToolEntry>>> Catalogue::fresh(
    base::Instant now) const {
  const std::shared_lock lock(mutex_);
  if (!listed_at_ || now - *listed_at_ > std::chrono::minutes(1)) return std::nullopt;
  std::vector<std::shared_ptr<const ToolEntry>> list;
  for (const std::string& name : listed_)
    if (const auto entry = entries_.find(name); entry != entries_.end())
      list.push_back(entry->second);
  return list;
}

void Catalogue::note_prompt(std::string_view outward, std::string_view name) {
  const std::unique_lock lock(mutex_);
  if (prompts_.size() < most_prompts) prompts_.insert_or_assign(std::string(outward), name);
}

std::optional<std::string> Catalogue::prompt(std::string_view outward) const {
  const std::shared_lock lock(mutex_);
  const auto found = prompts_.find(outward);
  if (found == prompts_.end()) return std::nullopt;
  return found->second;
}

bool Catalogue::observe_instructions(std::string_view text, base::Time now) {
  const PinSubject subject{facts_.name, inspect::PinKind::instructions, {}};
  const Pins::Seen seen =
      pins_.observe(subject, inspect::fingerprint_text(text), !inspect_.hold_new, now);
  pins_.keep_news();
  if (seen.state == PinState::same) return true;
  const bool accepted =
      seen.state == PinState::unseen ? !inspect_.hold_new : !inspect_.hold_changed;
  if (!accepted && seen.first_news)
    log_.warning("changed server instructions are held back", {{"server", facts_.name}});
  return accepted;
}

void Catalogue::approved(std::string_view tool) {
  const std::unique_lock lock(mutex_);
  if (const auto entry = entries_.find(tool); entry != entries_.end() && entry->second->tool) {
    auto again = std::make_shared<ToolEntry>();
    again->name = entry->second->name;
    again->form = entry->second->form;
    again->tool = entry->second->tool;
    again->mirrored = entry->second->mirrored;
    // The schema is compiled anew from the approved bytes: a Schema is not copied.
    if (auto document = json::Document::parse(again->form.bytes))
      if (auto schema = inspect::Schema::compile(document->root()["inputSchema"]))
        again->schema.emplace(*std::move(schema));
    entry->second = std::move(again);
  }
}

std::vector<std::shared_ptr<const ToolEntry>> Catalogue::entries() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const ToolEntry>> list;
  list.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) list.push_back(entry);
  return list;
}

}  // namespace latticegate::gateway
